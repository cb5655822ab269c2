"""Shows a run in the terminal while it happens: live on a terminal, line by line elsewhere."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pipeline import run_stages
from pipeline.overview.paging import reading
from pipeline.overview.runs import Run, get_run, read_log_tail
from pipeline.run_stages import StageRow
from pipeline.stages.base import STAGES

LINES_SHOWN = 8
LINES_OF_FAILURE = 30
PERIOD = 0.2


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment. `log` holds the last lines."""

    run: Run
    stages: dict[str, StageRow]
    log: Sequence[str]


def snapshot(run_id: int, *, lines: int = LINES_SHOWN) -> Snapshot:
    """The run as it is now."""
    with reading() as connection:
        run = get_run(connection, run_id)
        assert run is not None
        return Snapshot(
            run=run,
            stages={str(row.stage): row for row in run_stages.of_run(connection, run_id)},
            log=[line.line for line in read_log_tail(connection, run_id, lines=lines)],
        )


def follow(console: Console, run_id: int) -> Snapshot:
    """Show the run until it has ended; return how it ended."""
    return _follow_live(console, run_id) if console.is_terminal else _follow_lines(console, run_id)


def _follow_live(console: Console, run_id: int) -> Snapshot:
    now = snapshot(run_id)
    with Live(_panel(now), console=console, refresh_per_second=10) as live:
        while not now.run.finished:
            time.sleep(PERIOD)
            now = snapshot(run_id)
            live.update(_panel(now))
        live.update(_stage_table(now))
    return now


def _panel(now: Snapshot) -> RenderableType:
    lines = [
        Text(f"  │ {line}", style="dim", no_wrap=True, overflow="ellipsis") for line in now.log
    ]
    waiting = [] if now.stages else [Spinner("dots", "waiting for a worker")]
    return Group(_stage_table(now), *waiting, *lines)


def _stage_table(now: Snapshot) -> Table:
    table = Table.grid(padding=(0, 2))
    for stage in STAGES:
        row = now.stages.get(stage)
        table.add_row(_mark(row), stage, "" if row is None else _seconds(_duration(row)))
    return table


def _mark(row: StageRow | None) -> RenderableType:
    if row is None:
        return Text("·", style="dim")
    if row.state == "running":
        return Spinner("dots")
    return Text("✓", style="green") if row.state == "succeeded" else Text("✗", style="red")


def _duration(row: StageRow) -> timedelta:
    return (row.finished_at or datetime.now(UTC)) - row.started_at


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.1f} s"


def _follow_lines(console: Console, run_id: int) -> Snapshot:
    told: set[str] = set()
    while True:
        now = snapshot(run_id)
        for stage in STAGES:
            row = now.stages.get(stage)
            if row is None or row.finished_at is None or stage in told:
                continue
            told.add(stage)
            console.print(f"  {stage:<10}{row.state:<11}{_seconds(_duration(row)):>8}")
        if now.run.finished:
            return now
        time.sleep(PERIOD)


def explain_failure(console: Console, run_id: int) -> None:
    """Print why a run did not succeed: cause, what to do, the end of the log."""
    now = snapshot(run_id, lines=LINES_OF_FAILURE)
    error = now.run.error or {}
    stage = error.get("stage")
    console.print(
        f"The run {now.run.state}{f' in {stage}' if stage else ''}: {now.run.title}",
        style="bold red",
        markup=False,
    )
    if error.get("detail"):
        console.print(error["detail"], markup=False)
    for remark in error.get("annotations", []):
        console.print(f"  {remark['path']}:{remark['line']}: {remark['message']}", markup=False)
    if now.log:
        console.print("The end of its log:")
        for line in now.log:
            console.print(f"  │ {line}", style="dim", markup=False)
