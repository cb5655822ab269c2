"""What the JSON Schema finds wrong, said in sentences that name the field and the fix."""

import difflib
import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import semver

from pipeline.manifest.document import Document, Path, quoted, show
from pipeline.manifest.faults import Fault, faults
from pipeline.manifest.hints import unknown_key
from pipeline.manifest.model import Problem
from pipeline.manifest.schema import Schema, matches, root

_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "a mapping",
}

# Where one value breaks several rules, only the first of these is worth telling.
_ORDER = [
    "type",
    "const",
    "enum",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "uniqueItems",
    "maxProperties",
]

_PUSH: Path = ("deploy", "on", "push")

# These only lead to the keywords above.
STRUCTURAL = {
    "properties",
    "items",
    "propertyNames",
    "if",
    "then",
    "else",
    "$ref",
    "$defs",
    "anyOf",
}


def explain(document: Document) -> Iterator[Problem]:
    """The problems that the schema finds in a document, in no order and possibly repeated."""
    first: dict[tuple[Path, bool], Fault] = {}
    for fault in faults(document.value):
        if fault.keyword not in _ORDER:
            yield from MESSAGES[fault.keyword](fault, document)
            continue
        place = (fault.path, fault.is_key)
        if place not in first or _rank(fault) < _rank(first[place]):
            first[place] = fault
    for fault in first.values():
        yield from MESSAGES[fault.keyword](fault, document)


def _rank(fault: Fault) -> int:
    return _ORDER.index(fault.keyword)


def _plain(fault: Fault, document: Document, text: str) -> Iterator[Problem]:
    """One problem at the value, or at the key when the key itself is wrong."""
    message = f"{quoted(show(fault.path))} {text}"
    place = document.at_key if fault.is_key else document.at_value
    yield place(fault.path, message)


def _type(fault: Fault, document: Document) -> Iterator[Problem]:
    kind = _KINDS[str(fault.rule)]
    if not fault.path:
        text = 'mcp.yaml must be a mapping of fields, one a line, such as "name: weather".'
        yield document.at_value(fault.path, text)
        return
    yield from _plain(fault, document, f"must be {kind}{_type_fix(fault, document)}")


def _type_fix(fault: Fault, document: Document) -> str:
    expected, value, schema = str(fault.rule), fault.instance, fault.schema
    if value is None:
        return f" and is empty. Give it a value such as {_example(schema)}, or remove it."
    if expected == "string" and isinstance(value, bool | int | float):
        return _unquoted(fault, document)
    if fault.path[:3] == _PUSH:
        return ". Write a branch and its environment, such as {main: production}."
    if expected == "array" and isinstance(value, str):
        parts = _split(value) if fault.path == ("entrypoint",) else [value]
        return f". Write it as {json.dumps(parts, ensure_ascii=False)[:200]}."
    if expected in {"integer", "number"} and isinstance(value, str):
        return f", without quotes or unit, such as {_example(schema)}."
    return f". Write for example {_example(schema)}."


def _unquoted(fault: Fault, document: Document) -> str:
    """A text that YAML 1.1 took for a number (`1.10`) or a truth value (`on`)."""
    schema = fault.schema
    kind = "true or false" if isinstance(fault.instance, bool) else "a number"
    source = document.sources.get(fault.path, "")
    if fault.path[0] == "env":
        # Not repeated: the value of a variable is nobody's business.
        return f", and YAML reads its value as {kind}. Put the value in quotes."
    read = f", and YAML reads {quoted(source)} as {kind}."
    if fault.path == ("version",):
        return f'{read} Write "{_semver_fix(source) or "1.0.0"}".'
    if "enum" in schema:
        return f"{read} Accepted: {', '.join(schema['enum'])}."
    if "pattern" in schema and not matches(schema["pattern"], source):
        return f"{read} {schema['patternErrorMessage']}"
    return f'{read} Put it in quotes: "{source[:60]}".'


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command) or [command]
    except ValueError:
        return [command]


def _semver_fix(text: str) -> str | None:
    """The semantic version that was probably meant, for `v1.4.0`, `1.4` or `1.04.0`."""
    numbers = text.strip().removeprefix("v").removeprefix("V").lstrip("=")
    core, *rest = numbers.split("-", 1)
    parts = [part.lstrip("0") or "0" for part in core.split(".")]
    padded = ".".join([*parts, "0", "0"][: max(3, len(parts))])
    fixed = "-".join([padded, *rest])
    return fixed if len(fixed) <= 60 and semver.Version.is_valid(fixed) else None


def _example(schema: Schema) -> str:
    return json.dumps(_resolve(schema).get("examples", [None])[0], ensure_ascii=False)


def _resolve(schema: Schema) -> Schema:
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[1]
        found: Schema = root()["$defs"][name]
        return found
    return schema


def _required(fault: Fault, document: Document) -> Iterator[Problem]:
    known: Schema = fault.schema.get("properties") or root()["properties"]
    for name in list(fault.rule):
        if name not in fault.instance:
            whole = quoted(show((*fault.path, name)))
            text = f"{whole} is missing. Add it, for example: {name}: {_example(known[name])}"
            yield document.at_key(fault.path, text)


def _additional(fault: Fault, document: Document) -> Iterator[Problem]:
    known = list(fault.schema["properties"])
    for name in fault.instance:
        if name not in known:
            inner = (*fault.path, name)
            yield document.at_key(inner, unknown_key(inner, known))


def _enum(fault: Fault, document: Document) -> Iterator[Problem]:
    value, allowed = str(fault.instance), [str(item) for item in fault.rule]
    if fault.path[0] == "runtime" and value.lower() in {"go", "golang"}:
        text = "`go` is not supported yet. Use runtime docker with a Dockerfile of your own."
        yield document.at_value(fault.path, text)
        return
    close = difflib.get_close_matches(value.lower(), allowed, n=1)
    meant = f" Did you mean `{close[0]}`?" if close else ""
    text = f"cannot be {quoted(value)}.{meant} Accepted: {', '.join(allowed)}."
    yield from _plain(fault, document, text)


def _const(fault: Fault, document: Document) -> Iterator[Problem]:
    yield from _plain(fault, document, f"must be {fault.rule}.")


def _one_of(fault: Fault, document: Document) -> Iterator[Problem]:
    names = ", ".join(root()["$defs"]["runtimeType"]["enum"])
    text = f'must be one of {names}, or a mapping such as {{type: python, version: "3.12"}}.'
    yield from _plain(fault, document, text)


def _pattern(fault: Fault, document: Document) -> Iterator[Problem]:
    fix = str(fault.schema["patternErrorMessage"])
    meant = _semver_fix(fault.instance) if fault.path == ("version",) else None
    hint = f" Did you mean `{meant}`?" if meant else ""
    text = f"cannot be {quoted(fault.instance)}. {fix}{hint}"
    if fault.is_key:
        kind = "a name for a variable" if fault.path[0] == "env" else "a branch"
        text = f"is not {kind}. {fix}"
    yield from _plain(fault, document, text)


def _counted(text: str) -> "Message":
    """A message about a limit: `{limit}` is the rule's number, `{size}` how much there is."""

    def message(fault: Fault, document: Document) -> Iterator[Problem]:
        value = fault.instance
        size = len(value) if isinstance(value, str | list | dict) else value
        filled = text.format(limit=fault.rule, size=size)
        yield from _plain(fault, document, filled)

    return message


def _unique(fault: Fault, document: Document) -> Iterator[Problem]:
    seen: list[Any] = []
    for index, item in enumerate(fault.instance):
        if item in seen:
            inner = (*fault.path, index)
            text = f"{quoted(show(inner))} is in the list already. Remove it."
            yield document.at_value(inner, text)
        seen.append(item)


Message = Callable[[Fault, Document], Iterator[Problem]]

MESSAGES: dict[str, Message] = {
    "type": _type,
    "required": _required,
    "additionalProperties": _additional,
    "enum": _enum,
    "const": _const,
    "oneOf": _one_of,
    "pattern": _pattern,
    "minLength": _counted("is empty. Write something, or remove it."),
    "maxLength": _counted("has {size} characters; the limit is {limit}. Shorten it."),
    "minimum": _counted("is {size}; the least is {limit}."),
    "maximum": _counted("is {size}; the most is {limit}."),
    "minItems": _counted("is an empty list. Give it at least {limit} entry, or remove it."),
    "maxItems": _counted("has {size} entries; the limit is {limit}. Remove some."),
    "maxProperties": _counted("has {size} entries; the limit is {limit}. Remove some."),
    "uniqueItems": _unique,
}
"""What to say for each keyword of the schema that can fail."""
