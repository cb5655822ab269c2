"""Two lists of tools: what was added, removed and changed, and how bad that is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.jsonb import unstorable
from registry.tool_diff import MAX_CHANGES, ToolDiff, compare
from registry.tools import Tool, ToolError, from_listing

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def tool(name: str = "forecast", **listed: Any) -> Tool:
    return from_listing({"name": name, "inputSchema": SCHEMA, **listed})


def rules(diff: ToolDiff) -> list[tuple[str, str]]:
    tools = (*diff.added, *diff.removed, *diff.changed)
    return [(change.rule, change.severity) for one in tools for change in one.changes]


def test_the_same_tools_in_another_order_differ_in_nothing() -> None:
    diff = compare([tool("a"), tool("b", title="B")], [tool("b", title="B"), tool("a")])
    assert not diff
    assert diff == ToolDiff()
    assert (diff.severity, diff.breaking, diff.rules) == ("text", False, ())


def test_added_removed_and_changed_tools_are_told_apart() -> None:
    other = {"type": "object", "properties": {"days": {"type": "integer"}}}
    old = [tool("gone"), tool("stays"), tool("changes")]
    new = [tool("stays"), tool("changes", inputSchema=other), tool("new", inputSchema=other)]
    diff = compare(old, new)
    assert [one.name for one in diff.added] == ["new"]
    assert [one.name for one in diff.removed] == ["gone"]
    assert [one.name for one in diff.changed] == ["changes"]
    assert diff.breaking
    assert diff.rules == ("tool-removed",)
    assert diff.changed[0].severity == "compatible"


def test_a_new_tool_alone_is_compatible() -> None:
    diff = compare([tool("a")], [tool("a"), tool("b")])
    assert rules(diff) == [("tool-added", "compatible")]
    assert diff.severity == "compatible"


def test_a_renamed_tool_is_a_removal_that_says_so() -> None:
    diff = compare([tool("weather")], [tool("forecast")])
    assert rules(diff) == [("tool-added", "compatible"), ("tool-removed", "breaking")]
    assert '"forecast" is new and has the same schema' in diff.removed[0].changes[0].words
    assert '"weather", which is gone' in diff.added[0].changes[0].words


def test_tools_without_arguments_are_not_taken_for_renamed_unless_described_alike() -> None:
    nothing = {"inputSchema": {"type": "object"}}
    unlike = compare([tool("a", description="x", **nothing)], [tool("b", **nothing)])
    assert "renamed" not in unlike.removed[0].changes[0].words
    alike = compare(
        [tool("a", description="x", **nothing)], [tool("b", description="x", **nothing)]
    )
    assert "renamed" in alike.removed[0].changes[0].words


def test_a_tool_is_the_new_name_of_one_only() -> None:
    diff = compare([tool("a"), tool("b")], [tool("c")])
    assert ["renamed" in one.changes[0].words for one in diff.removed].count(True) == 1


def test_the_worst_change_comes_first_among_tools_and_in_each() -> None:
    narrow = {**SCHEMA, "required": ["city", "days"], "additionalProperties": False}
    diff = compare(
        [tool("a"), tool("b"), tool("c")],
        [
            tool("a", description="New words"),
            tool("b", description="New words", inputSchema=narrow),
            tool("c", annotations={"readOnlyHint": True}),
        ],
    )
    assert [one.name for one in diff.changed] == ["b", "c", "a"]
    assert [change.severity for change in diff.changed[0].changes] == [
        "breaking",
        "breaking",
        "text",
    ]


# Words, answers, hints


def test_words_of_a_tool_are_told_as_what_can_steer_a_model() -> None:
    diff = compare([tool(description="a")], [tool(description="b", title="T")])
    assert rules(diff) == [("tool-description-changed", "text"), ("tool-title-added", "text")]
    assert "can steer a model" in diff.changed[0].changes[0].words
    assert not diff.breaking


def test_an_answer_that_is_no_longer_promised_breaks() -> None:
    promised = tool(outputSchema=SCHEMA)
    assert rules(compare([promised], [tool()])) == [("output-schema-removed", "breaking")]
    assert rules(compare([tool()], [promised])) == [("output-schema-added", "compatible")]
    less = tool(outputSchema={"type": "object"})
    assert rules(compare([promised], [less])) == [("output-field-removed", "breaking")]


@pytest.mark.parametrize(
    ("old", "new", "severity"),
    [
        ({"readOnlyHint": True}, {"readOnlyHint": False}, "warning"),
        ({"readOnlyHint": True}, {}, "warning"),
        ({}, {"readOnlyHint": True}, "compatible"),
        ({"destructiveHint": False}, {"destructiveHint": True}, "warning"),
        ({"destructiveHint": False}, {}, "warning"),
        ({}, {"destructiveHint": True}, "compatible"),
        ({"idempotentHint": True}, {"idempotentHint": False}, "warning"),
        ({"openWorldHint": False}, {"openWorldHint": True}, "warning"),
        ({"openWorldHint": True}, {"openWorldHint": False}, "compatible"),
        ({"readOnlyHint": True}, {"readOnlyHint": "no"}, "warning"),
    ],
)
def test_a_changed_behaviour_hint_is_named_and_warned_of_when_it_is_for_the_worse(
    old: dict[str, Any], new: dict[str, Any], severity: str
) -> None:
    diff = compare([tool(annotations=old)], [tool(annotations=new)])
    (change,) = diff.changed[0].changes
    assert (change.rule, change.severity) == ("behaviour-hint-changed", severity)
    assert change.words.startswith("Behaviour hint: ")


def test_another_annotation_is_text() -> None:
    diff = compare([tool(annotations={"title": "a"})], [tool(annotations={"title": "b"})])
    assert rules(diff) == [("annotation-changed", "text")]


# The definition, line by line


def test_the_definition_is_shown_before_and_after() -> None:
    schema = {**SCHEMA, "properties": {"city": {"type": "integer"}}}
    (changed,) = compare([tool()], [tool(inputSchema=schema)]).changed
    assert '-        "type": "string"' in changed.unified.split("\n")
    assert '+        "type": "integer"' in changed.unified.split("\n")


def test_one_changed_sentence_of_a_long_description_shows_as_one() -> None:
    sentences = [f"Sentence number {number} of the description." for number in range(60)]
    before = "\n".join(sentences)
    after = before.replace("number 30 of", "number 30 and not of")
    (changed,) = compare([tool(description=before)], [tool(description=after)]).changed
    marked = [line for line in changed.unified.split("\n") if line[0] in "+-"]
    assert len(marked) == 2
    assert "number 30 and not of" in marked[1]


def test_what_a_description_hides_is_shown() -> None:
    diff = compare([tool()], [tool(description="Good\u200b\u202e\U000e0049 tool\u0007")])
    assert "\\u200b\\u202e\\U000e0049" in diff.changed[0].unified
    assert "\\u0007" in diff.changed[0].summary


def test_a_very_long_definition_is_not_shown_and_still_compared() -> None:
    many = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(900)}}
    (changed,) = compare([tool(inputSchema=many)], [tool()]).changed
    assert changed.unified == ""
    assert len(changed.changes) == MAX_CHANGES
    assert "more changes are not listed" in changed.changes[-1].words


# Storing


def test_a_diff_survives_being_stored() -> None:
    diff = compare(
        [tool("a"), tool("b"), tool("c")],
        [tool("b", description="x"), tool("c", inputSchema={"type": "object"}), tool("d")],
    )
    assert ToolDiff.from_json(json.loads(json.dumps(diff.to_json()))) == diff


LISTED = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b", "c", "d\u0000e\ud800", "`x` @y"]),
        "inputSchema": st.fixed_dictionaries(
            {"type": st.just("object")},
            optional={
                "properties": st.dictionaries(
                    st.text(max_size=3), st.sampled_from([{}, {"type": "string"}, True, 5])
                ),
                "required": st.lists(st.text(max_size=2), max_size=2),
            },
        ),
    },
    optional={
        "description": st.text(max_size=8),
        "annotations": st.dictionaries(st.text(max_size=4), st.none() | st.booleans(), max_size=2),
        "outputSchema": st.just({"type": "object"}),
    },
)


@given(st.lists(LISTED, max_size=4), st.lists(LISTED, max_size=4))
def test_every_diff_can_be_stored(old: list[Any], new: list[Any]) -> None:
    before, after = ([*map(_tool, listed)] for listed in (old, new))
    diff = compare(before, after)
    text = json.dumps(diff.to_json(), ensure_ascii=False)
    assert unstorable(text) is None
    assert "\\u0000" not in text.replace("\\\\u0000", "")
    assert ToolDiff.from_json(json.loads(text)) == diff
    assert not compare(after, after)


def _tool(listed: dict[str, Any]) -> Tool:
    """A tool of the listing, or one that no server could list and that somebody made."""
    try:
        return from_listing(listed)
    except ToolError:
        return Tool(name=listed["name"], input_schema=listed["inputSchema"], hash="")
