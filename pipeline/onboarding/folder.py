"""Looks at one folder: the projects in it, and what its other files say of them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pipeline.onboarding import wording
from pipeline.onboarding.dockerfile import Dockerfile, dockerfile
from pipeline.onboarding.existing import environment_example, server_json, smithery
from pipeline.onboarding.files import Files
from pipeline.onboarding.findings import (
    About,
    Detected,
    Found,
    NotDetected,
    Runtime,
    Variable,
)
from pipeline.onboarding.hints import Command, Hints
from pipeline.onboarding.node_project import node_project
from pipeline.onboarding.other_languages import other_language
from pipeline.onboarding.project import Entry, Project
from pipeline.onboarding.python_project import python_project
from pipeline.onboarding.readme import Readme, readme
from pipeline.onboarding.serving import Reach, reach
from pipeline.onboarding.source import is_choice

_NO_SERVER = (
    "No MCP server was found: no file makes one with a known library, and neither server.json nor "
    "smithery.yaml describes one."
)
_SERVER_TOPICS = {"mcp-server", "mcp-servers"}
_MAX_VARIABLES = 40


@dataclass(frozen=True)
class _Folder:
    """What the files of a folder say, whatever the language."""

    about: About
    server_json: Hints
    smithery: Hints
    example: Hints
    readme: Readme
    dockerfile: Dockerfile | None

    def commands(self, names: tuple[str, ...]) -> tuple[Command, ...]:
        """How others start a server that goes by one of `names`."""
        shown = self.readme.commands((*names, self.about.name))
        return (*self.smithery.commands, *self.server_json.commands, *shown)

    @property
    def described(self) -> str | None:
        """A file that is there because this is an MCP server."""
        return self.server_json.is_server or self.smithery.is_server

    @property
    def hinted(self) -> Found[str] | None:
        """The transport that a description names."""
        for hints in (self.smithery, self.server_json):
            if hints.transport is not None:
                return Found(str(hints.transport.value), hints.transport.source, "likely")
        return None

    @property
    def exposed(self) -> Found[int] | None:
        """The port that the Dockerfile names."""
        port = self.dockerfile.port if self.dockerfile else None
        return Found(port, "`Dockerfile`", "likely") if port else None


def look(files: Files, about: About, *, root: Files | None = None) -> Detected | NotDetected:
    """What a folder holds.

    Args:
        root: The repository's root when the folder is another one; its README may speak of it.
    """
    folder = _Folder(
        about=about,
        server_json=server_json(files),
        smithery=smithery(files),
        example=environment_example(files),
        readme=_readme(files, root),
        dockerfile=dockerfile(files),
    )
    python = python_project(files, folder.commands)
    node = node_project(files, folder.commands)
    projects = [project for project in (python, node) if project is not None]
    servers = [project for project in projects if project.evidence]
    if servers:
        project = max(servers, key=lambda one: (one.entry is not None, _is_named(one, folder)))
        return _server(folder, project, project.evidence or "")
    if folder.described and len(projects) == 1:
        return _server(folder, projects[0], folder.described)
    return _by_dockerfile(files, folder, projects)


def _readme(files: Files, root: Files | None) -> Readme:
    own = readme(files)
    if root is None or own != Readme():
        return own
    # What it says of the whole repository is not about this folder.
    return replace(readme(root), hints=Hints())


def _is_named(project: Project, folder: _Folder) -> bool:
    """Whether others start the project with a program of its language."""
    programs = {"python": {"uvx", "uv", "python", "python3", "pipx"}, "node": {"npx", "node"}}
    first = {command.parts[0] for command in folder.commands(project.names) if command.parts}
    return bool(first & programs.get(project.runtime.value.type, set()))


def _server(folder: _Folder, project: Project, evidence: str) -> Detected:
    """A server in Python or Node; in its own image when only its Dockerfile knows how it starts."""
    entry = project.entry or _dockers_entry(folder)
    reached = reach(
        project.sources,
        entry,
        hinted=folder.hinted,
        default_port=project.default_port,
        exposed=folder.exposed,
    )
    concerns = [entry.concern] if entry and entry.concern else []
    if entry is None and folder.dockerfile and reached.transport.value.type != "stdio":
        return _common(folder, project, evidence, reached, Found(Runtime("docker"), "`Dockerfile`"))
    if entry is None:
        concerns.append("How the server is started was not found: correct `entrypoint`.")
    base = _common(folder, project, evidence, reached, project.runtime)
    return replace(
        base,
        entrypoint=entry.command if entry else None,
        system_packages=folder.dockerfile.packages if folder.dockerfile else (),
        concerns=(*concerns, *base.concerns),
    )


def _dockers_entry(folder: _Folder) -> Entry | None:
    """What the Dockerfile starts, without the package manager that it starts it with."""
    parts = folder.dockerfile.command if folder.dockerfile else ()
    if parts[:2] == ("uv", "run") and len(parts) > 2 and not parts[2].startswith("-"):
        parts = parts[2:]
    command = wording.arguments(parts)
    if not command or command[0].startswith("/"):
        return None
    return Entry(Found(command, "`Dockerfile`", "likely"))


def _common(
    folder: _Folder,
    project: Project | None,
    evidence: str,
    reached: Reach,
    runtime: Found[Runtime],
) -> Detected:
    about, described = folder.about, folder.server_json
    names = project.names if project else ()
    sources = project.sources if project else ()
    words = (*(project.keywords if project else ()), *about.topics)
    of_about = wording.description(about.description)
    env = dict(reached.env)
    return Detected(
        evidence=evidence,
        name=_first(
            described.name,
            project.name if project else None,
            Found(wording.name(about.name) or "server", "the repository's name", "likely"),
        ),
        title=described.title or folder.readme.hints.title,
        description=described.description
        or (project.description if project else None)
        or (Found(of_about, "the repository's description") if of_about else None)
        or folder.readme.hints.description,
        version=(project.version if project else None) or described.version,
        runtime=runtime,
        transport=reached.transport,
        dockerfile=folder.dockerfile.path if folder.dockerfile else "Dockerfile",
        variables=tuple(_variables(folder, names, _code_variables(project), env)),
        env=reached.env,
        categories=wording.categories(words),
        tags=wording.tags(words),
        tools=tuple(dict.fromkeys(name for one in sources for name in one.tools)),
        concerns=reached.concerns,
    )


def _code_variables(project: Project | None) -> tuple[Variable, ...]:
    return tuple(v for one in project.sources for v in one.variables) if project else ()


def _first(*values: Found[str] | None) -> Found[str]:
    return next(value for value in values if value is not None)


def _variables(
    folder: _Folder, names: tuple[str, ...], code: Iterable[Variable], env: dict[str, str]
) -> list[Variable]:
    """One entry for each variable: who describes it first says whether it is needed."""
    merged: dict[str, Variable] = {}
    said = (
        *folder.server_json.variables,
        *folder.smithery.variables,
        *code,
        *folder.readme.variables((*names, folder.about.name)),
        *folder.example.variables,
        *(folder.dockerfile.variables if folder.dockerfile else ()),
    )
    for one in said:
        known = merged.get(one.name)
        if known is None:
            merged[one.name] = one
        else:
            description = known.description or one.description
            secret = known.secret or one.secret
            merged[one.name] = replace(known, description=description, secret=secret)
    kept = [one for one in merged.values() if not is_choice(one.name) and one.name not in env]
    return sorted(kept, key=lambda one: (not one.secret, not one.required))[:_MAX_VARIABLES]


def _by_dockerfile(
    files: Files, folder: _Folder, projects: list[Project]
) -> Detected | NotDetected:
    """A server that only its own Dockerfile can build."""
    language = other_language(files)
    evidence = folder.described
    if language:
        evidence = evidence or f"`{language[1]}` uses an MCP library for {language[0]}"
    if evidence is None and not projects:
        evidence = _weak_evidence(folder)
    if evidence is None:
        return NotDetected("no_server", _NO_SERVER)
    if folder.dockerfile is None:
        what = f"in {language[0]}" if language else "in a language that was not recognised"
        return NotDetected(
            "unsupported",
            f"It seems to be an MCP server {what} ({evidence}). Sigil builds Python and Node, and "
            "anything else with a Dockerfile: add one, and an mcp.yaml with `runtime: docker`.",
        )
    if folder.hinted is not None and folder.hinted.value == "stdio":
        return NotDetected(
            "unsupported",
            f"It is a stdio server that only its Dockerfile builds ({folder.hinted.source} says "
            "so). Sigil can put its bridge in front of Python and Node servers; let the image "
            "serve streamable HTTP.",
        )
    hinted = folder.hinted or Found("streamable-http", "`Dockerfile`", "guess")
    reached = reach((), None, hinted=hinted, default_port=None, exposed=folder.exposed)
    return _common(folder, None, evidence, reached, Found(Runtime("docker"), "`Dockerfile`"))


def _weak_evidence(folder: _Folder) -> str | None:
    """What makes a repository with nothing but a Dockerfile an MCP server."""
    if set(folder.about.topics) & _SERVER_TOPICS:
        return "its topics call it an MCP server"
    named = re.search(r"(?:^|[-_.])mcp(?:$|[-_.])", folder.about.name.lower())
    return folder.readme.hints.is_server if named else None
