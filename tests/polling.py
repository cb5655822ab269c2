"""Waits for what happens in another process."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], *, seconds: float = 60) -> T:
    """The first true value that `look` returns.

    `seconds` only bounds how long a failing test takes; it is not a measure of anything.

    Raises:
        AssertionError: when there was none in time.
    """
    give_up = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < give_up, f"nothing to see after {seconds} s"
        time.sleep(0.05)
    return found
