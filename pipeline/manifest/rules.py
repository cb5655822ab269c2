"""What a JSON Schema cannot say, or cannot say well, about the fields of `mcp.yaml`.

Every rule takes a document that the schema may have found wrong, and keeps silent about a value
whose shape is not what it expects.
"""

from collections.abc import Callable, Iterator
from typing import Any

from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for

from pipeline.manifest import units
from pipeline.manifest.document import Document, Path, quoted, show
from pipeline.manifest.model import Problem
from pipeline.manifest.schema import field, matches


def check(document: Document) -> Iterator[Problem]:
    """The problems that the rules find, in no order."""
    if isinstance(document.value, dict):
        for rule in _RULES:
            yield from rule(document)


def _get(value: Any, *path: str | int) -> Any:
    """What is at a path, or None."""
    for part in path:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and part < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def _docker(document: Document) -> Iterator[Problem]:
    """With runtime docker the Dockerfile decides; without it there is none of the author's."""
    runtime = _get(document.value, "runtime")
    kind = _get(runtime, "type") if isinstance(runtime, dict) else runtime
    if kind == "docker":
        for path, fix in (
            (("runtime", "version"), "Choose the version in the Dockerfile and remove it here."),
            (("build", "system_packages"), "Install them in the Dockerfile and remove it here."),
        ):
            if _get(document.value, *path) is not None:
                text = f"`{show(path)}` has no effect with runtime docker. {fix}"
                yield document.at_key(path, text)
    elif kind in ("python", "node") and _get(document.value, "build", "dockerfile") is not None:
        text = (
            f"`build.dockerfile` has no effect with runtime {kind}. "
            "Remove it, or use runtime docker."
        )
        yield document.at_key(("build", "dockerfile"), text)


_DURATIONS = {"timeout": (1.0, 60.0, "1s to 60s"), "start_period": (0.0, 600.0, "0s to 10m")}


def _durations(document: Document) -> Iterator[Problem]:
    for name, (least, most, words) in _DURATIONS.items():
        text = _get(document.value, "healthcheck", name)
        pattern = field("healthcheck", name)["pattern"]
        if not isinstance(text, str) or not matches(pattern, text):
            continue
        if not least <= units.seconds(text) <= most:
            path = ("healthcheck", name)
            yield document.at_value(path, f"`{show(path)}` is {text}; it can be {words}.")


def _memory(document: Document) -> Iterator[Problem]:
    text = _get(document.value, "resources", "memory")
    if not isinstance(text, str) or not matches(field("resources", "memory")["pattern"], text):
        return
    if not units.memory("64Mi") <= units.memory(text) <= units.memory("16Gi"):
        message = f"`resources.memory` is {text}; it can be 64Mi to 16Gi."
        yield document.at_value(("resources", "memory"), message)


def _port_variable(document: Document) -> Iterator[Problem]:
    if _get(document.value, "env", "PORT") is not None:
        message = "`env.PORT` is set by Sigil to transport.port. Remove it here."
        yield document.at_key(("env", "PORT"), message)


def _tools(document: Document) -> Iterator[Problem]:
    tools = _get(document.value, "tools")
    seen: set[str] = set()
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        path: Path = ("tools", index, "name")
        name = _get(tool, "name")
        if isinstance(name, str):
            if name in seen:
                message = (
                    f"`{show(path)}` is the name of an earlier tool, {quoted(name)}. Rename one."
                )
                yield document.at_value(path, message)
            seen.add(name)
        schema = _get(tool, "inputSchema")
        if _get(schema, "type") == "object" and (reason := _schema_problem(schema)):
            path = ("tools", index, "inputSchema")
            message = f"`{show(path)}` is not a valid JSON Schema: {reason}"
            yield document.at_value(path, message)


def _schema_problem(schema: dict[str, Any]) -> str | None:
    dialect = schema.get("$schema")
    if dialect is not None and not isinstance(dialect, str):
        return "`$schema` must be text."
    kind = validator_for(schema)
    # Formats stay unchecked: they would try each `pattern` as a Python expression, and it is none.
    error = best_match(kind(kind.META_SCHEMA).iter_errors(schema))
    if error is None:
        return None
    where = quoted(show(tuple(error.absolute_path))) if error.absolute_path else "its top level"
    return f"{where} breaks the rule `{error.validator}` of JSON Schema. Correct it."


def _paths(document: Document) -> Iterator[Problem]:
    path: Path = ("deploy", "paths")
    globs = _get(document.value, *path)
    if not isinstance(globs, list) or not globs:
        return
    if all(isinstance(glob, str) and glob.startswith("!") and glob != "!" for glob in globs):
        message = (
            "`deploy.paths` only takes files out, so that no change deploys. "
            'Begin it with what matters, such as "**".'
        )
        yield document.at_value(path, message)


_RULES: tuple[Callable[[Document], Iterator[Problem]], ...] = (
    _docker,
    _durations,
    _memory,
    _port_variable,
    _tools,
    _paths,
)
