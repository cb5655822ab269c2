"""Foreign JSON made safe to work with: bounded, without surprises in its numbers and texts."""

import hashlib
import json
import math
from typing import Any

MAX_DEPTH = 100
MAX_VALUES = 20_000

_SAFE_INTEGER = 2**53


class TooBigError(Exception):
    """A value has more depth or more parts than anyone should compare."""


def tame(value: Any) -> Any:
    """A copy of a JSON value in which equal numbers are written alike and every text can be stored.

    Raises:
        TooBigError: it is nested deeper than 100 levels, or has more than 20,000 values.
    """
    return _Tamer().copy(value, 0)


class _Tamer:
    def __init__(self) -> None:
        self._left = MAX_VALUES

    def copy(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise TooBigError
        if isinstance(value, dict):
            return {_text(str(key)): self.copy(part, depth + 1) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.copy(part, depth + 1) for part in value]
        if isinstance(value, str):
            return _text(value)
        if isinstance(value, bool) or value is None:
            return value
        return _number(value)


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()


def _number(value: Any) -> Any:
    """A number as JavaScript reads it: a whole one up to 2^53 exactly, others as doubles."""
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        return "a number beyond all limits"
    if not math.isfinite(number):
        return "a number beyond all limits"
    return int(value) if abs(number) < _SAFE_INTEGER and number.is_integer() else number


def canonical(value: Any) -> str:
    """The same text for equal tame values."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(*parts: str | bytes) -> bytes:
    """SHA-256 over parts whose borders count."""
    whole = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        whole.update(len(raw).to_bytes(8, "big") + raw)
    return whole.digest()


def visible(text: str, limit: int = 80) -> str:
    """A foreign text of bounded length in which nothing is hidden from a reader.

    Control, format and private characters come out as escapes: a description could otherwise say
    to a model what a person does not see.
    """
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(char if _shows(char) else _escape(char) for char in cut)


def _shows(char: str) -> bool:
    return char.isprintable() and not 0xE0100 <= ord(char) <= 0xE01EF


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def shown(value: Any, limit: int = 60) -> str:
    """A foreign value for a sentence, as JSON."""
    return visible(json.dumps(value, ensure_ascii=False), limit)


def listed(values: list[Any], most: int = 5) -> str:
    """Foreign values for a sentence."""
    words = ", ".join(shown(value) for value in values[:most])
    return words + (f" and {len(values) - most} more" if len(values) > most else "")
