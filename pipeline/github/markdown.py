"""Foreign text in GitHub's Markdown: made harmless, and cut to fit. Pure.

GitHub removes dangerous HTML by itself. What it does not do is to keep a stranger's tool name from
breaking a table, mentioning people, or leaving a trace in other issues.
"""

import re
from collections.abc import Sequence
from typing import Literal

CUT = "… cut, the whole of it is on the run's page"

# An ampersand, too: `&commat;` is an @ that mentions people.
_MARKUP = re.compile(r"[\\`|<>*_\[\]~$&]")
# GitHub links these in plain text, and a link to an issue shows up there: an invisible space
# inside keeps them words. https://docs.github.com/en/get-started/writing-on-github
_LINKED = re.compile(r"@(?=[\w-])|#(?=\d)|(?<=\bgh-)(?=\d)|(?<=\bwww)(?=\.)|:(?=//)", re.IGNORECASE)
_SPACE = "\u200b"
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)


def cut(text: str, characters: int) -> str:
    """`text` with at most so many characters."""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def flat(text: str, characters: int) -> str:
    """Foreign text as one line without anything invisible, which could turn its order around."""
    line = " ".join(text.split())
    return cut("".join(char for char in line if char.isprintable()), characters)


def plain(text: str, characters: int = 240) -> str:
    """Foreign text as plain words: no markup, no table cell of its own, no mention, no link."""
    words = _LINKED.sub(lambda found: found[0] + _SPACE, flat(text, characters))
    return _MARKUP.sub(r"\\\g<0>", words)


def code(text: str, characters: int = 120) -> str:
    """A foreign name as a code span, also for the cell of a table.

    A bar cannot be escaped there for every reader of Markdown, so it becomes a broken one.
    """
    words = flat(text, characters).replace("`", "'").replace("|", "¦")
    return f"`{words}`" if words else "`?`"


_BLOCK = re.compile(
    r"^(?:(`{3,})[^`\n]*\n(?:.*?\n)??\1`*|(~{3,})[^\n]*\n(?:.*?\n)??\2~*)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_SPAN = re.compile(r"(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)")
_HTML = re.compile(r"(?<!\\)((?:\\\\)*)([<&])")
_LINK = re.compile(r"(?<=\])(?=[(\[:])")


def harmless(text: str) -> str:
    """Markdown of our own with foreign words in it: what it says stays, but whatever a stranger
    wrote, it mentions nobody, links nowhere and holds no HTML. Code stays as it is."""
    beside = _BLOCK.sub("", text)
    if "```" in beside or "~~~" in beside:
        # A block that does not end, or begins inside a list: where it ends is GitHub's to say.
        return _harmless_lines(text)
    kept, begin = [], 0
    for block in _BLOCK.finditer(text):
        kept += [_harmless_lines(text[begin : block.start()]), block[0]]
        begin = block.end()
    return "".join([*kept, _harmless_lines(text[begin:])])


def _harmless_lines(text: str) -> str:
    spans = list(_SPAN.finditer(text))
    if "`" in _SPAN.sub("", text) or "\\`" in text:
        # Not every piece of code begins and ends in one line, so what is code is GitHub's to say.
        spans = []
    kept, begin = [], 0
    for span in spans:
        kept += [_harmless_words(text[begin : span.start()]), span[0]]
        begin = span.end()
    return "".join([*kept, _harmless_words(text[begin:])])


def _harmless_words(text: str) -> str:
    words = _LINKED.sub(lambda found: found[0] + _SPACE, text)
    return _LINK.sub(_SPACE, _HTML.sub(r"\1\\\2", words))


def fit(text: str, limit: int) -> str:
    """Markdown with at most `limit` bytes of UTF-8, cut between lines where that is possible, with
    no fence left open."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    room = limit - len(f"\n{'`' * 20}\n\n{CUT}".encode())
    head = raw[:room].decode(errors="ignore")
    whole, _, rest = head.rpartition("\n")
    kept = whole if len(rest) < 2_000 and whole else head
    fence = _open_fence(kept)
    end = f"\n{fence}" if fence and len(fence) <= 20 else ""
    return f"{kept}{end}\n\n{CUT}"


def _open_fence(text: str) -> str:
    fence = ""
    for found in _FENCE.finditer(text):
        if not fence:
            fence = found[1]
        elif found[1].startswith(fence):
            fence = ""
    return fence


def fenced(
    lines: Sequence[str],
    limit: int,
    *,
    language: str = "text",
    keep: Literal["start", "end"] = "end",
) -> str:
    """The first or last of these lines that fit, as a block of code that none of them can end."""
    room = limit - len(CUT.encode()) - 64 - len(language)
    kept: list[str] = []
    for line in lines if keep == "start" else reversed(lines):
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    inside = "\n".join(kept if keep == "start" else reversed(kept))
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", inside)), default=0))
    if len(fence) > 30:
        inside, fence = inside.replace("`", "'"), "```"
    block = f"{fence}{language}\n{inside}\n{fence}"
    if len(kept) == len(lines):
        return block
    return f"{block}\n\n{CUT}" if keep == "start" else f"{CUT}\n\n{block}"
