"""One difference between two versions of a tool, named by its rule."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["breaking", "breaking-possible", "warning", "compatible", "text"]

SEVERITIES: tuple[Severity, ...] = (
    "breaking",
    "breaking-possible",
    "warning",
    "compatible",
    "text",
)
"""From the worst to the least."""


@dataclass(frozen=True)
class Change:
    """One difference.

    Attributes:
        path: Where in the arguments, or in the answer when the rule begins with `output-`, such
            as `filter.tags[]`. Empty for the whole. It is foreign text, without control characters.
        rule: Its name, such as `required-argument-added`.
        severity: `breaking`: calls that worked fail, or answers are no longer what was promised.
            `breaking-possible`: that cannot be ruled out. `warning`: calls work and may do
            something else. `text`: only words changed.
        words: A sentence about it, plain text with foreign names and values in double quotes.
    """

    path: str
    rule: str
    severity: Severity
    words: str
