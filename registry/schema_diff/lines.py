"""Two definitions as a unified diff that a person can read."""

import difflib
import json
import re
import textwrap
from typing import Any

from registry.schema_diff.plain import TooBigError, canonical, tame, visible

MAX_LINES = 1_000
"""Of one definition; comparing more lines would take long."""

MAX_UNIFIED = 8_000
"""Characters of one diff."""

_MAX_CHARACTERS = 40_000
_ALL_LINES = 30_000
_ALL_UNIFIED = 150_000
_WIDTH = 110


class Shelf:
    """Makes diffs as long as there is room for them altogether."""

    def __init__(self) -> None:
        self._lines = _ALL_LINES
        self._room = _ALL_UNIFIED

    def unified(self, old: Any, new: Any) -> str:
        """The lines of the diff of two JSON values, empty when it would be too much."""
        if self._lines <= 0 or self._room < MAX_UNIFIED:
            return ""
        before, after = _lines(old), _lines(new)
        if before is None or after is None:
            return ""
        self._lines -= len(before) + len(after)
        if self._lines < 0:
            return ""
        found = list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]
        text = "\n".join(found)
        if len(text) > MAX_UNIFIED:
            text = text[:MAX_UNIFIED].rsplit("\n", 1)[0] + "\n… the rest is left out"
        self._room -= len(text)
        return text


def _lines(value: Any) -> list[str] | None:
    """Readable JSON with its keys in order, or None when it is too long.

    A long text is broken where it breaks itself, so that a change of one sentence shows as one.
    """
    try:
        tamed = tame(value)
    except TooBigError:
        return None
    # Writing it readably is slow, so its length is looked at before.
    if len(canonical(tamed)) > _MAX_CHARACTERS:
        return None
    whole = json.dumps(tamed, ensure_ascii=False, indent=2, sort_keys=True)
    lines = [part for line in whole.split("\n") for part in _broken(line)]
    return lines if len(lines) <= MAX_LINES else None


def _broken(line: str) -> list[str]:
    if len(line) <= _WIDTH:
        return [visible(line, 10 * _WIDTH)]
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    parts = re.findall(r".*?\\n|.+", line)
    return [
        visible(piece if index == 0 and part is parts[0] else indent + piece, 10 * _WIDTH)
        for part in parts
        for index, piece in enumerate(
            textwrap.wrap(part, _WIDTH, replace_whitespace=False, drop_whitespace=False)
        )
    ]
