"""A Node project: package.json, its scripts, and the TypeScript behind what a build makes."""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.builders.dockerfile import DEFAULT_VERSIONS
from pipeline.onboarding import node_source, wording
from pipeline.onboarding.files import Files, text, within
from pipeline.onboarding.findings import Found, Runtime
from pipeline.onboarding.hints import Command, found
from pipeline.onboarding.project import Commands, Entry, Project
from pipeline.onboarding.source import Source
from pipeline.onboarding.sources import evidence, sources
from pipeline.onboarding.starting import safe_arguments

_SDKS = ("@modelcontextprotocol/sdk", "@modelcontextprotocol/server", "fastmcp", "mcp-framework")
_EXTENSIONS = (".ts", ".mts", ".cts", ".js", ".mjs", ".cjs")
_RUNS_TYPESCRIPT = ("tsx", "ts-node")
_FILE = "package.json"


@dataclass(frozen=True)
class _Package:
    """package.json and the files around it."""

    table: dict[str, Any]
    paths: tuple[str, ...]
    commands: tuple[Command, ...] = ()

    @property
    def name(self) -> str:
        """The package's name, with its scope."""
        name = self.table.get("name")
        return name if isinstance(name, str) else ""

    @property
    def scripts(self) -> dict[str, str]:
        """The scripts that are text."""
        table = _dict(self.table.get("scripts"))
        return {str(k): v for k, v in table.items() if isinstance(v, str)}

    @property
    def builds(self) -> bool:
        """Whether Sigil's build runs a script that makes files."""
        return "build" in self.scripts or "prepare" in self.scripts

    def programs(self) -> dict[str, str]:
        """Names and files of `bin`.

        Source: https://docs.npmjs.com/cli/configuring-npm/package-json#bin
        """
        table = self.table.get("bin")
        if isinstance(table, str):
            table = {self.name.rsplit("/", 1)[-1]: table}
        known = {str(k): within(v) for k, v in _dict(table).items() if isinstance(v, str)}
        return {name: path for name, path in known.items() if path}

    def depends_on(self, *names: str, running: bool = False) -> str | None:
        """The first of `names` that the package depends on; `running`: when it runs."""
        kinds = ("dependencies",) if running else ("dependencies", "devDependencies")
        listed = {name for kind in kinds for name in _dict(self.table.get(kind))}
        return next((name for name in names if name in listed), None)


def node_project(files: Files, commands: Commands) -> Project | None:
    """The Node project in a folder, or None when there is none.

    Args:
        commands: How others start it.
    """
    table = _package_json(text(files, _FILE))
    if table is None:
        return None
    package = _Package(table, tuple(files.paths()))
    names = (package.name, *package.programs())
    package = replace(package, commands=commands(names))
    targets = list(package.programs().values())
    if main := within(str(table.get("main") or "index.js")):
        targets.append(main)
    behind = [source for path in targets if (source := source_of(path, package.paths))]
    read = sources(files, _EXTENSIONS, node_source.read, first=behind)
    return Project(
        runtime=_runtime(table),
        evidence=_evidence(files, package, read),
        name=found(wording.name(package.name), _FILE),
        description=found(wording.description(table.get("description")), _FILE),
        version=found(wording.version(table.get("version")), _FILE),
        keywords=tuple(_list(table.get("keywords"))),
        sources=read,
        entry=_entry(package, read),
        names=names,
    )


def source_of(path: str, paths: Sequence[str]) -> str | None:
    """The file that a path names, or the TypeScript that a build makes it from."""
    if path in paths:
        return path
    stem = re.sub(r"\.[cm]?js$", "", path)
    inner = stem.split("/", 1)[-1] if "/" in stem else stem
    for base in (f"src/{inner}", inner, stem, "src/index"):
        for extension in (".ts", ".mts", ".cts", ".js", ".mjs"):
            if base + extension in paths:
                return base + extension
    return None


def _package_json(content: str | None) -> dict[str, Any] | None:
    try:
        value = json.loads(content) if content is not None else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _runtime(table: dict[str, Any]) -> Found[Runtime]:
    """The default version of Node is left to Sigil as long as the package takes it."""
    wanted = _dict(table.get("engines")).get("node")
    least = (
        re.match(r"\s{0,5}(?:>=|\^|~)?\s{0,5}v?(\d{1,3})", wanted)
        if isinstance(wanted, str)
        else None
    )
    if least and int(least[1]) > int(DEFAULT_VERSIONS["node"]):
        return Found(Runtime("node", str(int(least[1]))), f"`engines` in {_FILE}")
    return Found(Runtime("node"), _FILE)


def _evidence(files: Files, package: _Package, read: tuple[Source, ...]) -> str | None:
    if package.name in _SDKS:
        return None
    sdk = package.depends_on(*_SDKS)
    return evidence(files, read, sdk=sdk)


def _entry(package: _Package, read: tuple[Source, ...]) -> Entry | None:
    ways = (_programs, _start, _main, _commands, _files)
    return next((entry for way in ways for entry in way(package, read)), None)


def _programs(package: _Package, read: tuple[Source, ...]) -> Iterator[Entry]:
    programs = package.programs()
    own = package.name.rsplit("/", 1)[-1]
    ranked = sorted(programs.items(), key=lambda item: (item[0] != own, "mcp" not in item[0]))
    for name, path in ranked[:1]:
        several = len(set(programs.values())) > 1
        concern = f"{_FILE} has other programs too: is `{name}` the server?" if several else None
        arguments = _arguments_for(package, name)
        yield from _of_file(package, path, arguments, f"`bin` in {_FILE}", concern)


def _arguments_for(package: _Package, program: str) -> tuple[str, ...]:
    """What others pass to the package when they start it by name."""
    for command in package.commands:
        for index, part in enumerate(command.parts):
            bare = part if part.rfind("@") <= 0 else part[: part.rfind("@")]
            if bare in (package.name, program):
                return safe_arguments(command.parts[index + 1 :])
    return ()


def _of_file(
    package: _Package,
    path: str,
    arguments: tuple[str, ...],
    source: str,
    concern: str | None = None,
) -> Iterator[Entry]:
    """`node path`, with the source file behind it."""
    behind = source_of(path, package.paths)
    if path not in package.paths and not package.builds:
        concern = (
            f"`{path}` is not in the repository, and {_FILE} has no script `build` that would make "
            "it: add one, since Sigil runs it."
        )
    program = "node"
    if path.endswith((".ts", ".mts", ".cts")):
        runner = package.depends_on(*_RUNS_TYPESCRIPT, running=True)
        program = runner or "node"
        if runner is None:
            concern = (
                f"`{path}` is TypeScript. Add a script `build` and start what it makes, or add "
                "`tsx` to the dependencies."
            )
    if command := wording.arguments([program, path, *arguments]):
        sure = Found(command, source, "likely" if concern else "sure")
        yield Entry(sure, behind, concern)


def _start(package: _Package, read: tuple[Source, ...]) -> Iterator[Entry]:
    for script in ("start", "serve", "start:prod"):
        written = package.scripts.get(script, "")
        words = _words(written)
        source = f"script `{script}` in {_FILE}"
        if len(words) > 1 and words[0] in ("node", *_RUNS_TYPESCRIPT):
            path = within(words[1])
            if path and not words[1].startswith("-"):
                yield from _of_file(package, path, safe_arguments(words[2:]), source)
        elif written and script == "start":
            command = wording.arguments(["npm", "--silent", "run", "start"])
            assert command is not None
            yield Entry(Found(command, source, "guess"))


def _words(written: str) -> list[str]:
    """A script as words; empty when a shell would have to read it."""
    if re.search(r"[$&|;<>`*=]", written):
        return []
    try:
        return shlex.split(written)
    except ValueError:
        return []


def _main(package: _Package, read: tuple[Source, ...]) -> Iterator[Entry]:
    path = within(str(package.table.get("main") or ""))
    behind = source_of(path, package.paths) if path else None
    if path and any(one.path == behind and one.serves for one in read):
        yield from _of_file(package, path, (), f"`main` in {_FILE}")


def _files(package: _Package, read: tuple[Source, ...]) -> Iterator[Entry]:
    for one in read:
        if one.serves and one.servings:
            yield from _of_file(package, one.path, (), f"`{one.path}`")


def _commands(package: _Package, _read: tuple[Source, ...]) -> Iterator[Entry]:
    for command in package.commands:
        for index, part in enumerate(command.parts):
            path = within(part.lstrip("/"))
            if path and path.endswith((".js", ".mjs", ".cjs")):
                # A README shows where it lies on the user's machine.
                inside = next(
                    (p for p in package.paths if path == p or path.endswith("/" + p)), None
                )
                arguments = safe_arguments(command.parts[index + 1 :])
                if inside or (package.builds and not part.startswith("/")):
                    yield from _of_file(package, inside or path, arguments, command.source)


def _dict(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
