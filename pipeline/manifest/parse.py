"""Text of `mcp.yaml` in, a `Manifest` or every problem out."""

import posixpath
from collections.abc import Iterator
from typing import Any

from pipeline.manifest import document, messages, rules, secrets, units
from pipeline.manifest.deploying import settings_of
from pipeline.manifest.document import Document
from pipeline.manifest.model import (
    Build,
    DeclaredTool,
    Healthcheck,
    Manifest,
    ManifestError,
    Problem,
    Resources,
    Runtime,
    Transport,
)
from pipeline.manifest.schema import with_defaults

MAX_PROBLEMS = 100


def parse(text: bytes) -> Manifest:
    """Read and validate `mcp.yaml`.

    Raises:
        ManifestError: with every problem, not only the first, in the order of the file. Beyond
            100 the last one says how many more there are.
    """
    read = document.read(text)
    if problems := _problems(read):
        raise ManifestError(problems)
    return _manifest(read.value)


def _problems(read: Document) -> list[Problem]:
    found = sorted(set(_all_problems(read)), key=lambda p: (p.line, p.column, p.path, p.message))
    if len(found) <= MAX_PROBLEMS:
        return found
    last = found[MAX_PROBLEMS]
    more = f"{len(found) - MAX_PROBLEMS} more problems are not shown. Correct these first."
    return [*found[:MAX_PROBLEMS], Problem(last.line, last.column, "", more)]


def _all_problems(read: Document) -> Iterator[Problem]:
    yield from read.problems
    # What is said about a place by the YAML reader or the search for secrets is said once; a
    # message about a secret's shape could repeat it.
    taken = {(problem.line, problem.column) for problem in read.problems}
    for problem in secrets.find(read):
        taken.add((problem.line, problem.column))
        yield problem
    for problem in (*messages.explain(read), *rules.check(read)):
        if (problem.line, problem.column) not in taken:
            yield problem


def _manifest(value: dict[str, Any]) -> Manifest:
    """The model of a value that has no problems."""
    return Manifest(
        name=value["name"],
        title=value.get("title", value["name"]),
        description=value["description"],
        version=value["version"],
        runtime=_runtime(value["runtime"]),
        build=_build(value.get("build", {})),
        entrypoint=tuple(value.get("entrypoint", ())),
        transport=_transport(value.get("transport", {})),
        healthcheck=_healthcheck(value.get("healthcheck", {})),
        resources=_resources(value.get("resources", {})),
        categories=tuple(value.get("categories", ())),
        tags=tuple(value.get("tags", ())),
        env=dict(value.get("env", {})),
        tools=tuple(_tool(tool) for tool in value.get("tools", ())),
        deploy=settings_of(value.get("deploy", {})),
    )


def _runtime(value: str | dict[str, Any]) -> Runtime:
    if isinstance(value, str):
        value = {"type": value}
    return Runtime(type=value["type"], version=value.get("version"))


def _build(value: dict[str, Any]) -> Build:
    filled = with_defaults(value, "build")
    return Build(
        context=posixpath.normpath(filled["context"]),
        dockerfile=posixpath.normpath(filled["dockerfile"]),
        system_packages=tuple(filled["system_packages"]),
    )


def _transport(value: dict[str, Any]) -> Transport:
    filled = with_defaults(value, "transport")
    return Transport(type=filled["type"], path=filled["path"], port=int(filled["port"]))


def _healthcheck(value: dict[str, Any]) -> Healthcheck:
    filled = with_defaults(value, "healthcheck")
    return Healthcheck(
        timeout=units.seconds(filled["timeout"]), start_period=units.seconds(filled["start_period"])
    )


def _resources(value: dict[str, Any]) -> Resources:
    filled = with_defaults(value, "resources")
    return Resources(memory=units.memory(filled["memory"]), cpu=float(filled["cpu"]))


def _tool(value: dict[str, Any]) -> DeclaredTool:
    return DeclaredTool(
        name=value["name"],
        description=value.get("description"),
        input_schema=value["inputSchema"],
    )
