"""What one JSON Schema object demands by itself, apart from its references and its `allOf`.

Keywords of JSON Schema 2020-12 and of the drafts before it; what is not understood becomes an
`opaque` demand, which can only be equal to another or not.
https://json-schema.org/draft/2020-12/json-schema-validation
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from registry.schema_diff.plain import canonical

Schema = Any
"""A tame JSON value in the place of a schema; whether it is one is not known."""

NUMBERS = frozenset({"integer", "fraction"})
ALL_TYPES = frozenset({"null", "boolean", "object", "array", "string"}) | NUMBERS
"""JSON's types; numbers are told apart so that `number` contains `integer`."""

_TYPES = {name: frozenset({name}) for name in ALL_TYPES - {"fraction"}} | {"number": NUMBERS}

LIMITS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
COUNTS = {
    "minLength": "string",
    "maxLength": "string",
    "minItems": "array",
    "maxItems": "array",
    "minProperties": "object",
    "maxProperties": "object",
}

_OPAQUE = (
    "not",
    "propertyNames",
    "dependentSchemas",
    "unevaluatedItems",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "$dynamicRef",
    "$recursiveRef",
    "divisibleBy",
    "disallow",
    "extends",
)
_APPLICATORS = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas")


@dataclass(frozen=True, eq=False)
class Atom:
    """The demands of one schema object.

    Attributes:
        print: Equal for atoms that demand the same in the same words.
        values: The only values, from `enum` and `const`.
        needs: Which names another name requires.
        patterned: Undeclared names may fall under `patternProperties`.
        additional: The schema of undeclared names; None when it is not restricted.
        rest: The schema of items after those of `prefix`; None when it is not restricted.
        opaque: Demands that are not understood, by keyword.
    """

    print: bytes
    types: frozenset[str] = ALL_TYPES
    values: tuple[Any, ...] | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    multiple: float | None = None
    pattern: str | None = None
    format: str | None = None
    unique: bool = False
    required: frozenset[str] = frozenset()
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    properties: Mapping[str, Schema] = field(default_factory=dict)
    patterned: bool = False
    additional: Schema | None = None
    prefix: tuple[Schema, ...] = ()
    rest: Schema | None = None
    any_of: tuple[Schema, ...] | None = None
    one_of: tuple[Schema, ...] | None = None
    one_of_print: bytes = b""
    opaque: Mapping[str, bytes] = field(default_factory=dict)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The only values in a form that can be looked up."""
        return frozenset(map(canonical, self.values or ()))

    def at(self, name: str) -> Schema | None:
        """The schema of a property, None when it is not restricted."""
        if name in self.properties:
            return self.properties[name]
        return None if self.patterned else self.additional

    def item(self, index: int) -> Schema | None:
        """The schema of the item at an index, None when it is not restricted."""
        return self.prefix[index] if index < len(self.prefix) else self.rest


NEVER = Atom(print=b"never", types=frozenset())
"""The schema `false`."""


def opaque_atom(keyword: str, print_: bytes) -> Atom:
    """An atom of one demand that is not understood."""
    return Atom(print=print_, opaque={keyword: print_})


def atom(schema: dict[str, Any], print_: Callable[[Any], bytes]) -> Atom:
    """The atom of a schema object.

    Args:
        schema: The object. `$ref` and `allOf` are left to the caller.
        print_: Gives the same bytes for values that are equal with all that they refer to.
    """
    found: dict[str, Any] = {}
    opaque: dict[str, bytes] = {}
    for keyword, read in _READERS.items():
        if keyword in schema:
            read_value = read(schema[keyword])
            if read_value is None:
                opaque[keyword] = print_(schema[keyword])
            else:
                found[keyword] = read_value
    opaque |= {keyword: print_(schema[keyword]) for keyword in _OPAQUE if keyword in schema}
    opaque |= _bundles(schema, print_)
    return Atom(
        print=print_(schema),
        types=found.get("type", ALL_TYPES),
        values=_values(found),
        limits={name: found[name] for name in LIMITS if name in found},
        counts={name: found[name] for name in COUNTS if name in found},
        multiple=found.get("multipleOf"),
        pattern=found.get("pattern"),
        format=found.get("format"),
        unique=found.get("uniqueItems", False),
        required=found.get("required", frozenset()),
        needs=found.get("dependentRequired", {}),
        properties=found.get("properties", {}),
        patterned="patternProperties" in opaque,
        additional=_additional(schema),
        **_items(schema, found),
        any_of=found.get("anyOf"),
        one_of=found.get("oneOf"),
        one_of_print=print_(schema["oneOf"]) if "oneOf" in found else b"",
        opaque=opaque,
    )


def is_schema(value: Any) -> bool:
    """Whether a value has the shape of a schema."""
    return isinstance(value, dict | bool)


def _bundles(schema: dict[str, Any], print_: Callable[[Any], bytes]) -> dict[str, bytes]:
    """Demands of several keywords together."""
    found = {}
    if "if" in schema and ("then" in schema or "else" in schema):
        found["if"] = print_([schema.get(name, True) for name in ("if", "then", "else")])
    if "contains" in schema:
        names = ("contains", "minContains", "maxContains")
        found["contains"] = print_([schema.get(name) for name in names])
    if schema.get("patternProperties"):
        names = ("properties", "patternProperties", "additionalProperties")
        found["patternProperties"] = print_([schema.get(name) for name in names])
    if schema.get("dependencies"):
        found["dependencies"] = print_(schema["dependencies"])
    if "additionalProperties" in schema and not is_schema(schema["additionalProperties"]):
        found["additionalProperties"] = print_(schema["additionalProperties"])
    if "unevaluatedProperties" in schema and not _plainly_closed(schema):
        found["unevaluatedProperties"] = print_(schema)
    return found


def _plainly_closed(schema: dict[str, Any]) -> bool:
    """Whether `unevaluatedProperties` says the same as `additionalProperties` would."""
    return is_schema(schema["unevaluatedProperties"]) and not any(
        name in schema for name in (*_APPLICATORS, "additionalProperties")
    )


def _additional(schema: dict[str, Any]) -> Schema | None:
    if "unevaluatedProperties" in schema and _plainly_closed(schema):
        found = schema["unevaluatedProperties"]
    else:
        found = schema.get("additionalProperties")
    # Whatever accepts everything is no restriction.
    return found if found is False or (isinstance(found, dict) and found) else None


def _items(schema: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """`prefixItems` and `items`, or what they were called before 2020-12."""
    prefix, rest = found.get("prefixItems", ()), schema.get("items")
    if isinstance(rest, list):
        prefix, rest = tuple(rest), schema.get("additionalItems")
    return {"prefix": prefix, "rest": rest if is_schema(rest) and rest is not True else None}


def _values(found: dict[str, Any]) -> tuple[Any, ...] | None:
    values: tuple[Any, ...] | None = found.get("enum")
    if "const" in found:
        only = found["const"][0]
        if values is not None and canonical(only) not in map(canonical, values):
            return ()
        return (only,)
    return values


def _type(value: Any) -> frozenset[str] | None:
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) and name in _TYPES for name in names):
        return None
    return frozenset().union(*(_TYPES[name] for name in names))


def _limit(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _names(value: Any) -> frozenset[str] | None:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return frozenset(value)
    return None


def _needs(value: Any) -> dict[str, frozenset[str]] | None:
    if not isinstance(value, dict):
        return None
    needs = {name: _names(names) for name, names in value.items()}
    found = {name: names for name, names in needs.items() if names is not None}
    return found if len(found) == len(needs) else None


def _of(kind: type) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, kind) else None


def _schemas(value: Any) -> tuple[Schema, ...] | None:
    return tuple(value) if isinstance(value, list) and value else None


_READERS: dict[str, Callable[[Any], Any]] = {
    "type": _type,
    "enum": lambda value: tuple(value) if isinstance(value, list) else None,
    "const": lambda value: (value,),
    **dict.fromkeys(LIMITS, _limit),
    **dict.fromkeys(COUNTS, _count),
    "multipleOf": lambda value: _limit(value) if _limit(value) and value > 0 else None,
    "pattern": _of(str),
    "format": _of(str),
    "uniqueItems": _of(bool),
    "required": _names,
    "dependentRequired": _needs,
    "properties": _of(dict),
    "prefixItems": _schemas,
    "anyOf": _schemas,
    "oneOf": _schemas,
}
"""Keywords that are understood; None means that the value is not what the keyword takes."""
