"""The tool diff as GitHub's Markdown: readable, bounded, and no stranger's text acts in it."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pipeline.github.tool_changes import tool_changes_headline, tool_changes_markdown
from registry.schema_diff import Change
from registry.tool_diff import ToolChange, ToolDiff, compare
from registry.tools import Tool, from_listing

TEXT = {"type": "string"}


def tool(name: str, description: str | None = None, **properties: Any) -> Tool:
    schema = {"type": "object", "properties": properties}
    return from_listing({"name": name, "description": description, "inputSchema": schema})


def markdown(diff: ToolDiff, limit: int = 60_000, *, definitions: bool = True) -> str:
    return tool_changes_markdown(
        diff, compared_with="production", limit_bytes=limit, definitions=definitions
    )


def parsed(text: str) -> list[Token]:
    """The tokens of the Markdown, inline ones after their block, as GitHub would read them."""
    found: list[Token] = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        found += [token, *(token.children or [])]
    return found


def words(text: str) -> str:
    """What a reader sees outside of code."""
    return "".join(token.content for token in parsed(text) if token.type == "text")


def code(text: str) -> list[str]:
    return [token.content for token in parsed(text) if token.type == "code_inline"]


@pytest.mark.parametrize(
    ("old", "new", "headline"),
    [
        ([], [tool("a")], "1 tool added: compatible"),
        ([tool("a")], [], "1 tool removed: breaking"),
        ([tool("a")], [tool("b", x=TEXT), tool("c")], "1 tool removed, 2 added: breaking"),
        (
            [tool("a"), tool("b")],
            [tool("a", "new"), tool("b", "new")],
            "2 tools changed: only words changed, which can steer a model",
        ),
        ([tool("a")], [tool("a", x=TEXT)], "1 tool changed: compatible"),
        ([tool("a")], [tool("a")], "No tool changed"),
    ],
)
def test_the_headline_counts_and_judges(old: list[Tool], new: list[Tool], headline: str) -> None:
    assert tool_changes_headline(compare(old, new)) == headline


def test_every_tool_is_told_with_its_rules_and_its_definition() -> None:
    diff = compare(
        [tool("gone"), tool("weather", city=TEXT)],
        [tool("weather", city={"type": "integer"}), tool("fresh", "Does a thing", x=TEXT)],
    )
    text = markdown(diff)
    assert text.startswith("### ❌ 1 tool removed, 1 added, 1 changed: breaking\n")
    assert "Compared with production." in text
    assert code(text) == [
        *("gone", "tool-removed"),
        *("weather", "type-changed", "city"),
        *("fresh", "tool-added"),
    ]
    assert "Does a thing" in words(text)
    (fence,) = [token for token in parsed(text) if token.type == "fence"]
    assert fence.info == "diff"
    assert '+        "type": "integer"' in fence.content
    assert "<details><summary>" in text
    assert "<details>" not in markdown(diff, definitions=False)


def test_nothing_changed_is_said() -> None:
    assert markdown(ToolDiff()) == "**No tool changed**, compared with production."


# Foreign text

HOSTILE = [
    "`x` `` ``` ~~~",
    "<script>alert(1)</script><img src=x onerror=y>",
    "</details></summary>",
    "<!-- x",
    "**bold** _it_ ~~no~~ [link](https://evil.example) ![image](https://evil.example/x.png)",
    "| a | b |\n|---|---|",
    "# Title\n\n- list\n> quote",
    "@octocat and @github/security-team",
    "&#64;octocat &commat;octocat",
    "#123 GH-123 owner/repo#9 fixes #1",
    "https://github.com/owner/repo/issues/1 www.evil.example",
    "```\n</details>\n@octocat",
    "a\u202eb\u200bc\u0000d",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_is_only_text(text: str) -> None:
    diff = hostile(text)
    check_harmless(markdown(diff))
    check_harmless(markdown(diff, 900))


ACTIVE = st.sampled_from(
    [
        *"`*_[]()<>|#@&!~$\\-+> \n",
        "```",
        "~~~",
        "@a",
        "#1",
        "&#64;",
        "://",
        "</details>",
        "a",
        "GH-1",
    ]
)


@settings(max_examples=30)
@given(st.lists(ACTIVE, max_size=30).map("".join), st.integers(300, 6_000))
def test_no_foreign_text_acts(text: str, limit: int) -> None:
    found = markdown(hostile(text), limit)
    assert len(found.encode()) <= limit
    check_harmless(found)


def hostile(text: str) -> ToolDiff:
    """The text at every place that a stranger's server fills."""
    properties = {f"{text}p": {"enum": [text, "b"]}, "v": {"type": "string", "default": text}}
    changed = {f"{text}p": {"enum": ["b"]}, f"{text}q": TEXT, "v": {"type": "string"}}
    named = (text.replace("\0", "") + "t")[:200]
    return compare(
        [
            tool(named, text.replace("\0", ""), **_storable(properties)),
            tool(f"gone{named}", x=TEXT),
        ],
        [tool(named, "Other", **_storable(changed)), tool(f"new{named}", text.replace("\0", ""))],
    )


def _storable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.replace("\0", ""): _storable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_storable(part) for part in value]
    return value.replace("\0", "") if isinstance(value, str) else value


def check_harmless(text: str) -> None:
    tokens = parsed(text)
    kinds = {token.type for token in tokens}
    ours = {"paragraph", "heading", "bullet_list", "list_item", "strong"}
    assert kinds <= {
        *(f"{kind}_{end}" for kind in ours for end in ("open", "close")),
        *("inline", "text", "text_special", "softbreak", "code_inline", "fence", "html_block"),
    }
    assert sum(token.type == "heading_open" for token in tokens) == 1
    html = [
        line for t in tokens if t.type == "html_block" for line in t.content.split("\n") if line
    ]
    assert set(html) <= {
        "<details><summary>The definition, before and after</summary>",
        "</details>",
    }
    seen = "".join(token.content for token in tokens if token.type.startswith("text"))
    assert not re.search(r"@[\w-]", seen)
    assert not re.search(r"#\d|\bgh-\d|://|www\.", seen, re.IGNORECASE)
    outside = "".join(token.content for token in tokens if token.type != "fence")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00]", outside)


# Length


def many(count: int) -> ToolDiff:
    old = [tool(f"t{number}", a=TEXT) for number in range(count)]
    new = [
        tool(f"t{number}", a={"type": "integer", "description": "é" * 99})
        for number in range(count)
    ]
    return compare([*old, tool("gone")], new)


def test_what_is_too_long_is_left_out_and_counted() -> None:
    diff = many(40)
    whole = markdown(diff, 10**6)
    assert "left out" not in whole
    assert whole.count("<details>") == 40
    shorter = markdown(diff, 12_000)
    told = shorter.count("type-changed")
    assert told == 40
    assert 0 < shorter.count("<details>") < 40
    assert f"the definitions of {40 - shorter.count('<details>')}." in shorter
    shortest = markdown(diff, 1_500)
    told = shortest.count("`type-changed`")
    assert 0 < told < 40
    assert f"{40 - told} more tools ({40 - told} breaking)" in shortest


@pytest.mark.parametrize("limit", [200, 333, 1_000, 4_000, 9_999, 30_000])
def test_the_limit_is_kept_in_bytes(limit: int) -> None:
    text = markdown(many(60), limit)
    assert len(text.encode()) <= limit
    assert text.count("<details>") == text.count("</details>")


def test_many_changes_of_one_tool_are_cut_before_another_tool_is() -> None:
    changes = tuple(
        Change(f"p{number}", "type-narrowed", "breaking", "x" * 100) for number in range(50)
    )
    diff = ToolDiff(changed=(ToolChange("a", "", changes), ToolChange("b", "", changes[:1])))
    text = markdown(diff, 2_500)
    assert "… and 40 more" in text
    assert "**`b`**" in text
