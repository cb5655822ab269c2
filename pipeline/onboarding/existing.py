"""Reads what a repository already says of its server for others: the official registry's
`server.json`, Smithery's `smithery.yaml`, and examples of environment files."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

import yaml

from pipeline.manifest.secrets import named_like_one
from pipeline.onboarding import wording
from pipeline.onboarding.files import Files, text, within
from pipeline.onboarding.findings import Found, Variable
from pipeline.onboarding.hints import Command, Hints, found
from pipeline.onboarding.source import is_setting, transport_named

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
_ALIAS = re.compile(r"(?:^|[\s\[{,])[&*][A-Za-z0-9_]")
_ENV_LINE = re.compile(r"^(?:export )?([A-Za-z_][A-Za-z0-9_]{0,127})=", re.MULTILINE)
_ENV_OPTIONAL = re.compile(r"^#\s?(?:export )?([A-Z_][A-Z0-9_]{0,127})=", re.MULTILINE)
_MOST_YAML = 32 * 1024
_ENV_FILES = (".env.example", ".env.sample", ".env.template", "example.env", ".env.dist")

# Smithery's commandFunction is JavaScript: `(config) => ({command: 'node', args: ['x.js'], …})`.
_COMMAND = re.compile(r"""\bcommand["']?\s?:\s{0,5}["']([^"'\n]{1,100})["']""")
_ARGUMENTS = re.compile(r"""\bargs["']?\s?:\s{0,5}\[([^\[\]]{0,500})\]""")
_LITERAL = re.compile(r"""^\s{0,20}["']([^"'\n]{1,200})["']\s{0,20}$""")
_MAPPED = re.compile(
    r"""["']?([A-Z][A-Z0-9_]{1,127})["']?\s?:\s{0,5}(?:String\()?config\??\.([A-Za-z_]\w{0,100})"""
)


def server_json(files: Files, path: str = "server.json") -> Hints:
    """What `server.json` says.

    Source: https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json
    """
    value = _json(text(files, path))
    if not isinstance(value.get("name"), str) or not ("packages" in value or "remotes" in value):
        return Hints()
    packages = [item for item in _list(value.get("packages")) if isinstance(item, dict)]
    subfolder = _dict(value.get("repository")).get("subfolder")
    return Hints(
        name=found(wording.name(value["name"]), path),
        title=found(wording.title(value.get("title")), path),
        description=found(wording.description(value.get("description")), path),
        version=found(wording.version(value.get("version")), path),
        transport=_transport_of(packages, path),
        commands=tuple(_package_commands(packages, path)),
        variables=tuple(_package_variables(packages, path)),
        is_server=f"`{path}` lists it for the official MCP registry",
        subfolder=within(subfolder) if isinstance(subfolder, str) else None,
    )


def _transport_of(
    packages: list[dict[str, Any]], source: str
) -> Found[Literal["stdio", "streamable-http"]] | None:
    for package in packages:
        kind = transport_named(_dict(package.get("transport")).get("type"))
        if kind in ("stdio", "streamable-http"):
            return Found(kind, source, "likely")
    return None


def _package_commands(packages: list[dict[str, Any]], source: str) -> Iterator[Command]:
    programs = {"npm": "npx", "pypi": "uvx"}
    for package in packages:
        program = programs.get(str(package.get("registryType")))
        identifier = package.get("identifier")
        if program is None or not isinstance(identifier, str):
            continue
        given = [_dict(item) for item in _list(package.get("packageArguments"))]
        fixed = [str(a["value"]) for a in given if a.get("type") == "positional" and a.get("value")]
        yield Command((program, identifier, *fixed), source)


def _package_variables(packages: list[dict[str, Any]], source: str) -> Iterator[Variable]:
    for package in packages:
        for item in map(_dict, _list(package.get("environmentVariables"))):
            name = item.get("name")
            if not isinstance(name, str) or not _VARIABLE.match(name) or not is_setting(name):
                continue
            yield Variable(
                name=name,
                source=source,
                description=wording.short(item.get("description"), 200),
                required=item.get("isRequired") is True,
                secret=item.get("isSecret") is True or named_like_one(name),
            )


def smithery(files: Files, path: str = "smithery.yaml") -> Hints:
    """What `smithery.yaml` says.

    Source: https://smithery.ai/docs/build/project-config
    """
    content = text(files, path)
    if content is None:
        return Hints()
    value = _yaml(content)
    start = _dict(value.get("startCommand"))
    function = start.get("commandFunction")
    function = function[:20_000] if isinstance(function, str) else ""
    kind = transport_named(start.get("type"))
    return Hints(
        transport=Found(kind, path, "likely") if kind in ("stdio", "streamable-http") else None,
        commands=tuple(_function_command(function, path)),
        variables=tuple(_schema_variables(_dict(start.get("configSchema")), function, path)),
        is_server=f"`{path}` describes it for Smithery" if start or "runtime" in value else None,
    )


def _function_command(function: str, source: str) -> Iterator[Command]:
    command = _COMMAND.search(function)
    if command is None:
        return
    arguments = _ARGUMENTS.search(function)
    parts = arguments[1].split(",") if arguments else []
    literals = [match[1] for part in parts if (match := _LITERAL.match(part))]
    # What is not written down depends on the user's configuration, and what follows on it.
    whole = len(literals) == len([part for part in parts if part.strip()])
    yield Command((command[1], *(literals if whole else literals[:1])), source)


def _schema_variables(schema: dict[str, Any], function: str, source: str) -> Iterator[Variable]:
    required = _list(schema.get("required"))
    properties = _dict(schema.get("properties"))
    by_property = {prop: name for name, prop in _MAPPED.findall(function)}
    for key, said in properties.items():
        name = by_property.get(str(key)) or (str(key) if str(key).isupper() else None)
        if name is None or not _VARIABLE.match(name) or not is_setting(name):
            continue
        yield Variable(
            name=name,
            source=source,
            description=wording.short(_dict(said).get("description"), 200),
            required=key in required and "default" not in _dict(said),
            secret=named_like_one(name),
        )


def environment_example(files: Files) -> Hints:
    """The names in an example of a `.env` file; never a value, which may be a real one."""
    for path in _ENV_FILES:
        content = text(files, path)
        if content is None:
            continue
        named = dict.fromkeys(_ENV_LINE.findall(content), True)
        named |= {name: False for name in _ENV_OPTIONAL.findall(content) if name not in named}
        return Hints(
            variables=tuple(
                Variable(name, path, required=required, secret=named_like_one(name))
                for name, required in list(named.items())[:100]
                if is_setting(name)
            )
        )
    return Hints()


def _json(content: str | None) -> dict[str, Any]:
    try:
        return _dict(json.loads(content or "{}"))
    except (ValueError, RecursionError):
        return {}


def _yaml(content: str) -> dict[str, Any]:
    # Aliases can multiply without end, and no real file of this kind has one.
    if len(content) > _MOST_YAML or _ALIAS.search(content):
        return {}
    try:
        return _dict(yaml.safe_load(content))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return {}


def _dict(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
