"""Reads a README: its heading, its first paragraph, and the configuration it shows for clients."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from pipeline.manifest.secrets import named_like_one
from pipeline.onboarding import wording
from pipeline.onboarding.files import Files, text
from pipeline.onboarding.findings import Variable
from pipeline.onboarding.hints import Command, Hints, found
from pipeline.onboarding.source import is_choice, is_setting

_NAME = re.compile(r"^readme(?:\.(?:md|markdown|mdx|rst|txt))?$", re.IGNORECASE)
_SAYS_SERVER = re.compile(r"\bmcp[ -]server\b|model context protocol[^.\n]{0,40}\bserver\b", re.I)
_TRAILING_COMMA = re.compile(r",(\s{0,200}[}\]])")
_COMMENT_LINE = re.compile(r"^\s{0,100}//[^\n]*$", re.MULTILINE)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]{0,40}(?:_[A-Z0-9]{1,40}){1,8}\Z")
_BADGES = re.compile(r"^\s*(?:\[?!\[|<)")
_MOST_TEXT = 50_000
_MOST_BLOCKS = 40


@dataclass(frozen=True)
class Readme:
    """A README.

    Attributes:
        hints: Its heading, its first paragraph, and whether it calls this a server.
        servers: Name and entry of each server that it configures for a client.
    """

    path: str = "README.md"
    hints: Hints = field(default_factory=Hints)
    servers: tuple[tuple[str, dict[str, Any]], ...] = ()

    def commands(self, names: tuple[str, ...]) -> tuple[Command, ...]:
        """How it starts a server that goes by one of `names`.

        READMEs also show the configuration of other servers, which is not about this one.
        """
        own = self._own(names)
        return tuple(command for said in own for command in _command(said, self.path))

    def variables(self, names: tuple[str, ...]) -> tuple[Variable, ...]:
        """The environment that it gives a server that goes by one of `names`."""
        own = self._own(names)
        return tuple(variable for said in own for variable in _variables(said, self.path))

    def _own(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        bare = {_bare(name) for name in names} - {""}
        count = len(self.servers)
        return [entry for name, entry in self.servers if count == 1 or _shows(name, entry, bare)]


def readme(files: Files) -> Readme:
    """What the README says; nothing when there is none."""
    path = next((path for path in files.paths() if _NAME.match(path)), None)
    content = text(files, path) if path else None
    if path is None or content is None:
        return Readme()
    content = content[:_MOST_TEXT]
    try:
        tokens = MarkdownIt("commonmark").parse(content)
    except RecursionError:
        return Readme()
    servers = tuple(_servers(tokens))
    shown = bool(_SAYS_SERVER.search(content) or servers)
    hints = Hints(
        title=found(wording.title(_heading(tokens)), path),
        description=found(wording.description(_paragraph(tokens)), path),
        is_server=f"`{path}` calls it an MCP server" if shown else None,
    )
    return Readme(path, hints, servers)


def _heading(tokens: list[Token]) -> str | None:
    for token, following in itertools.pairwise(tokens):
        if token.type == "heading_open" and token.tag == "h1":
            return following.content
    return None


def _paragraph(tokens: list[Token]) -> str | None:
    """The first paragraph of running text, outside lists and quotes, that is no row of badges."""
    for token, following in itertools.pairwise(tokens):
        if token.type != "paragraph_open" or token.level > 0:
            continue
        if not _BADGES.match(following.content) and len(wording.plain(following.content)) >= 15:
            return following.content
    return None


def _servers(tokens: list[Token]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and entry of each server in blocks that configure an MCP client."""
    fences = [token for token in tokens if token.type in ("fence", "code_block")]
    for token in fences[:_MOST_BLOCKS]:
        value = _relaxed(token.content) if "{" in token.content else None
        if not isinstance(value, dict):
            continue
        table = value.get("mcpServers") or value.get("servers") or value.get("mcp") or value
        if isinstance(table, dict) and isinstance(table.get("servers"), dict):
            table = table["servers"]
        for name, entry in table.items() if isinstance(table, dict) else ():
            if isinstance(entry, dict) and ("command" in entry or "url" in entry):
                yield str(name), entry


def _relaxed(block: str) -> Any:
    """JSON as READMEs show it, with comments and commas too many."""
    bare = _TRAILING_COMMA.sub(r"\1", _COMMENT_LINE.sub("", block)).strip().rstrip(",")
    for candidate in (bare, "{" + bare + "}"):
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    return None


def _shows(name: str, entry: dict[str, Any], names: set[str]) -> bool:
    words = [name, str(entry.get("command")), *_texts(entry.get("args"))]
    shown = {_bare(part) for word in words for part in re.split(r"[/@=\\]", word)}
    return bool(shown & names)


def _bare(name: str) -> str:
    """A name without what many servers' names have in common."""
    return re.sub(r"[^a-z0-9]+|mcp|server", "", name.lower().rsplit("/", 1)[-1])


def _command(entry: dict[str, Any], source: str) -> Iterator[Command]:
    if isinstance(entry.get("command"), str):
        yield Command((entry["command"], *_texts(entry.get("args"))), source)


def _variables(entry: dict[str, Any], source: str) -> Iterator[Variable]:
    env = entry.get("env")
    for name in list(env)[:50] if isinstance(env, dict) else ():
        if isinstance(name, str) and _VARIABLE.match(name) and is_setting(name):
            # Shown to people as something to fill in; where the code has a default, it wins.
            secret = named_like_one(name)
            yield Variable(name, source, required=secret or not is_choice(name), secret=secret)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
