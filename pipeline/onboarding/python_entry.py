"""How a Python server is started: a script of the project, a module, a file, or a command line."""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.onboarding import wording
from pipeline.onboarding.files import within
from pipeline.onboarding.findings import Found, Transport
from pipeline.onboarding.hints import Command
from pipeline.onboarding.project import Entry
from pipeline.onboarding.source import Source
from pipeline.onboarding.starting import safe_arguments


@dataclass(frozen=True)
class Layout:
    """The project around the sources.

    Attributes:
        scripts: Name and `module:function` of what an installation puts on the path.
        installed: A build installs the project itself, not only its dependencies.
        commands: How others start it.
    """

    paths: tuple[str, ...]
    scripts: dict[str, str]
    installed: bool
    project: str
    dependencies: frozenset[str]
    commands: tuple[Command, ...]


def module_file(target: str, paths: Sequence[str]) -> str | None:
    """The file of `package.module:function`, in the root or in `src`."""
    stem = target.partition(":")[0].strip().replace(".", "/")
    for prefix in ("", "src/"):
        for path in (f"{prefix}{stem}.py", f"{prefix}{stem}/__init__.py"):
            if path in paths:
                return path
    return None


def entry(layout: Layout, read: tuple[Source, ...]) -> Entry | None:
    """The best way to start the server, or None."""
    ways = (_scripts, _modules, _files, _apps, _objects, _commands)
    return next((found for way in ways for found in way(layout, read)), None)


def _scripts(layout: Layout, read: tuple[Source, ...]) -> Iterator[Entry]:
    named = {command.parts[-1] for command in layout.commands}
    named |= {part for command in layout.commands for part in command.parts}
    ranked = sorted(
        layout.scripts.items(),
        key=lambda item: (
            not _is_server_file(module_file(item[1], layout.paths), read),
            item[0] not in named,
            item[0] != layout.project,
            "mcp" not in item[0],
        ),
    )
    for name, target in ranked[:1]:
        file = module_file(target, layout.paths)
        source = f"`{name}` of the scripts in pyproject.toml"
        several = len(layout.scripts) > 1
        sure = bool(file) and not several
        concern = None
        if several:
            others = ", ".join(f"`{wording.line(other)}`" for other, _ in ranked[1:4])
            concern = f"pyproject.toml has other scripts too ({others}): is `{name}` the server?"
        if layout.installed and "/" not in name:
            command = wording.arguments([name, *_script_arguments(layout, name)])
        else:
            command, sure = _uninstalled(target, file), False
        if command:
            yield Entry(Found(command, source, "sure" if sure else "likely"), file, concern)


def _script_arguments(layout: Layout, name: str) -> tuple[str, ...]:
    for command in layout.commands:
        for index, part in enumerate(command.parts):
            if part.split("@")[0].split("==")[0] == name:
                return safe_arguments(command.parts[index + 1 :])
    return ()


def _uninstalled(target: str, file: str | None) -> tuple[str, ...] | None:
    """A script's function, called without the script that only an installation makes."""
    module, _, function = target.partition(":")
    if file is None or file.startswith("src/"):
        return None
    dotted = [*module.strip().split("."), function.strip()]
    if not all(part.isidentifier() for part in dotted):
        return None
    return wording.arguments(
        ["python", "-c", f"from {module.strip()} import {dotted[-1]}; {dotted[-1]}()"]
    )


def _modules(layout: Layout, read: tuple[Source, ...]) -> Iterator[Entry]:
    """`python -m package` of a package with a `__main__`."""
    if not any(one.serves for one in read):
        return
    for one in read:
        folder, name = posixpath.split(one.path)
        if name == "__main__.py" and folder and (module := _module(layout, folder)):
            command = wording.arguments(["python", "-m", module])
            if command:
                yield Entry(Found(command, f"`{one.path}`"), one.path)


def _module(layout: Layout, path: str) -> str | None:
    """The importable name of a folder or a file without its ending."""
    parts = path.removesuffix(".py").split("/")
    if parts[0] == "src":
        if not layout.installed:
            return None
        parts = parts[1:]
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None


def _files(layout: Layout, read: tuple[Source, ...]) -> Iterator[Entry]:
    """`python file`, or `python -m module` where the file imports its neighbours."""
    runnable = [one for one in read if one.starts and _leads_to_server(one, read)]
    named = {within(part) for command in layout.commands for part in command.parts}
    runnable.sort(key=lambda one: one.path not in named)
    for one in runnable:
        command: tuple[str, ...] | None = ("python", one.path)
        if one.relative or "/" in one.path:
            module = _module(layout, one.path)
            beside = f"{posixpath.dirname(one.path)}/__init__.py"
            nested = one.relative or layout.installed or beside in layout.paths
            if nested and module:
                command = ("python", "-m", module)
            elif one.relative:
                continue
        if command := wording.arguments(command or ()):
            several = sum(other.serves for other in runnable) > 1 and one.path not in named
            concern = None
            if several:
                others = ", ".join(f"`{other.path}`" for other in runnable[1:4])
                concern = f"Other files start a server too ({others}): is `{one.path}` the one?"
            sure = Found(command, f"`{one.path}`", "likely" if several else "sure")
            yield Entry(sure, one.path, concern)


def _apps(layout: Layout, read: tuple[Source, ...]) -> Iterator[Entry]:
    """An ASGI application that nobody starts."""
    for one in read:
        module = _module(layout, one.path)
        if one.serves and one.apps and module:
            listen = ("--host", "0.0.0.0", "--port", "8080")  # noqa: S104 - it runs in a container
            command = wording.arguments(["uvicorn", f"{module}:{one.apps[0]}", *listen])
            if command:
                source = f"`{one.apps[0]}` in `{one.path}`"
                path = next((way.path for way in one.servings if way.path), "/mcp")
                transport = Transport("streamable-http", path=path)
                yield Entry(Found(command, source, "likely"), one.path, transport=transport)


def _objects(layout: Layout, read: tuple[Source, ...]) -> Iterator[Entry]:
    """A server object that nobody starts: the command lines of both libraries can."""
    programs = {"fastmcp": "fastmcp", "mcp[cli]": "mcp"}
    program = next((p for name, p in programs.items() if name in layout.dependencies), None)
    for one in read:
        if program and one.serves and one.servers and not one.relative:
            command = wording.arguments([program, "run", f"{one.path}:{one.servers[0]}"])
            if command:
                source = f"`{one.servers[0]}` in `{one.path}`"
                found = Found(command, source, "likely")
                yield Entry(found, one.path, transport=Transport("stdio"))


def _commands(layout: Layout, _read: tuple[Source, ...]) -> Iterator[Entry]:
    """What others start, when it is a file of the repository or a module of it."""
    for command in layout.commands:
        parts = list(command.parts)
        if "-m" in parts[:-1]:
            module = parts[parts.index("-m") + 1]
            if module_file(module, layout.paths):
                fit = wording.arguments(["python", "-m", module])
                if fit:
                    yield Entry(Found(fit, command.source, "likely"))
        for part in parts:
            path = within(part)
            if path in layout.paths and path and path.endswith(".py"):
                fit = wording.arguments(["python", path])
                if fit:
                    yield Entry(Found(fit, command.source, "likely"), path)


def _is_server_file(file: str | None, read: tuple[Source, ...]) -> bool:
    return any(one.path == file and _leads_to_server(one, read) for one in read)


def _leads_to_server(one: Source, read: tuple[Source, ...]) -> bool:
    """Whether a file runs a server itself or imports a file that makes one."""
    if one.serves or one.servings:
        return True
    folder = posixpath.dirname(one.path).removeprefix("src").strip("/").replace("/", ".")
    for other in read:
        if not other.serves:
            continue
        module = other.path.removesuffix(".py").removesuffix("/__init__")
        module = module.removeprefix("src/").replace("/", ".")
        near = "." + module.removeprefix(folder).lstrip(".") if folder else "." + module
        for imported in one.imports:
            if imported in (module, near) or imported.startswith((module + ".", near + ".")):
                return True
    return False
