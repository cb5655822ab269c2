"""Each rule by name, in both directions, with a value that shows why it is one."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.schema_diff import Budget, Change, answer_diff, argument_diff

Schema = dict[str, Any]


def changes(old: Any, new: Any) -> list[Change]:
    return argument_diff(old, new, Budget(20_000))


def answers(old: Any, new: Any) -> list[Change]:
    return answer_diff(old, new, Budget(20_000))


def told(found: list[Change]) -> set[tuple[str, str, str]]:
    return {(change.path, change.rule, change.severity) for change in found}


def arguments(required: list[str] | None = None, /, **properties: Any) -> Schema:
    return {"type": "object", "properties": properties, "required": required or []}


def closed(schema: Schema) -> Schema:
    return {**schema, "additionalProperties": False}


TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
LIST: Schema = {"type": "array", "items": TEXT}
PLACE: Schema = {"type": "object", "properties": {"city": TEXT}, "required": ["city"]}
BY_KIND: Schema = {
    "oneOf": [
        {"type": "object", "properties": {"kind": {"const": kind}, "x": of}, "required": ["kind"]}
        for kind, of in (("a", TEXT), ("b", WHOLE))
    ]
}

# The narrower of two schemas of the argument `v`; rules when it gets narrower and wider; a value
# that only the wider one accepts.
NARROWER = [
    (TEXT, {"type": ["string", "null"]}, "type-narrowed", "type-widened", None),
    (WHOLE, NUMBER, "type-narrowed", "type-widened", 1.5),
    (TEXT, {}, "type-narrowed", "type-widened", 1),
    (TEXT, {"anyOf": [TEXT, WHOLE]}, "type-narrowed", "type-widened", 1),
    ({"anyOf": [TEXT, WHOLE]}, {"type": ["string", "number"]}, "type-narrowed", None, 1.5),
    ({"enum": ["a"]}, {"enum": ["a", "b"]}, "enum-value-removed", "enum-value-added", "b"),
    ({"enum": ["a"]}, {"enum": ["a", None]}, "enum-value-removed", "enum-value-added", None),
    ({"enum": ["a"], **TEXT}, TEXT, "enum-added", "enum-dropped", "b"),
    ({"const": True}, {"type": "boolean"}, "enum-value-removed", "enum-value-added", False),
    ({"minimum": 2, **WHOLE}, {"minimum": 1, **WHOLE}, "minimum-raised", "minimum-lowered", 1),
    ({"minimum": 2, **WHOLE}, WHOLE, "minimum-raised", "minimum-lowered", 1),
    ({"exclusiveMinimum": 1, **NUMBER}, {"minimum": 1, **NUMBER}, "minimum-raised", None, 1),
    ({"maximum": 1, **NUMBER}, {"maximum": 2, **NUMBER}, "maximum-lowered", "maximum-raised", 2),
    ({"exclusiveMaximum": 2, **WHOLE}, {"maximum": 2, **WHOLE}, "maximum-lowered", None, 2),
    ({"multipleOf": 4, **WHOLE}, {"multipleOf": 2, **WHOLE}, "multipleOf-narrowed", None, 2),
    ({"multipleOf": 2, **WHOLE}, WHOLE, "multipleOf-narrowed", "multipleOf-widened", 1),
    ({"minLength": 1, **TEXT}, TEXT, "minLength-raised", "minLength-lowered", ""),
    ({"maxLength": 1, **TEXT}, {"maxLength": 2, **TEXT}, "maxLength-lowered", None, "ab"),
    ({"pattern": "^a", **TEXT}, TEXT, "pattern-added", "pattern-removed", "b"),
    ({"format": "ipv4", **TEXT}, TEXT, "format-added", "format-removed", "b"),
    ({"minItems": 1, **LIST}, LIST, "minItems-raised", "minItems-lowered", []),
    ({"maxItems": 1, **LIST}, LIST, "maxItems-lowered", "maxItems-raised", ["a", "b"]),
    ({"uniqueItems": True, **LIST}, LIST, "uniqueItems-added", "uniqueItems-removed", ["a", "a"]),
    ({"minProperties": 1, "type": "object"}, {"type": "object"}, "minProperties-raised", None, {}),
    (
        {"oneOf": BY_KIND["oneOf"][:1]},
        BY_KIND,
        "alternative-removed",
        "alternative-added",
        {"kind": "b"},
    ),
    (
        {"type": "object", "additionalProperties": False},
        {"type": "object"},
        "additionalProperties-closed",
        "additionalProperties-opened",
        {"x": 1},
    ),
]


@pytest.mark.parametrize(("narrow", "wide", "narrowed", "widened", "value"), NARROWER)
def test_a_narrower_argument_breaks_and_a_wider_one_does_not(
    narrow: Schema, wide: Schema, narrowed: str, widened: str | None, value: Any
) -> None:
    for schema, fits in ((narrow, False), (wide, True)):
        assert jsonschema_rs.is_valid(schema, value, validate_formats=True) == fits
    smaller, larger = arguments(v=narrow), arguments(v=wide)
    assert told(changes(larger, smaller)) == {("v", narrowed, "breaking")}
    back = changes(smaller, larger)
    assert {change.severity for change in back} == {"compatible"}
    assert widened is None or {change.rule for change in back} == {widened}


@pytest.mark.parametrize(("narrow", "wide", "narrowed", "widened", "value"), NARROWER)
def test_a_wider_answer_breaks_and_a_narrower_one_does_not(
    narrow: Schema, wide: Schema, narrowed: str, widened: str | None, value: Any
) -> None:
    smaller, larger = arguments(v=narrow), arguments(v=wide)
    wider = answers(smaller, larger)
    # Only a reader that checks by the earlier schema minds another name in an answer.
    expected = "breaking-possible" if narrowed == "additionalProperties-closed" else "breaking"
    assert {change.severity for change in wider} == {expected}
    assert widened is None or {change.rule for change in wider} == {f"output-{widened}"}
    assert told(answers(larger, smaller)) == {("v", f"output-{narrowed}", "compatible")}


@pytest.mark.parametrize("schema", [pair for row in NARROWER for pair in row[:2]])
def test_a_schema_is_compatible_with_itself_however_it_is_written(schema: Schema) -> None:
    plain, moved = arguments(v=schema), arguments(v={"$ref": "#/$defs/w%20x~1y"})
    moved["$defs"] = {"w x/y": {"allOf": [{"$anchor": "other", **schema}]}}
    assert changes(plain, plain) == []
    for old, new in ((plain, moved), (moved, plain)):
        assert told(changes(old, new)) == {("", "schema-rewritten", "compatible")}


# Arguments and fields


def test_a_new_required_argument_breaks_and_an_optional_one_does_not() -> None:
    old = arguments(a=TEXT)
    assert told(changes(old, arguments(["b"], a=TEXT, b=TEXT))) == {
        ("b", "required-argument-added", "breaking")
    }
    assert told(changes(old, arguments(a=TEXT, b=TEXT))) == {("b", "argument-added", "compatible")}


def test_an_argument_that_becomes_required_breaks() -> None:
    optional, required = arguments(a=TEXT), arguments(["a"], a=TEXT)
    assert told(changes(optional, required)) == {("a", "argument-became-required", "breaking")}
    assert told(changes(required, optional)) == {("a", "argument-became-optional", "compatible")}


def test_a_removed_argument_breaks_when_it_is_refused_from_now_on() -> None:
    old, new = arguments(a=TEXT, b=TEXT), arguments(a=TEXT)
    (ignored,) = changes(old, new)
    assert (ignored.path, ignored.rule, ignored.severity) == ("b", "argument-removed", "compatible")
    assert "ignored" in ignored.words
    (refused,) = changes(closed(old), closed(new))
    assert (refused.path, refused.rule, refused.severity) == ("b", "argument-removed", "breaking")


def test_an_argument_required_by_another_one_breaks() -> None:
    old = arguments(a=TEXT, b=TEXT)
    new = {**old, "dependentRequired": {"a": ["b"]}}
    (change,) = changes(old, new)
    assert (change.path, change.rule, change.severity) == (
        "b",
        "argument-became-required",
        "breaking",
    )
    assert '"a"' in change.words
    assert {change.severity for change in changes(new, old)} == {"compatible"}


def test_a_field_that_is_gone_from_the_answer_breaks() -> None:
    old = arguments(["a"], a=TEXT, b=TEXT)
    assert told(answers(old, arguments(b=TEXT))) == {("a", "output-field-removed", "breaking")}
    assert told(answers(old, arguments(["a"], a=TEXT))) == {
        ("b", "output-field-removed", "breaking")
    }
    assert told(answers(old, arguments(a=TEXT, b=TEXT))) == {
        ("a", "output-field-became-optional", "breaking")
    }


def test_a_new_field_of_the_answer_breaks_only_who_forbids_it() -> None:
    old, new = arguments(a=TEXT), arguments(["b"], a=TEXT, b=TEXT)
    assert told(answers(old, new)) == {("b", "output-required-field-added", "compatible")}
    assert told(answers(closed(old), closed(new))) == {
        ("b", "output-required-field-added", "breaking-possible")
    }


def test_names_that_nobody_described_are_not_used_but_those_of_a_free_mapping_are() -> None:
    old, new = arguments(a=TEXT), arguments(a=TEXT, b=WHOLE)
    assert {change.severity for change in changes(old, new)} == {"compatible"}
    mapping = arguments(v={"type": "object"})
    described = arguments(v={"type": "object", "properties": {"b": WHOLE}})
    assert ("v.b", "argument-described", "breaking-possible") in told(changes(mapping, described))
    counts = arguments(v={"type": "object", "additionalProperties": NUMBER})
    narrower = arguments(v={"type": "object", "additionalProperties": WHOLE})
    assert told(changes(counts, narrower)) == {("v.*", "type-narrowed", "breaking")}
    one = arguments(v={"type": "object", "additionalProperties": NUMBER, "properties": {"b": TEXT}})
    assert ("v.b", "type-changed", "breaking") in told(changes(counts, one))


def test_a_name_that_only_another_form_described_may_have_been_used() -> None:
    forms = [arguments(["a"], a=TEXT), arguments(["b"], b=WHOLE)]
    old, new = arguments(v={"anyOf": forms}), arguments(v=arguments(a=TEXT, b=WHOLE))
    used = {"v": {"a": "x", "b": "no whole number"}}
    assert jsonschema_rs.is_valid(old, used)
    assert not jsonschema_rs.is_valid(new, used)
    assert ("v.b", "argument-described", "breaking-possible") in told(changes(old, new))


# Places


def test_changes_inside_are_told_by_their_path() -> None:
    old = arguments(
        place=PLACE, tags=LIST, pair={"type": "array", "prefixItems": [TEXT, TEXT]}, all=BY_KIND
    )
    new = arguments(
        place={**PLACE, "properties": {"city": {"type": "string", "maxLength": 9}}},
        tags={"type": "array", "items": {"type": "string", "minLength": 1}},
        pair={"type": "array", "prefixItems": [TEXT, WHOLE]},
        all={
            "oneOf": [
                BY_KIND["oneOf"][0],
                {**BY_KIND["oneOf"][1], "required": ["kind", "x"]},
            ]
        },
    )
    assert told(changes(old, new)) == {
        ("place.city", "maxLength-lowered", "breaking"),
        ("tags[]", "minLength-raised", "breaking"),
        ("pair[1]", "type-changed", "breaking"),
        ("all.x", "argument-became-required", "breaking"),
    }


def test_definitions_are_followed_also_in_circles() -> None:
    def tree(value: Schema) -> Schema:
        node = arguments(value=value, children={"type": "array", "items": {"$ref": "#/$defs/node"}})
        return {**arguments(root={"$ref": "#/$defs/node"}), "$defs": {"node": node}}

    assert ("root.value", "type-narrowed", "breaking") in told(changes(tree(NUMBER), tree(WHOLE)))
    assert {change.severity for change in changes(tree(WHOLE), tree(NUMBER))} == {"compatible"}


def test_older_drafts_hide_what_is_beside_a_reference() -> None:
    def schema(dialect: str, limit: int) -> Schema:
        described = {"$ref": "#/definitions/t", "maxLength": limit}
        return {"$schema": dialect, **arguments(v=described), "definitions": {"t": TEXT}}

    for dialect, expected in (
        ("http://json-schema.org/draft-07/schema#", "schema-rewritten"),
        ("https://json-schema.org/draft/2020-12/schema", "maxLength-lowered"),
    ):
        (change,) = changes(schema(dialect, 2), schema(dialect, 1))
        assert change.rule == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"not": TEXT}, {"not": WHOLE}),
        ({}, {"not": TEXT}),
        ({"pattern": "^a", **TEXT}, {"pattern": "^b", **TEXT}),
        ({"if": TEXT, "then": {"minLength": 1}}, {"if": TEXT, "then": {"minLength": 2}}),
        (PLACE, {**PLACE, "patternProperties": {"^c": WHOLE}}),
        (LIST, {**LIST, "contains": {"const": "a"}}),
        ({"patternProperties": {"^c": TEXT}}, {"patternProperties": {"^c": WHOLE}}),
        (
            {"patternProperties": {"^b": WHOLE}, "additionalProperties": False},
            {"properties": {"b": TEXT}},
        ),
        (
            closed({"properties": {"xa": TEXT}}),
            closed({"patternProperties": {"^x": TEXT}}),
        ),
        (
            closed(arguments(a=TEXT, b=TEXT)),
            {"allOf": [arguments(b=TEXT)], **arguments(a=TEXT), "unevaluatedProperties": False},
        ),
        ({"enum": ["x"]}, {"not": {"const": "x"}}),
        (TEXT, {"$ref": "https://elsewhere.example/schema"}),
        (TEXT, {"$ref": "#/nowhere"}),
        (TEXT, {"$dynamicRef": "#x"}),
        (TEXT, {"type": "text"}),
        (TEXT, {"$schema": "https://own.example/dialect", **TEXT}),
        (TEXT, {"allOf": 5}),
        (TEXT, {"minLength": "1", **TEXT}),
        ({"anyOf": [NUMBER, TEXT]}, {"oneOf": [NUMBER, WHOLE, TEXT]}),
    ],
)
def test_what_cannot_be_judged_is_never_called_compatible(old: Schema, new: Schema) -> None:
    # The root has a dialect of its own, so that each is tried there as well.
    for before, after in ((arguments(v=old), arguments(v=new)), (old, new)):
        if "$schema" in new and "v" in after.get("properties", {}):
            continue
        worst = changes(before, after)[0]
        assert worst.severity == "breaking-possible", worst
        assert worst.rule in {"cannot-be-judged", "pattern-changed", "argument-described"}


def test_what_is_no_longer_demanded_is_compatible_even_if_not_understood() -> None:
    old, new = arguments(v={"not": {"const": "a"}, **TEXT}), arguments(v=TEXT)
    assert told(changes(old, new)) == {("v", "constraint-removed", "compatible")}


def test_a_value_that_two_branches_of_a_one_of_accept_is_refused() -> None:
    old, new = arguments(v={"enum": ["x"]}), arguments(v={"oneOf": [TEXT, {"const": "x"}]})
    assert ("v", "enum-value-removed", "breaking") in told(changes(old, new))


# Words


def test_words_are_told_as_such() -> None:
    old = arguments(v={**TEXT, "title": "V", "description": "One"})
    new = arguments(v={**TEXT, "description": "Two", "examples": ["x"], "x-own": 1})
    found = changes(old, new)
    assert told(found) == {
        ("v", "title-removed", "text"),
        ("v", "description-changed", "text"),
        ("v", "examples-added", "text"),
        ("v", "text-added", "text"),
    }
    assert all("steer" in c.words for c in found if c.rule != "text-added")


def test_an_argument_named_like_a_keyword_is_an_argument() -> None:
    old = arguments(description=TEXT, title=TEXT, properties=TEXT)
    assert told(changes(old, arguments(description=WHOLE, title=TEXT, properties=TEXT))) == {
        ("description", "type-changed", "breaking")
    }


def test_another_default_is_a_warning() -> None:
    old, new = arguments(v={**TEXT, "default": "a"}), arguments(v={**TEXT, "default": "b"})
    (change,) = changes(old, new)
    assert (change.rule, change.severity) == ("default-changed", "warning")
    assert '"a"' in change.words
    assert '"b"' in change.words
    assert told(answers(old, new)) == {("v", "output-default-changed", "text")}


def test_what_is_hidden_in_a_value_is_made_visible() -> None:
    old, new = arguments(v={"enum": ["a"]}), arguments(v={"enum": ["a", "b\u202e\U000e0041"]})
    (change,) = changes(old, new)
    assert "\\u202e" in change.words
    assert "\\U000e0041" in change.words


# Hostile schemas

KEYWORDS = st.sampled_from(
    [
        *(
            "type",
            "enum",
            "const",
            "minimum",
            "exclusiveMaximum",
            "multipleOf",
            "minLength",
            "maxItems",
            "pattern",
            "format",
            "required",
            "properties",
            "additionalProperties",
            "patternProperties",
            "dependentRequired",
            "dependencies",
            "items",
        ),
        *(
            "prefixItems",
            "anyOf",
            "oneOf",
            "allOf",
            "not",
            "if",
            "then",
            "contains",
            "$ref",
            "$defs",
            "$id",
            "$anchor",
            "$schema",
            "unevaluatedProperties",
            "default",
            "description",
            "a",
        ),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["#", "#/$defs/a", "#/anyOf/0", "string", "object", "array", 10**400])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYWORDS | st.text(max_size=2), inner, max_size=4)
    ),
    max_leaves=25,
)


@given(ANYTHING, ANYTHING)
def test_no_json_value_is_too_strange(old: Any, new: Any) -> None:
    for compare in (changes, answers):
        for change in compare(old, new):
            assert change.words
            assert change.words.isprintable()
            assert change.path.isprintable()
        assert compare(old, old) == []


def nested(depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = {"properties": {"a": inner}}
    return inner


def circle(keyword: str) -> Schema:
    return {"$defs": {"x": {keyword: [{"$ref": "#/$defs/x"}, TEXT]}}, "$ref": "#/$defs/x"}


def web(size: int, leaf: Schema) -> Schema:
    """Definitions that each lead to all the others, by several ways."""
    names = [f"d{number}" for number in range(size)]
    definitions = {
        name: {
            "anyOf": [
                {"type": "object", "properties": {other: {"$ref": f"#/$defs/{other}"}}}
                for other in names
            ]
            + [leaf]
        }
        for name in names
    }
    return {"$ref": "#/$defs/d0", "$defs": definitions}


def doubling(depth: int, leaf: Schema) -> Schema:
    definitions: Schema = {"d0": leaf}
    for level in range(1, depth):
        reference = {"$ref": f"#/$defs/d{level - 1}"}
        definitions[f"d{level}"] = {"allOf": [reference, reference], "anyOf": [reference] * 3}
    return {"$ref": f"#/$defs/d{depth - 1}", "$defs": definitions}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (nested(5_000, TEXT), nested(5_000, WHOLE)),
        (nested(90, TEXT), nested(90, WHOLE)),
        ({"enum": list(range(30_000))}, {"enum": list(range(29_999))}),
        ({"$ref": "#"}, {"$ref": "#", "type": "string"}),
        (circle("anyOf"), circle("allOf")),
        (circle("anyOf"), circle("oneOf")),
        (web(12, TEXT), web(12, WHOLE)),
        (doubling(60, TEXT), doubling(60, WHOLE)),
        ({"anyOf": [{"const": n} for n in range(900)]}, {"anyOf": [{"type": "string"}] * 900}),
        (TEXT, {"pattern": "(a+)+$", "enum": ["a" * 5_000 + "!"]}),
        ({"enum": ["a" * 5_000 + "!"]}, {"pattern": "(a+)+$"}),
    ],
)
def test_a_schema_made_to_keep_us_busy_is_not_called_compatible(old: Any, new: Any) -> None:
    found = changes(old, new)
    assert found[0].severity.startswith("breaking")
    assert len(found) < 2_000


def test_the_budget_bounds_what_is_compared() -> None:
    (change,) = argument_diff(arguments(v=TEXT), arguments(v=WHOLE), Budget(3))
    assert (change.rule, change.severity) == ("cannot-be-judged", "breaking-possible")
