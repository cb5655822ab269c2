"""`config/manifest.schema.json` as a validator, and what it says about a field.

The same file gives editors their completion and Sigil its defaults.
"""

import functools
import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

Schema = dict[str, Any]


@functools.cache
def root() -> Schema:
    """The whole schema."""
    text = resources.files("config").joinpath("manifest.schema.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


@functools.cache
def validator() -> Validator:
    """A validator of whole files."""
    kind = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    built: Validator = kind(root())
    return built


def matches(pattern: str, text: str) -> bool:
    """Whether a JSON Schema pattern matches.

    JSON Schema means ECMA 262, where `$` is the end of the text and nothing else; in Python it
    would let a line feed follow.
    """
    return re.search(re.sub(r"\$\Z", r"\\Z", pattern), text) is not None


def _pattern(
    _: Validator, pattern: str, instance: Any, schema: Schema
) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def field(*names: str) -> Schema:
    """What the schema says about a field, such as `field("transport", "port")`."""
    found = root()
    for name in names:
        found = found["properties"][name]
    return found


def with_defaults(value: dict[str, Any], *names: str) -> dict[str, Any]:
    """A mapping of `mcp.yaml` with the schema's defaults for the fields that it leaves out."""
    known = field(*names)["properties"]
    defaults = {name: known[name]["default"] for name in known if "default" in known[name]}
    return {**defaults, **value}
