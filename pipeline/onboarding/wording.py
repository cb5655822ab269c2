"""Makes what repositories say fit the fields of `mcp.yaml`: names, versions, descriptions."""

import re
from collections.abc import Iterable

import semver
from packaging.version import InvalidVersion, Version

from pipeline.manifest.schema import field, matches
from pipeline.manifest.secrets import kind_of

_IMAGE = re.compile(r"!\[[^\]]{0,500}\]\([^)]{0,1000}\)")
_LINK = re.compile(r"\[([^\]]{0,500})\]\([^)]{0,1000}\)")
_TAG = re.compile(r"<[^<>]{0,500}>")
_EMPHASIS = re.compile(r"(?<!\w)([*_`]{1,3})(\S(?:.{0,500}?\S)?)\1(?!\w)")

# Nothing longer is of use, and no text makes a search slow.
_LONGEST = 4096

# Words that say no more of a server than that it is one.
_SAYS_NOTHING = {"mcp", "mcp-server", "model-context-protocol", "modelcontextprotocol", "server"}

_PRERELEASES = {"a": "alpha", "b": "beta", "rc": "rc"}


def line(text: object) -> str:
    """A text on one line, without what cannot be printed; empty for what is no text."""
    if not isinstance(text, str):
        return ""
    words = " ".join(text[:_LONGEST].split())
    return "".join(character for character in words if character.isprintable())


def plain(markdown: object) -> str:
    """One line of Markdown as plain text: no images, links, tags or emphasis."""
    shown = _TAG.sub(" ", _LINK.sub(r"\1", _IMAGE.sub(" ", line(markdown))))
    return line(_EMPHASIS.sub(r"\2", shown)).strip("#").strip()


def name(text: object) -> str | None:
    """A text as `name`: what follows the last slash, in lower case; None when nothing is left."""
    last = line(text).lower().rstrip("/").rsplit("/", 1)[-1]
    kept = re.sub(r"[^a-z0-9._-]+", "-", last)[: field("name")["maxLength"]]
    trimmed = kept.strip("._-")
    return trimmed if trimmed and not kind_of(trimmed) else None


def short(text: object, limit: int) -> str | None:
    """A text of at most `limit` characters, cut between words; None when nothing is left, or when
    it holds something like a secret."""
    shown = plain(text)
    if not shown or kind_of(shown):
        return None
    if len(shown) <= limit:
        return shown
    cut = shown[: limit - 1]
    if " " in cut:
        cut = cut.rsplit(" ", 1)[0]
    return cut.rstrip(" ,;:.-–—(") + "…"


def title(text: object) -> str | None:
    """A text as `title`."""
    return short(text, field("title")["maxLength"])


def description(text: object) -> str | None:
    """A text as `description`; its full stop goes when it is one sentence."""
    shown = short(text, field("description")["maxLength"])
    if shown and shown.endswith(".") and ". " not in shown:
        shown = shown.rstrip(".") or None
    return shown


def version(text: object) -> str | None:
    """A semantic version, also from one of Python's; None when there is no telling.

    Source: https://packaging.python.org/en/latest/specifications/version-specifiers/
    """
    written = line(text).removeprefix("v")
    if len(written) > field("version")["maxLength"] or kind_of(written):
        return None
    if semver.Version.is_valid(written) and matches(field("version")["pattern"], written):
        return written
    try:
        of_python = Version(written)
    except InvalidVersion:
        return None
    numbers = ".".join(str(number) for number in (*of_python.release, 0, 0)[:3])
    if of_python.pre:
        kind, number = of_python.pre
        numbers += f"-{_PRERELEASES[kind]}.{number}"
    elif of_python.dev is not None:
        numbers += f"-dev.{of_python.dev}"
    return numbers


def tags(words: Iterable[object]) -> tuple[str, ...]:
    """Keywords as `tags`, those left out that say no more than that it is an MCP server."""
    schema = field("tags")
    found: dict[str, None] = {}
    for word in words:
        tag = re.sub(r"[^a-z0-9]+", "-", line(word).lower()).strip("-")
        if tag and tag not in _SAYS_NOTHING and len(tag) <= schema["items"]["maxLength"]:
            found[tag] = None
    return tuple(tag for tag in found if not kind_of(tag))[: schema["maxItems"]]


def categories(words: Iterable[object]) -> tuple[str, ...]:
    """Those keywords that are categories of the registry."""
    schema = field("categories")
    wanted = {re.sub(r"[^a-z0-9]+", "-", line(word).lower()) for word in words}
    return tuple(known for known in schema["items"]["enum"] if known in wanted)[
        : schema["maxItems"]
    ]


def arguments(command: Iterable[object]) -> tuple[str, ...] | None:
    """A command as `entrypoint`; None when it is not fit for one."""
    schema = field("entrypoint")
    parts = tuple(part if isinstance(part, str) else "" for part in command)
    fit = all(part and part == line(part) and len(part) <= 500 for part in parts)
    if not parts or len(parts) > schema["maxItems"] or not fit or any(map(kind_of, parts)):
        return None
    return parts
