"""Foreign text in GitHub's Markdown, read back with a Markdown parser."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pipeline.github.markdown import code, fenced, fit, harmless, plain

_github = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

HOSTILE = [
    "a|b\\|c\\\\|d",
    "<script>alert(1)</script>",
    "<!-- -->",
    "`tick` ``two``",
    "[link](https://evil.example) ![image](https://evil.example/x.png)",
    "**bold** __bold__ ~~gone~~ $x^2$",
    "line\n| new | row |\n|---|---|",
    "\u202egnp.exe",
    "trailing\\",
    "```\nfence",
    "# heading",
    "   ",
]


def _cells(row: str) -> list[str]:
    tokens = _github.parse(f"| a | b |\n|---|---|\n| {row} | end |\n")
    assert [token.type for token in tokens].count("tr_open") == 2, "one head, one row"
    return [token.content for token in tokens if token.type == "inline"][2:]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_its_cell_as_plain_words(text: str) -> None:
    words, end = _cells(plain(text))
    assert end == "end"
    (inline,) = _github.parseInline(words)
    assert {child.type for child in inline.children or ()} <= {"text", "text_special"}


@given(st.text(max_size=80))
def test_any_text_stays_in_its_cell_as_plain_words(text: str) -> None:
    words, end = _cells(f"x{plain(text)}")
    assert end == "end"
    (inline,) = _github.parseInline(words)
    assert {child.type for child in inline.children or ()} <= {"text", "text_special"}


@given(st.text(max_size=80))
def test_any_name_is_one_code_span_in_its_cell(text: str) -> None:
    words, end = _cells(code(text))
    assert end == "end"
    (inline,) = _github.parseInline(words)
    assert [child.type for child in inline.children or ()] == ["code_inline"]


def test_a_backslash_before_a_bar_does_not_end_the_cell_for_github() -> None:
    # GitHub's own parser reads `\\` as a pair, so that the bar behind it would be a border.
    assert "|" not in code("a\\|b")
    assert plain("a\\|b") == "a\\\\\\|b"


def test_nobody_is_mentioned_and_no_issue_is_linked() -> None:
    words = plain("@octocat fixes #12 and octo/weather#3, GH-4, https://github.com/octo/x/pull/5")
    for sign in ("@octocat", "#12", "#3", "GH-4", "://"):
        assert sign not in words
    assert words.replace("\u200b", "") == (
        "@octocat fixes #12 and octo/weather#3, GH-4, https://github.com/octo/x/pull/5"
    )


def test_a_name_stands_as_it_is() -> None:
    assert code("get_current_time") == "`get_current_time`"
    assert code("a`b|c\nd") == "`a'b¦c d`"
    assert code(" \u200b ") == "`?`"


@given(st.text(), st.integers(min_value=200, max_value=400))
def test_fit_never_passes_the_limit_and_never_breaks_a_character(text: str, limit: int) -> None:
    long = text * 50
    shorter = fit(long, limit)
    assert len(shorter.encode()) <= limit
    assert long == shorter or long.startswith(shorter.split("\n\n… cut")[0].rstrip("`~\n"))


def test_what_is_cut_inside_a_fence_ends_the_fence() -> None:
    text = fit("before\n\n````diff\n" + "- line\n" * 100 + "````\nafter", 300)
    tokens = _github.parse(text)
    assert [token.type for token in tokens if token.type == "fence"] == ["fence"]
    assert "cut" in tokens[-2].content


@given(st.lists(st.text(alphabet="`a\n ", max_size=12), max_size=8))
def test_no_line_ends_the_fence_that_it_stands_in(lines: list[str]) -> None:
    tokens = _github.parse(fenced(lines, 10_000))
    assert [token.type for token in tokens] == ["fence"]


def test_of_too_many_lines_the_last_ones_are_kept() -> None:
    block = fenced([f"line {number}" for number in range(1000)], 400)
    assert len(block.encode()) <= 400
    assert block.endswith("line 999\n```")
    assert "line 1\n" not in block


BREAKING_OUT = [
    "* line 2: `name` cannot be `a` @octocat <img src=x> `x`. Use letters.",
    "`a` b `@octocat`",
    "\\`a` b `@octocat <b>`",
    "one `\n`@octocat <img src=x>`\n",
    "  ```\n@octocat\n```\n@octocat <i>x</i>\n```\n",
    "* a\n  ```\n@octocat <b>\n",
    "```a`b\n@octocat\n```\n",
    "~~~\n@octocat\n~~~~ x\n```\n~~~\n@octocat\n",
    "[press here](https://evil.example) ![x](https://evil.example/x.png)",
    "[press here][1]\n\n[1]: https://evil.example",
    "\\\\<img src=x> \\<b> &commat;octocat &lt;",
    "<!--\n@octocat",
]


@pytest.mark.parametrize("text", BREAKING_OUT)
def test_foreign_words_in_our_own_markdown_mention_nobody_and_are_no_html(text: str) -> None:
    read = _words(harmless(text))
    assert not read["kinds"] & {"html_inline", "html_block", "link_open", "image"}
    assert "@octocat" not in read["said"]


@given(st.text(alphabet="`~@o<b>\\\n -*[](&;!", max_size=40))
def test_no_text_at_all_breaks_out(text: str) -> None:
    read = _words(harmless(text))
    assert not read["kinds"] & {"html_inline", "html_block", "link_open", "image"}
    assert "@o" not in read["said"]


def _words(markdown: str) -> dict[str, Any]:
    """The kinds of what a text consists of, and its words outside of code."""
    tokens = _github.parse(markdown)
    inline = [child for token in tokens for child in token.children or ()]
    words = (one for one in inline if one.type.startswith("text") or one.type.endswith("break"))
    said = "".join(word.content or "\n" for word in words)
    return {"kinds": {token.type for token in (*tokens, *inline)}, "said": said}


@pytest.mark.parametrize(
    "text",
    [
        "* line 2: `@scope/name` is not a field. Write `a <b>`.",
        "Add this file:\n\n```yaml\nname: <@weather>\n```\n\nThen **push** again.",
    ],
)
def test_our_own_markdown_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text
