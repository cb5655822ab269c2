"""What changed between two lists of tools, for whoever calls them: added, removed, changed how.

Pure, and safe with whatever a stranger's server lists.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from registry.schema_diff import SEVERITIES, Budget, Change, Severity, answer_diff, argument_diff
from registry.schema_diff.lines import Shelf
from registry.schema_diff.plain import TooBigError, canonical, shown, tame, visible
from registry.tools import Tool

MAX_CHANGES = 50
"""Of one tool; a last one says how many more there are."""

_ALL_STEPS = 60_000
_SUMMARY = 240


@dataclass(frozen=True)
class ToolChange:
    """What became of one tool.

    Attributes:
        name: Its name, foreign text.
        summary: What it says that it does, one short line of foreign text.
        changes: The differences, the worst first.
        unified: The lines of a unified diff of its definition as JSON, foreign text; empty when
            there is none or when the definition is too long.
    """

    name: str
    summary: str
    changes: tuple[Change, ...]
    unified: str = ""

    @property
    def severity(self) -> Severity:
        """That of its worst change."""
        return _worst(self.changes)


@dataclass(frozen=True)
class ToolDiff:
    """All differences between two lists of tools."""

    added: tuple[ToolChange, ...] = ()
    removed: tuple[ToolChange, ...] = ()
    changed: tuple[ToolChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @property
    def severity(self) -> Severity:
        """That of the worst change, `text` when there is none."""
        tools = (*self.removed, *self.changed, *self.added)
        return _worst(change for tool in tools for change in tool.changes)

    @property
    def breaking(self) -> bool:
        """Whether calls that worked certainly fail, or answers break their promise."""
        return self.severity == "breaking"

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules by which it is breaking, each once."""
        tools = (*self.removed, *self.changed)
        return tuple(
            dict.fromkeys(
                change.rule
                for tool in tools
                for change in tool.changes
                if change.severity == "breaking"
            )
        )

    def to_json(self) -> dict[str, Any]:
        """The differences as values that `json` can write and PostgreSQL can store."""
        stored: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return stored

    @staticmethod
    def from_json(stored: dict[str, Any]) -> "ToolDiff":
        """The differences that `to_json` stored.

        Raises:
            pydantic.ValidationError: when it is something else.
        """
        return _ADAPTER.validate_python(stored)


_ADAPTER = TypeAdapter(ToolDiff)


def compare(old: Sequence[Tool], new: Sequence[Tool]) -> ToolDiff:
    """The differences between two lists of tools; of several with one name the first counts."""
    before = {tool.name: tool for tool in reversed(old)}
    after = {tool.name: tool for tool in reversed(new)}
    gone = [tool for name, tool in before.items() if name not in after]
    fresh = [tool for name, tool in after.items() if name not in before]
    renamed = dict(_renamed(gone, fresh))
    budget, shelf = Budget(_ALL_STEPS), Shelf()
    changed = []
    for name in sorted(before.keys() & after.keys()):
        if found := _changes(before[name], after[name], budget):
            unified = shelf.unified(_definition(before[name]), _definition(after[name]))
            changed.append(_tool(after[name], found, unified))
    changed.sort(key=lambda tool: SEVERITIES.index(tool.severity))
    return ToolDiff(
        added=tuple(_added(tool, renamed) for tool in sorted(fresh, key=_name)),
        removed=tuple(_removed(tool, renamed) for tool in sorted(gone, key=_name)),
        changed=tuple(changed),
    )


def _name(tool: Tool) -> str:
    return tool.name


def _worst(changes: Iterable[Change]) -> Severity:
    return min((change.severity for change in changes), key=SEVERITIES.index, default="text")


def _tool(tool: Tool, changes: Sequence[Change], unified: str = "") -> ToolChange:
    if len(changes) > MAX_CHANGES:
        rest = changes[MAX_CHANGES - 1 :]
        more = Change("", "more", _worst(rest), f"{len(rest)} more changes are not listed.")
        changes = [*changes[: MAX_CHANGES - 1], more]
    return ToolChange(
        name=_storable(tool.name),
        summary=visible(" ".join((tool.description or "").split()), _SUMMARY),
        changes=tuple(changes),
        unified=unified,
    )


def _storable(name: str) -> str:
    """A tool's name, without what PostgreSQL does not store."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", name)


def _added(tool: Tool, renamed: dict[str, str]) -> ToolChange:
    words = "It is new."
    if earlier := [old for old, new in renamed.items() if new == tool.name]:
        words = f'It has the schema of "{visible(earlier[0])}", which is gone: perhaps renamed.'
    return _tool(tool, [Change("", "tool-added", "compatible", words)])


def _removed(tool: Tool, renamed: dict[str, str]) -> ToolChange:
    words = "It is gone: calls of it fail."
    if tool.name in renamed:
        words += (
            f' "{visible(renamed[tool.name])}" is new and has the same schema: perhaps renamed.'
        )
    return _tool(tool, [Change("", "tool-removed", "breaking", words)])


def _renamed(gone: Sequence[Tool], fresh: Sequence[Tool]) -> Iterator[tuple[str, str]]:
    """Old and new names of tools that differ in nothing but the name, as far as that is telling."""
    free: dict[str, list[Tool]] = {}
    for tool in fresh:
        free.setdefault(_schemas(tool), []).append(tool)
    for tool in gone:
        same = free.get(_schemas(tool), [])
        # Many tools have no arguments; then the description has to be the same.
        likely = [one for one in same if one.description == tool.description] or (
            same if tool.input_schema.get("properties") else []
        )
        if likely:
            chosen = likely[0]
            same.remove(chosen)
            yield tool.name, chosen.name


def _schemas(tool: Tool) -> str:
    try:
        return canonical(tame([tool.input_schema, tool.output_schema]))
    except TooBigError:
        return f"too big, {tool.hash}"


def _changes(old: Tool, new: Tool, budget: Budget) -> list[Change]:
    if old.hash and old.hash == new.hash and old.title == new.title:
        return []
    found = [
        *argument_diff(old.input_schema, new.input_schema, budget),
        *_answer(old, new, budget),
        *_hints(old.annotations or {}, new.annotations or {}),
        *_words("description", old.description, new.description),
        *_words("title", old.title, new.title),
    ]
    return sorted(found, key=lambda change: SEVERITIES.index(change.severity))


def _answer(old: Tool, new: Tool, budget: Budget) -> list[Change]:
    if old.output_schema is not None and new.output_schema is not None:
        return answer_diff(old.output_schema, new.output_schema, budget)
    if old.output_schema is not None:
        words = "It promises no structured answer any more."
        return [Change("", "output-schema-removed", "breaking", words)]
    if new.output_schema is not None:
        return [Change("", "output-schema-added", "compatible", "Its answer is described now.")]
    return []


def _words(what: str, old: str | None, new: str | None) -> Iterator[Change]:
    if old != new:
        kind = "added" if old is None else "removed" if new is None else "changed"
        words = f"The tool's {what} {_VERBS[kind]}, which can steer a model."
        yield Change("", f"tool-{what}-{kind}", "text", words)


_VERBS = {"changed": "changed", "added": "is new", "removed": "is gone"}

_HINTS: dict[str, tuple[bool, str]] = {
    "readOnlyHint": (False, "it may change something"),
    "destructiveHint": (True, "it may destroy something"),
    "idempotentHint": (False, "calling it twice may do it twice"),
    "openWorldHint": (True, "it may reach beyond its own system"),
}
"""What holds when a hint is absent, and what its other value warns of.
https://modelcontextprotocol.io/specification/2025-11-25/schema#toolannotations"""


def _hints(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for name in sorted((old.keys() | new.keys()), key=str):
        before, after = old.get(name), new.get(name)
        if _same(before, after):
            continue
        if name not in _HINTS:
            yield Change(visible(str(name)), "annotation-changed", "text", "An annotation changed.")
            continue
        default, risk = _HINTS[name]
        is_risky = name in ("destructiveHint", "openWorldHint")
        was, is_ = (value if isinstance(value, bool) else default for value in (before, after))
        words = f"Behaviour hint: {name} was {_told(before)}, it is {_told(after)} now"
        worse = was != is_ and is_ == is_risky
        yield Change(
            "",
            "behaviour-hint-changed",
            "warning" if worse else "compatible",
            f"{words}: {risk}." if worse else f"{words}.",
        )


def _told(value: Any) -> str:
    return "not told" if value is None else shown(_tamed(value))


def _same(old: Any, new: Any) -> bool:
    return canonical(_tamed(old)) == canonical(_tamed(new))


def _tamed(value: Any) -> Any:
    try:
        return tame(value)
    except TooBigError:
        return "a value that is too big"


def _definition(tool: Tool) -> dict[str, Any]:
    parts = {
        "title": tool.title,
        "description": tool.description,
        "inputSchema": tool.input_schema,
        "outputSchema": tool.output_schema,
        "annotations": tool.annotations,
    }
    return {key: part for key, part in parts.items() if part is not None}
