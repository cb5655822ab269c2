"""The identity of a tool, and that it does not depend on how a server happens to write it."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.tools import ToolError, from_listing, tool_hash

SCHEMA = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
}


def test_the_hash_is_sha256_of_the_canonical_json() -> None:
    canonical = '{"description":"d","inputSchema":{"a":1,"b":[true,null]},"name":"n"}'
    expected = hashlib.sha256(canonical.encode()).hexdigest()
    schema = {"b": [True, None], "a": 1.0}
    assert tool_hash(name="n", description="d", input_schema=schema) == expected


def test_the_order_of_keys_does_not_matter() -> None:
    turned = json.loads(json.dumps(SCHEMA), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert tool_hash(name="n", input_schema=SCHEMA) == tool_hash(name="n", input_schema=turned)


def test_each_part_matters_and_the_title_does_not() -> None:
    listed: dict[str, Any] = {
        "name": "n",
        "title": "t",
        "description": "d",
        "inputSchema": SCHEMA,
        "outputSchema": {"type": "object"},
        "annotations": {"readOnlyHint": True},
    }
    same = from_listing(listed).hash
    assert from_listing({**listed, "title": "other", "_meta": {"x": 1}}).hash == same
    for key, value in {
        "name": "m",
        "description": "e",
        "inputSchema": {"type": "object"},
        "outputSchema": {"type": "array"},
        "annotations": {},
    }.items():
        assert from_listing({**listed, key: value}).hash != same, key
    for key in ("description", "outputSchema", "annotations"):
        assert from_listing({k: v for k, v in listed.items() if k != key}).hash != same, key
        absent = {k: v for k, v in listed.items() if k != key}
        assert from_listing({**listed, key: None}).hash == from_listing(absent).hash


@pytest.mark.parametrize("number", [2**53, 2**64 - 1, -(2**63), 10**300])
def test_integers_beyond_what_doubles_hold_exactly_have_a_hash(number: int) -> None:
    as_double = tool_hash(name="n", input_schema={"maximum": float(number)})
    assert tool_hash(name="n", input_schema={"maximum": number}) == as_double


def test_a_number_beyond_doubles_is_refused() -> None:
    with pytest.raises(ToolError, match="'n'"):
        from_listing({"name": "n", "inputSchema": {"maximum": 10**400}})


def test_a_schema_nested_beyond_reason_is_refused() -> None:
    deep: Any = {}
    for _ in range(200):
        deep = {"items": deep}
    with pytest.raises(ToolError, match="nested"):
        from_listing({"name": "n", "inputSchema": deep})


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from("abcdef"), JSON))
def test_a_tool_keeps_its_hash_through_json(schema: dict[str, Any]) -> None:
    listed = {"name": "n", "inputSchema": schema}
    assert from_listing(listed).hash == from_listing(json.loads(json.dumps(listed))).hash
