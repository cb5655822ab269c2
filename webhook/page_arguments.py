"""What a page is asked for: what stands behind the `?` of its address, checked (a wrong value is a
400, not a crash), and whether whoever asks may see what is private."""

from typing import TypeVar

from flask import abort, request

from config.settings import settings
from pipeline.overview.paging import Window
from webhook import operator_session

S = TypeVar("S", bound=str)

_BIGGEST_ID = 2**63 - 1


def shows_private() -> bool:
    """Whether whoever asks is shown what belongs to private repositories."""
    return settings().show_private or operator_session.current() is not None


def text(name: str) -> str | None:
    """A text, or None when it is absent or blank. PostgreSQL takes no NUL."""
    value = request.args.get(name, "").strip()
    if "\0" in value or len(value) > 300:
        abort(400)
    return value or None


def choice(name: str, choices: tuple[S, ...]) -> S | None:
    """One of `choices`, or None when it is absent."""
    value = text(name)
    if value is None:
        return None
    if value not in choices:
        abort(400)
    return next(known for known in choices if known == value)


def row_id(name: str) -> int | None:
    """The id of a row, or None when it is absent."""
    value = text(name)
    if value is None:
        return None
    # `isdecimal` alone takes digits of every script.
    if not (value.isascii() and value.isdecimal()) or int(value) > _BIGGEST_ID:
        abort(400)
    return int(value)


def window() -> Window:
    """Which page of a list is asked for."""
    return Window(before=row_id("before"), after=row_id("after"))
