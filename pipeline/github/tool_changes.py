"""The differences between two lists of tools as Markdown for a check run or a comment. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.github.markdown import code, fenced, fit, plain
from registry.schema_diff import Change, Severity
from registry.tool_diff import ToolChange, ToolDiff

_WHOLE, _ONE = "tool_diff.md.j2", "tool_change.md.j2"
_templates = Environment(
    loader=PackageLoader("templates", "github"),
    autoescape=False,  # noqa: S701 - the output is Markdown, which GitHub sanitises
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

MARKS: dict[Severity, str] = {
    "breaking": "❌",
    "breaking-possible": "❓",
    "warning": "⚠️",
    "compatible": "✅",
    "text": "✏️",
}

_VERDICTS: dict[Severity, str] = {
    "breaking": "breaking",
    "breaking-possible": "possibly breaking",
    "warning": "compatible, but it may act differently",
    "compatible": "compatible",
    "text": "only words changed, which can steer a model",
}

# How many changes of a tool are told, the more the better.
_DETAIL = (1_000, 10, 3, 1)
_NOTICE_BYTES = 160


def preload() -> None:
    """Compile the templates, so that a worker does it once for all the processes that it forks."""
    for name in (_WHOLE, _ONE):
        _templates.get_template(name)


def tool_changes_headline(diff: ToolDiff) -> str:
    """One line, such as `1 tool removed, 2 added: breaking`."""
    counts = (("removed", diff.removed), ("added", diff.added), ("changed", diff.changed))
    parts = [f"{len(tools)} {verb}" for verb, tools in counts if tools]
    if not parts:
        return "No tool changed"
    number, verb = parts[0].split()
    noun = "tool" if number == "1" else "tools"
    return f"{', '.join([f'{number} {noun} {verb}', *parts[1:]])}: {_VERDICTS[diff.severity]}"


def tool_changes_markdown(
    diff: ToolDiff, *, compared_with: str, limit_bytes: int, definitions: bool = True
) -> str:
    """What became of each tool, the worst first, and their definitions line by line.

    Args:
        compared_with: What `diff` is a difference from, in Markdown, such as `production, 1f2e3d4`.
        limit_bytes: How long the result may be in UTF-8. Definitions are left out first, then
            single changes, then tools; the text says how many.
        definitions: Whether to show the definitions at all.
    """
    if not diff:
        return fit(f"**No tool changed**, compared with {compared_with}.", limit_bytes)
    tools = [*diff.removed, *diff.changed, *diff.added]
    head = _whole(diff, compared_with, [], "")
    room = limit_bytes - len(head.encode()) - _NOTICE_BYTES
    blocks: list[_Block] = []
    for tool in tools:
        block = _block(tool, room)
        if block is None:
            break
        blocks.append(block)
        room -= block.size
    missing = _add_definitions(blocks, room) if definitions else 0
    notice = _notice(tools[len(blocks) :], missing)
    return fit(_whole(diff, compared_with, blocks, notice), limit_bytes)


@dataclass
class _Block:
    """A tool with as much about it as there is room for."""

    tool: ToolChange
    told: int
    definition: str = ""

    @property
    def text(self) -> str:
        changes = self.tool.changes
        return (
            _templates.get_template(_ONE)
            .render(
                mark=MARKS[self.tool.severity],
                name=code(self.tool.name),
                summary=_summary(self.tool),
                changes=[_row(change) for change in changes[: self.told]],
                more=max(0, len(changes) - self.told),
                definition=self.definition,
            )
            .strip()
        )

    @property
    def size(self) -> int:
        return len(self.text.encode()) + 2


def _block(tool: ToolChange, room: int) -> _Block | None:
    """The tool with as many changes as there is room for, None when not one fits."""
    for told in _DETAIL:
        block = _Block(tool, told)
        if block.size <= room:
            return block
    return None


def _add_definitions(blocks: Sequence[_Block], room: int) -> int:
    """Show the definitions that fit, and count those that do not."""
    missing = 0
    for block in blocks:
        if not block.tool.unified:
            continue
        before = block.size
        lines = block.tool.unified.split("\n")
        block.definition = fenced(lines, len(block.tool.unified.encode()) + 1_000, language="diff")
        if block.size - before <= room:
            room -= block.size - before
        else:
            block.definition = ""
            missing += 1
    return missing


def _whole(diff: ToolDiff, compared_with: str, blocks: Sequence[_Block], notice: str) -> str:
    return (
        _templates.get_template(_WHOLE)
        .render(
            mark=MARKS[diff.severity],
            headline=tool_changes_headline(diff),
            compared_with=compared_with,
            tools=[block.text for block in blocks],
            notice=notice,
        )
        .strip()
    )


def _notice(tools: Sequence[ToolChange], definitions: int) -> str:
    parts = []
    if tools:
        breaking = sum(tool.severity == "breaking" for tool in tools)
        noun = "tool" if len(tools) == 1 else "tools"
        parts.append(f"{len(tools)} more {noun} ({breaking} breaking)")
    if definitions:
        noun = "definition" if definitions == 1 else "definitions"
        parts.append(f"the {noun} of {definitions}")
    return f"… left out, because it is too long: {' and '.join(parts)}." if parts else ""


def _summary(tool: ToolChange) -> str:
    """What a new tool says that it does; of the others it is known."""
    is_new = any(change.rule == "tool-added" for change in tool.changes)
    return plain(tool.summary) if is_new else ""


def _row(change: Change) -> dict[str, str]:
    return {
        "mark": MARKS[change.severity],
        "rule": code(change.rule),
        "path": code(change.path) if change.path else "",
        "words": plain(change.words, 600),
    }
