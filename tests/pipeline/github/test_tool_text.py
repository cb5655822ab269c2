"""The tool diff in checks and comments, with what strangers call their tools. Pure."""

from typing import Any

import pytest
from markdown_it import MarkdownIt

from pipeline.github.check_text import MAX_TEXT_BYTES
from pipeline.github.checks import check_report
from pipeline.github.comment_text import comment_body
from pipeline.github.tool_text import changes_text, full_changes, short_changes, worst_change
from registry.tool_diff import compare
from registry.tools import Tool, tool_hash
from tests.pipeline.github.report_views import LIVE_STAGES, PREVIEW, PULL, live, stage

_github = MarkdownIt("commonmark", {"html": True}).enable("table")

HOSTILE = [
    "x|y\\|z",
    "</table><script>alert(1)</script>",
    "`` ` ``",
    "@octocat #1 https://github.com/o/r/pull/1",
    "![a](https://evil.example/a.png) [b](javascript:alert(1))",
    "line\n\n```\nfence\n```\n# heading\n| a | b |",
    "\u202egnp",
]


def tool(name: str, description: str = "", **schema: Any) -> Tool:
    whole = {"type": "object", **schema}
    digest = tool_hash(name=name, description=description, input_schema=whole)
    return Tool(name, whole, digest, description=description)


def comparison(old: list[Tool], new: list[Tool], **against: Any) -> dict[str, Any]:
    where = {"environment": "production", "sha": "b" * 40, "url": "", "version": "1.3.0"}
    return {"diff": compare(old, new).to_json(), "live": where | against}


PLACE = {"place": {"type": "string"}}


def test_the_changes_say_with_what_they_are_compared() -> None:
    found = comparison(
        [tool("gone"), tool("forecast", properties=PLACE)],
        [
            tool("fresh", "It tells the hour."),
            tool("forecast", properties=PLACE, required=["place"]),
        ],
    )
    text = changes_text(found, limit_bytes=9_000)
    assert "Compared with production 1.3.0 (`bbbbbbb`)" in text
    for words in ("`tool-removed`", "`argument-became-required`", "It tells the hour."):
        assert words in text


def test_a_first_deployment_says_so_and_an_old_result_says_nothing() -> None:
    assert "Nothing is live yet" in short_changes({"comparison": None}, limit_bytes=9_000)
    assert short_changes({"tools": []}, limit_bytes=9_000) == ""
    assert full_changes({"comparison": None}, limit_bytes=9_000) == ""


def test_only_the_text_of_a_check_has_the_definitions() -> None:
    summary, text, comment = _told(comparison([tool("a")], [tool("a", properties=PLACE)]))
    assert '+      "place": {' in text
    assert "```diff" not in summary + comment
    assert "`place`" in summary
    assert "`place`" in comment


def test_the_worst_change_is_a_title() -> None:
    diff = compare([tool("a"), tool("b"), tool("c", properties=PLACE)], [tool("c")])
    assert worst_change(diff) == "tool-removed in a (and 1 more tool)"


def _told(found: dict[str, Any]) -> list[str]:
    verified = {"tools": [], "verified": True, "comparison": found}
    told = live(
        PREVIEW,
        pull=PULL,
        stages=(LIVE_STAGES[0], LIVE_STAGES[2], stage("verify", "succeeded", verified)),
    )
    report = check_report(told)
    comment = comment_body(told, exists=False)
    assert comment is not None
    return [report.summary, report.text, comment]


_OURS = ("<!-- sigil", "<details>", "</details>")


def _check_harmless(text: str) -> None:
    tokens = _github.parse(text)
    html = [token.content for token in tokens if token.type == "html_block"]
    assert all(block.startswith(_OURS) for block in html)
    inline = [child for token in tokens for child in token.children or ()]
    assert not [child for child in inline if child.type in ("html_inline", "image")]
    links = {str(child.attrs["href"]) for child in inline if child.type == "link_open"}
    assert all(".example/" in link and "evil" not in link for link in links)
    assert "@octocat" not in "".join(child.content for child in inline if child.type == "text")


@pytest.mark.parametrize("foreign", HOSTILE)
def test_hostile_tools_cannot_draw_on_a_check_or_a_comment(foreign: str) -> None:
    old = [tool(foreign, foreign), tool("b", foreign, properties={foreign: {"enum": [foreign]}})]
    new = [tool("c", foreign), tool("b", "New.", properties={foreign: {"enum": [1]}})]
    for text in _told(comparison(old, new, version=foreign)):
        _check_harmless(text)


def test_hundreds_of_changed_tools_keep_githubs_limits() -> None:
    old = [tool(f"tool_{number}", "x" * 2_000) for number in range(300)]
    new = [tool(f"tool_{number}", "y" * 2_000, required=["a"]) for number in range(300)]
    summary, text, comment = _told(comparison(old, new))
    assert len(summary.encode()) <= MAX_TEXT_BYTES
    assert len(text.encode()) <= MAX_TEXT_BYTES
    assert len(comment) < 65_536
    assert "left out" in summary
