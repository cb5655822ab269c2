"""What counts as compatible is: nothing that the old schema accepts is refused by the new one."""

import copy
import itertools
from typing import Any

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.schema_diff import Budget, Change, answer_diff, argument_diff

NAMES = ["a", "b"]
SCALARS = [None, True, False, -1, 0, 1, 2, 3, 1.5, "", "x", "xy"]
LISTS = [[], [0], [1, 1], ["x"], [1, "x"], [None, 1.5, "xy"]]
OBJECTS = [
    {}, *({"a": value} for value in (None, True, 0, 1.5, "", "x")),
    *({"b": value} for value in (1, "xy", [0], {}, {"a": 1})),
    *({"a": one, "b": two} for one, two in itertools.product((0, "x", {"a": "x"}), repeat=2)),
    {"c": 1}, {"a": "x", "c": "y"},
]  # fmt: skip
VALUES = [*SCALARS, *LISTS, *OBJECTS, [{}], [{"a": 1}], [{"a": "x", "b": 1}], [[]]]


def scalars() -> st.SearchStrategy[dict[str, Any]]:
    types = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
    return st.one_of(
        st.fixed_dictionaries({"type": types}),
        st.fixed_dictionaries({"type": st.lists(types, min_size=1, max_size=3, unique=True)}),
        st.fixed_dictionaries({"enum": st.lists(st.sampled_from(VALUES), min_size=1, max_size=4)}),
        st.fixed_dictionaries({"const": st.sampled_from(VALUES)}),
        numbers(),
        texts(),
    )


def numbers() -> st.SearchStrategy[dict[str, Any]]:
    bounds = st.sampled_from([-1, 0, 1, 1.5, 2])
    return st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={
            "minimum": bounds,
            "exclusiveMinimum": bounds,
            "maximum": bounds,
            "exclusiveMaximum": bounds,
            "multipleOf": st.sampled_from([1, 2, 0.5]),
        },
    )


def texts() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={
            "minLength": st.integers(0, 2),
            "maxLength": st.integers(0, 2),
            "pattern": st.sampled_from(["^x", "y$"]),
        },
    )


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that describe every name that they allow, or none."""
    names = st.lists(st.sampled_from(NAMES), unique=True, max_size=2)
    return st.one_of(
        st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
                "additionalProperties": st.just(False) | inner.filter(bool),
            },
            optional={
                "required": names,
                "maxProperties": st.integers(0, 2),
                "dependentRequired": st.dictionaries(st.sampled_from(NAMES), names, max_size=1),
            },
        ),
        st.fixed_dictionaries(
            {"type": st.just("object")},
            optional={"required": names, "minProperties": st.integers(0, 2)},
        ),
        st.fixed_dictionaries(
            {
                "properties": st.dictionaries(st.just("a"), inner, max_size=1),
                "patternProperties": st.dictionaries(st.just("^b"), inner, max_size=1),
                "additionalProperties": st.just(False),
            }
        ),
        st.fixed_dictionaries(
            {
                "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
                "unevaluatedProperties": st.just(False),
            }
        ),
    )


def arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"type": st.just("array")},
        optional={
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "minItems": st.integers(0, 2),
            "maxItems": st.integers(0, 2),
            "uniqueItems": st.booleans(),
            "contains": inner,
        },
    )


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.fixed_dictionaries({"anyOf": several}),
        st.fixed_dictionaries({"oneOf": several}),
        st.fixed_dictionaries({"allOf": several}),
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"if": inner, "then": inner}),
        st.fixed_dictionaries({"anyOf": several, "type": st.sampled_from(["object", "string"])}),
        st.sampled_from([{"$ref": "#/$defs/one"}, {"$ref": "#/$defs/two"}]),
    )


SCHEMAS = st.recursive(
    scalars() | st.booleans(),
    lambda inner: objects(inner) | arrays(inner) | combined(inner),
    max_leaves=6,
)


PARTS = (
    *("anyOf", "oneOf", "allOf", "prefixItems", "items", "contains", "not", "if", "then"),
    *("additionalProperties", "unevaluatedProperties"),
)


@st.composite
def mutated(draw: st.DrawFn, schema: Any) -> Any:
    """A schema much like another: some of its parts are replaced or left out."""
    if isinstance(schema, list):
        kept = [draw(mutated(item)) for item in schema if draw(st.integers(0, 7))]
        return kept or schema
    if draw(st.integers(0, 7)) == 0:
        return draw(SCHEMAS)
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "patternProperties", "$defs"):
            kept = [name for name in value if key == "$defs" or draw(st.integers(0, 7))]
            found[key] = {name: draw(mutated(value[name])) for name in kept}
            if key == "properties" and draw(st.integers(0, 7)) == 0:
                found[key]["c"] = draw(SCHEMAS)
        elif key in PARTS:
            found[key] = draw(mutated(value))
        elif key in ("required", "enum", "type") and isinstance(value, list):
            found[key] = [item for item in value if draw(st.integers(0, 4))] or value
        elif isinstance(value, int | float) and not isinstance(value, bool) and key != "multipleOf":
            found[key] = max(value + draw(st.sampled_from([0, 0, 1, -1])), 0)
        else:
            found[key] = value
    if "properties" in found:
        # Open objects are what `test_names_that_nobody_described_are_not_used` is about.
        closed = "additionalProperties" in found or "unevaluatedProperties" in found
        found = found if closed else {**found, "additionalProperties": False}
        if found.get("additionalProperties") in (True, {}):
            found["additionalProperties"] = False
    return found


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two input schemas with an argument of almost the same schema."""
    old = {
        "type": "object",
        "properties": {"v": draw(SCHEMAS)},
        "required": ["v"],
        "additionalProperties": False,
        "$defs": {"one": draw(SCHEMAS), "two": draw(scalars() | objects(scalars()))},
    }
    new = copy.deepcopy(old)
    new["properties"]["v"] = draw(mutated(old["properties"]["v"]))
    new["$defs"] = draw(mutated(old["$defs"])) if draw(st.booleans()) else new["$defs"]
    if not isinstance(new["$defs"], dict) or new["$defs"].keys() != {"one", "two"}:
        new["$defs"] = copy.deepcopy(old["$defs"])
    return old, new


@st.composite
def alike(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two input schemas with an argument of the same sort, each drawn for itself."""
    flat = scalars()
    sort = draw(st.sampled_from([numbers(), texts(), objects(flat), arrays(flat), combined(flat)]))
    old, new = (
        {
            "type": "object",
            "properties": {"v": draw(sort)},
            "required": ["v"],
            "additionalProperties": False,
            "$defs": {"one": {"type": "string"}, "two": {"type": ["string", "null"]}},
        }
        for _ in range(2)
    )
    return old, new


def harmless(changes: list[Change]) -> bool:
    return not any(change.severity.startswith("breaking") for change in changes)


def endless(schema: dict[str, Any]) -> bool:
    """Whether a reference leads back to itself, with which no validator comes to an end."""
    text = repr(schema["$defs"])
    return "$ref" in text


@settings(max_examples=120)
@given(alike() | pairs())
def test_what_is_called_compatible_refuses_nothing(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    old, new = pair
    if endless(old) or endless(new):
        return
    calls = harmless(argument_diff(old, new, Budget(20_000)))
    answers = harmless(answer_diff(old, new, Budget(20_000)))
    if not calls and not answers:
        return
    before, after = (jsonschema_rs.Draft202012Validator(schema) for schema in (old, new))
    for value in VALUES:
        instance = {"v": value}
        was, is_ = before.is_valid(instance), after.is_valid(instance)
        assert not (calls and was and not is_), (old, new, value)
        assert not (answers and is_ and not was), (old, new, value)
