"""What the verify stage found to have changed in the tools, for checks and comments. Pure."""

from typing import Any

from pipeline.github.markdown import plain
from pipeline.github.tool_changes import tool_changes_markdown
from registry.tool_diff import ToolDiff

BREAKING = "A breaking change: "
"""How the title of a run begins that was ended because its tools break calls."""

FIRST = "Nothing is live yet that its tools could be compared with."


def short_changes(verified: dict[str, Any], *, limit_bytes: int) -> str:
    """The changes without the definitions.

    Args:
        verified: The stage's stored result; empty before it has one.
        limit_bytes: How long the text may be.
    """
    if "comparison" not in verified:
        return ""
    found = verified["comparison"]
    return changes_text(found, limit_bytes=limit_bytes) if found else FIRST


def changes_text(comparison: dict[str, Any], *, limit_bytes: int) -> str:
    """A stored comparison, without the definitions."""
    return tool_changes_markdown(
        ToolDiff.from_json(comparison["diff"]),
        compared_with=_against(comparison["live"]),
        limit_bytes=limit_bytes,
        definitions=False,
    )


def full_changes(verified: dict[str, Any], *, limit_bytes: int) -> str:
    """The changes with the definitions of the tools; empty when no definition changed."""
    found = verified.get("comparison")
    if not found:
        return ""
    diff = ToolDiff.from_json(found["diff"])
    if not any(tool.unified for tool in diff.changed):
        return ""
    return tool_changes_markdown(
        diff, compared_with=_against(found["live"]), limit_bytes=limit_bytes
    )


def worst_change(diff: ToolDiff) -> str:
    """The worst change in one line, for a title; not Markdown."""
    tools = (*diff.removed, *diff.changed)
    worst = next((tool for tool in tools if tool.severity == diff.severity), None)
    if worst is None or not worst.changes:
        return "a tool changed"
    change = worst.changes[0]
    where = f", {change.path}" if change.path else ""
    more = sum(tool.severity == "breaking" for tool in tools) - 1
    rest = f" (and {more} more tool{'' if more == 1 else 's'})" if more > 0 else ""
    return f"{change.rule} in {worst.name}{where}{rest}"


def _against(live: dict[str, Any]) -> str:
    version = f" {plain(live['version'])}" if live.get("version") else ""
    return f"{plain(live['environment'])}{version} (`{live['sha'][:7]}`)"
