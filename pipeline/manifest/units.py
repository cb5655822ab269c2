"""Durations (`10s`) and amounts of memory (`512Mi`) as numbers."""

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_BYTES = {"Mi": 2**20, "Gi": 2**30}


def seconds(duration: str) -> float:
    """`500ms`, `10s` or `2m` in seconds."""
    number, unit = _parts(duration)
    return round(number * _SECONDS[unit], 3)


def memory(amount: str) -> int:
    """`512Mi` or `2Gi` in bytes."""
    number, unit = _parts(amount)
    return number * _BYTES[unit]


def _parts(text: str) -> tuple[int, str]:
    found = re.fullmatch(r"([0-9]+)([A-Za-z]+)", text)
    if found is None:
        raise ValueError("not a number with a unit")
    return int(found[1]), found[2]
