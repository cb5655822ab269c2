"""Changes of the words in a schema, which a model reads, and of its defaults."""

from collections.abc import Iterator
from typing import Any

from registry.schema_diff.atoms import COUNTS, LIMITS, Schema
from registry.schema_diff.change import Change
from registry.schema_diff.document import (
    ANNOTATIONS,
    SCHEMA_KEYWORDS,
    SCHEMA_LISTS,
    SCHEMA_MAPS,
    inner_schemas,
)
from registry.schema_diff.plain import canonical, shown, visible
from registry.schema_diff.wording import path_words

_DEMANDS = (
    SCHEMA_KEYWORDS
    | SCHEMA_LISTS
    | SCHEMA_MAPS
    | set(LIMITS)
    | set(COUNTS)
    | {
        "type",
        "enum",
        "const",
        "multipleOf",
        "pattern",
        "format",
        "uniqueItems",
        "required",
        "dependentRequired",
        "minContains",
        "maxContains",
        "contentEncoding",
        "contentMediaType",
        "$ref",
        "$dynamicRef",
        "$recursiveRef",
        "divisibleBy",
        "disallow",
        "extends",
    }
)

_Place = tuple[str, ...]


def text_changes(old: Schema, new: Schema, *, prefix: str = "") -> Iterator[Change]:
    """What changed in the words at places that both schemas have.

    Args:
        old: A tame schema, like `new`.
        new: What it is now.
        prefix: What the names of the rules begin with, such as `output-`.
    """
    before, after = dict(_places(old, ())), dict(_places(new, ()))
    for place, schema in after.items():
        if place in before:
            yield from _differences(place, before[place], schema, prefix)


def _places(schema: Schema, place: _Place) -> Iterator[tuple[_Place, dict[str, Any]]]:
    if not isinstance(schema, dict):
        return
    yield place, schema
    for (keyword, name), inner in inner_schemas(schema):
        yield from _places(inner, (*place, *_steps(keyword, name)))


def _steps(keyword: str, name: str | int) -> _Place:
    if keyword == "properties":
        return (str(name),)
    if keyword == "prefixItems" or isinstance(name, int):
        return (f"{keyword}[{name}]",)
    if keyword == "items":
        return ("[]",)
    return (keyword, name) if name else (keyword,)


def _differences(
    place: _Place, old: dict[str, Any], new: dict[str, Any], prefix: str
) -> Iterator[Change]:
    path = path_words(place)
    for keyword in sorted((old.keys() | new.keys()) - _DEMANDS):
        if keyword in old and keyword in new:
            if canonical(old[keyword]) == canonical(new[keyword]):
                continue
            kind = "changed"
        else:
            kind = "added" if keyword in new else "removed"
        if keyword == "default":
            words = _default(old, new)
            if prefix:
                # An answer's default is nothing that anybody acts on.
                yield Change(path, f"{prefix}default-{kind}", "text", f"{words}.")
            else:
                words += ": calls that leave it out may do otherwise."
                yield Change(path, f"default-{kind}", "warning", words)
        else:
            rule = f"{prefix}{keyword}-{kind}" if keyword in ANNOTATIONS else f"{prefix}text-{kind}"
            words = f'"{visible(keyword)}" was {kind}.'
            if keyword in {"description", "title", "examples"}:
                words = f"Its {keyword} {_VERBS[kind]}, which can steer a model."
            yield Change(path, rule, "text", words)


_VERBS = {"changed": "changed", "added": "is new", "removed": "is gone"}


def _default(old: dict[str, Any], new: dict[str, Any]) -> str:
    before, after = (
        shown(schema["default"]) if "default" in schema else "not set" for schema in (old, new)
    )
    return f"The default was {before}, it is {after} now"
