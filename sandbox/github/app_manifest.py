"""GitHub App manifests: what GitHub takes, and what it says about the rest. It makes no App.

Source: docs.github.com, "Registering a GitHub App from a manifest". The words about events were
seen in GitHub's answers to others, for instance WeblateOrg/weblate#20301. Unlike GitHub, a webhook
URL on the same machine is taken, or the flow could not be tried.
"""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from sandbox.github.subscriptions import ALWAYS, PERMISSION_OF
from sandbox.github.world import Json

NAME_CHARACTERS = 34
_LEVELS = ("read", "write", "admin")
_PERMISSIONS = frozenset(PERMISSION_OF.values()) | {
    "administration",
    "codespaces",
    "environments",
    "members",
    "organization_administration",
    "packages",
    "pages",
    "repository_hooks",
    "secrets",
    "security_events",
    "single_file",
    "vulnerability_alerts",
    "workflows",
}
_TEXT = {"type": "string"}
_BOOLEAN = {"type": "boolean"}
_SCHEMA: Json = {
    "type": "object",
    "required": ["url"],
    "additionalProperties": False,
    "properties": {
        "name": _TEXT,
        "url": _TEXT,
        "hook_attributes": {
            "type": "object",
            "required": ["url"],
            "additionalProperties": False,
            "properties": {"url": _TEXT, "active": _BOOLEAN},
        },
        "redirect_url": _TEXT,
        "callback_urls": {"type": "array", "items": _TEXT, "maxItems": 10},
        "setup_url": _TEXT,
        "description": _TEXT,
        "public": _BOOLEAN,
        "default_events": {"type": "array", "items": _TEXT},
        "default_permissions": {"type": "object", "additionalProperties": _TEXT},
        "request_oauth_on_install": _BOOLEAN,
        "setup_on_update": _BOOLEAN,
    },
}
_VALIDATOR = Draft202012Validator(_SCHEMA)


class InvalidManifest(Exception):
    """GitHub does not make an App of this; `problems` are its words."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Manifest:
    """What an App is to be."""

    name: str
    url: str
    redirect_url: str
    hook_url: str
    setup_url: str
    setup_on_update: bool
    description: str
    public: bool
    permissions: dict[str, str]
    events: list[str]


def parse(text: str) -> Manifest:
    """Read the form field `manifest`.

    Raises:
        InvalidManifest: with everything that is wrong.
    """
    try:
        given = json.loads(text)
    except ValueError:
        raise InvalidManifest("Manifest is not valid JSON") from None
    problems = [_words(problem) for problem in _VALIDATOR.iter_errors(given)]
    if problems:
        raise InvalidManifest(*problems)
    permissions = {"metadata": "read", **given.get("default_permissions", {})}
    events = given.get("default_events", [])
    hook = given.get("hook_attributes", {})
    problems = [
        *_url_problems(given | {"hook_url": hook.get("url")}),
        *_permission_problems(permissions),
        *_event_problems(events, permissions),
        *name_problems(given.get("name", "App")),
    ]
    if problems:
        raise InvalidManifest(*problems)
    return Manifest(
        name=given.get("name", ""),
        url=given["url"],
        redirect_url=given["redirect_url"],
        hook_url=hook.get("url", "") if hook.get("active", True) else "",
        setup_url=given.get("setup_url", ""),
        setup_on_update=given.get("setup_on_update", False),
        description=given.get("description", ""),
        public=given.get("public", False),
        permissions=permissions,
        events=events,
    )


def name_problems(name: str) -> list[str]:
    """What is wrong with an App's name, apart from its being taken."""
    if not slug(name):
        return ["Name can't be blank"]
    too_long = len(name) > NAME_CHARACTERS
    return [f"Name is too long (maximum is {NAME_CHARACTERS} characters)"] if too_long else []


def slug(name: str) -> str:
    """The App's name in its URLs."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _url_problems(given: Json) -> list[str]:
    problems = []
    if not given.get("redirect_url"):
        problems.append('"redirect_url" wasn\'t supplied.')
    for name in ("url", "redirect_url", "hook_url", "setup_url"):
        url = given.get(name)
        parts = urlsplit(url or "")
        if url and (parts.scheme not in ("http", "https") or not parts.netloc):
            words = name.replace("_", " ").capitalize()
            problems.append(f"{words} must be a valid URL with the scheme http or https")
    return problems


def _permission_problems(permissions: dict[str, str]) -> list[str]:
    problems = []
    unknown = [name for name in permissions if name not in _PERMISSIONS]
    if unknown:
        problems.append(f"Default permissions unsupported: {_listed(unknown)}")
    for name, level in permissions.items():
        if level not in _LEVELS:
            problems.append(f"Default permissions {name}: {level} is not one of read, write, admin")
    return problems


def _event_problems(events: list[str], permissions: dict[str, str]) -> list[str]:
    unknown = [event for event in events if event in ALWAYS or event not in PERMISSION_OF]
    uncovered = [
        event for event in events if event in unknown or PERMISSION_OF.get(event) not in permissions
    ]
    problems = []
    if unknown:
        problems.append(f"Default events unsupported: {_listed(unknown)}")
    if uncovered:
        words = "Default events are not supported by permissions: "
        problems.append(words + _listed(uncovered))
    return problems


def _listed(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _words(problem: ValidationError) -> str:
    where = "/".join(str(part) for part in problem.absolute_path)
    value: Any = problem.instance
    rule: Any = problem.validator_value
    schema: Any = problem.schema
    match problem.validator:
        case "required":
            missing = next(name for name in rule if name not in value)
            return f'"{missing}" wasn\'t supplied.'
        case "additionalProperties":
            extra = _listed([f'"{name}"' for name in value if name not in schema["properties"]])
            return f"{extra} is not a permitted key."
        case "maxItems":
            return f"{where} has more than {rule} items."
        case _:
            return f"For '{where}', {value} is not a {rule}."
