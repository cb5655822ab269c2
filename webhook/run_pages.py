"""The list of runs, the page of one run, and its log that grows while it runs."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, render_template

from config.database import Connection
from pipeline import run_stages
from pipeline.github.tool_changes import MARKS
from pipeline.github.tool_text import short_changes
from pipeline.overview.paging import reading
from pipeline.overview.runs import (
    LOG_LINES,
    RUN_STATES,
    LogLine,
    Run,
    RunRow,
    count_log,
    get_run,
    list_runs,
    read_log,
    read_log_tail,
)
from pipeline.overview.servers import Deployment, ToolRow, get_deployment
from pipeline.run_stages import StageRow
from pipeline.stages.base import STAGES
from webhook.operator_actions import Offer, offers
from webhook.page_arguments import choice, row_id, shows_private, text, window
from webhook.views import iso, took

blueprint = Blueprint("runs", __name__)

_MAX_CHANGES_BYTES = 24_000

_SHA = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class StageView:
    """A stage on a page, one that has not begun too. `state` adds `pending` and `skipped`."""

    name: str
    state: str
    row: StageRow | None

    @property
    def took(self) -> str:
        """Its duration in words; until now while it runs; empty before it begins."""
        return took(self.row.started_at, self.row.finished_at) if self.row else ""


@dataclass(frozen=True)
class RunView:
    """All that a run's page shows, but its log.

    Attributes:
        changes: Markdown: what changed in the tools against what was live.
        package: The name of what serves, when it is not listed too.
        offers: The operator's buttons.
    """

    run: Run
    stages: tuple[StageView, ...]
    deployment: Deployment | None
    tools: tuple[ToolRow, ...]
    notices: tuple[str, ...]
    changes: str
    package: str | None
    offers: tuple[Offer, ...]

    @property
    def version(self) -> str:
        """Changes when the summary would look different, so that a watching page knows."""
        run = self.run
        parts = (
            (run.state, run.title, run.stop_requested, run.retries, run.remark),
            [(stage.name, stage.state) for stage in self.stages],
            self.deployment and self.deployment.state,
            self.offers,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@blueprint.get("/runs")
def listing() -> str:
    """Runs, newest first, by repository and state."""
    state = choice("state", RUN_STATES)
    repository = text("repository")
    with reading() as connection:
        page = list_runs(
            connection, window(), state=state, repository=repository, private=shows_private()
        )
    return render_template(
        "pages/runs.html", page=page, state=state, repository=repository, states=RUN_STATES
    )


@blueprint.get("/runs.json")
def listing_json() -> dict[str, Any]:
    """The same for tools; `?sha=` finds the runs of a commit."""
    sha = text("sha")
    if sha is not None and not _SHA.fullmatch(sha):
        abort(400)
    with reading() as connection:
        page = list_runs(
            connection,
            window(),
            state=choice("state", RUN_STATES),
            repository=text("repository"),
            sha=sha,
            private=shows_private(),
        )
    return {"runs": [_row_json(row) for row in page.rows], "before": page.older}


@blueprint.get("/runs/<int(max=9223372036854775807):run_id>")
def show(run_id: int) -> str:
    """One run: what it is about, its stages, what came of it, and its log."""
    with reading() as connection:
        view = _read(connection, run_id)
        lines = read_log_tail(connection, run_id)
        total = count_log(connection, run_id)
    return render_template(
        "pages/run.html",
        view=view,
        run=view.run,
        log=_by_stage(lines),
        cursor=lines[-1].id if lines else 0,
        earlier=total - len(lines),
    )


@blueprint.get("/runs/<int(max=9223372036854775807):run_id>.json")
def show_json(run_id: int) -> dict[str, Any]:
    """One run for tools."""
    with reading() as connection:
        view = _read(connection, run_id)
        last = read_log_tail(connection, run_id, lines=1)
    run, deployment = view.run, view.deployment
    return _row_json(run) | {
        "stages": [
            {
                "stage": stage.name,
                "state": stage.state,
                "started_at": iso(stage.row.started_at) if stage.row else None,
                "finished_at": (
                    iso(stage.row.finished_at) if stage.row and stage.row.finished_at else None
                ),
            }
            for stage in view.stages
        ],
        "url": deployment.url if deployment and deployment.state == "live" else None,
        "deployment": deployment.state if deployment else None,
        "package": deployment.package if deployment else None,
        "version": deployment.version if deployment else None,
        "tools": [
            {
                "name": tool.name,
                "description": tool.description,
                "inputSchema": tool.input_schema,
                "verified": tool.verified,
            }
            for tool in view.tools
        ],
        "notices": view.notices,
        "error": run.error,
        "remark": run.remark,
        "actor": run.actor,
        "pull_request": run.pull_number,
        "parent": run.parent_id,
        "superseded_by": run.superseded_by,
        "check_run_id": run.check_run_id,
        "log_cursor": last[0].id if last else 0,
    }


@blueprint.get("/runs/<int(max=9223372036854775807):run_id>/log")
def log_after(run_id: int) -> Response | dict[str, Any]:
    """The lines after the cursor `after`, at most 500, and whether to ask again."""
    after = row_id("after") or 0
    with reading() as connection:
        view = _read(connection, run_id)
        lines = read_log(connection, run_id, after=after)
    return {
        "lines": [
            {"id": line.id, "stage": line.stage, "at": iso(line.at), "text": line.line}
            for line in lines
        ],
        "cursor": lines[-1].id if lines else after,
        "more": len(lines) == LOG_LINES,
        "state": view.run.state,
        "finished": view.run.finished,
        "version": view.version,
    }


@blueprint.get("/runs/<int(max=9223372036854775807):run_id>/log.txt")
def log_text(run_id: int) -> Response:
    """The whole log as plain text."""
    with reading() as connection:
        _get_run(connection, run_id)
    return Response(_whole_log(run_id), content_type="text/plain; charset=utf-8")


def _whole_log(run_id: int) -> Iterator[str]:
    # One transaction a portion: a slow reader must not hold a snapshot of the database open.
    after = 0
    while True:
        with reading() as connection:
            lines = read_log(connection, run_id, after=after, lines=2000)
        if not lines:
            return
        yield "".join(f"{iso(line.at)} {line.stage:<8} {line.line}\n" for line in lines)
        after = lines[-1].id


# The same whether there is no such run or it may not be seen: the answer must not tell which.
_UNKNOWN = (
    "There is no such run here. Runs of private repositories are shown only in their check run at "
    "GitHub, unless SIGIL_SHOW_PRIVATE is set, and to the operator, for whom "
    "`flask --app webhook operator-link` prints a link."
)


def _get_run(connection: Connection, run_id: int) -> Run:
    run = get_run(connection, run_id, private=shows_private())
    if run is None:
        abort(404, None if shows_private() else _UNKNOWN)
    return run


def _read(connection: Connection, run_id: int) -> RunView:
    run = _get_run(connection, run_id)
    begun: dict[str, StageRow] = {row.stage: row for row in run_stages.of_run(connection, run_id)}
    deployment = get_deployment(connection, run_id)
    absent = "skipped" if run.finished else "pending"
    stages = tuple(
        StageView(name, begun[name].state if name in begun else absent, begun.get(name))
        for name in STAGES
    )
    return RunView(
        run,
        stages,
        deployment,
        tools=deployment.tools if deployment else (),
        notices=tuple(_result(begun, "publish").get("notices", ())),
        changes=_in_words(short_changes(_result(begun, "verify"), limit_bytes=_MAX_CHANGES_BYTES)),
        package=_result(begun, "publish").get("package"),
        offers=offers(connection, run_id),
    )


def _in_words(changes: str) -> str:
    """The same without pictures, which not every machine can draw."""
    for severity, mark in MARKS.items():
        word = "possibly breaking" if severity == "breaking-possible" else severity
        changes = changes.replace(f"- {mark} ", f"- **{word}** ").replace(f"{mark} ", "")
    return changes


def _result(begun: dict[str, StageRow], stage: str) -> dict[str, Any]:
    """What a stage has stored; empty before it is finished."""
    row = begun.get(stage)
    return (row.result or {}) if row and row.state == "succeeded" else {}


def _by_stage(lines: Sequence[LogLine]) -> dict[str, list[LogLine]]:
    """Lines under their stages. A resumed run may come back to a stage: its lines go together."""
    sections: dict[str, list[LogLine]] = {}
    for line in lines:
        sections.setdefault(line.stage, []).append(line)
    return sections


def _row_json(row: RunRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "repository": row.repository,
        "sha": row.sha,
        "ref": row.ref,
        "kind": row.kind,
        "environment": row.environment,
        "attempt": row.attempt,
        "state": row.state,
        "finished": row.finished,
        "title": row.title,
        "created_at": iso(row.created_at),
        "started_at": iso(row.started_at) if row.started_at else None,
        "finished_at": iso(row.finished_at) if row.finished_at else None,
    }
