"""What a run's verify stage found to have changed in the tools, as Markdown. Pure."""

from typing import Any


def short_changes(verified: dict[str, Any], *, of_the_run: bool = False) -> str:
    """The changes, a line for each tool."""
    return ""


def full_changes(verified: dict[str, Any]) -> str:
    """The changes with the schemas' differences."""
    return ""
