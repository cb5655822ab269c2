"""The check run and the commit status of a run, as they should stand at GitHub. Pure: no I/O.

Limits, from GitHub's documentation of the REST API for check runs and commit statuses: summary and
text 65,535 bytes of UTF-8 each, a status description 140 characters.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from pipeline.github.actions import Action, actions
from pipeline.github.check_text import summary, text
from pipeline.github.markdown import cut, fit
from pipeline.github.view import RunView
from pipeline.runs import Run

MAX_DESCRIPTION = 140
MAX_TITLE = 255

PREVIEW = "Sigil / preview"
"""One name for every pull request's check, so that branch protection can require it."""

Conclusion = Literal["success", "failure", "cancelled", "neutral"]


@dataclass(frozen=True)
class CheckReport:
    """A check run as it should stand at GitHub."""

    name: str
    external_id: str
    status: Literal["queued", "in_progress", "completed"]
    conclusion: Conclusion | None
    title: str
    summary: str
    text: str
    annotations: tuple[dict[str, Any], ...]
    actions: tuple[Action, ...]
    details_url: str
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True)
class StatusReport:
    """A commit status as it should stand at GitHub."""

    context: str
    state: Literal["pending", "success", "failure", "error"]
    description: str
    target_url: str


_STATUS: dict[str, Literal["queued", "in_progress", "completed"]] = {
    "queued": "queued",
    "running": "in_progress",
}
_CONCLUSION: dict[str, Conclusion] = {
    "succeeded": "success",
    "failed": "failure",
    "cancelled": "cancelled",
    "superseded": "neutral",
    "skipped": "neutral",
}
# A status knows nothing neutral: a commit that needs no run must not hold up a merge.
_COMMIT_STATE: dict[str, Literal["pending", "success", "failure", "error"]] = {
    "queued": "pending",
    "running": "pending",
    "succeeded": "success",
    "failed": "failure",
    "cancelled": "error",
    "superseded": "error",
    "skipped": "success",
}


def check_name(run: Run) -> str:
    """The check's name; branch protection can require it."""
    if run.kind in ("preview", "check"):
        return PREVIEW
    return f"Sigil / {run.environment}" + ("" if run.kind == "deploy" else f" {run.kind}")


def external_id(run: Run) -> str:
    """Our own id on the check run: it finds the check again when an answer was lost."""
    return f"sigil-run-{run.id}"


def check_report(view: RunView) -> CheckReport:
    """The check run of a run, whatever state it is in."""
    run = view.run
    return CheckReport(
        name=check_name(run),
        external_id=external_id(run),
        status=_STATUS.get(run.state, "completed"),
        conclusion=_CONCLUSION[run.state] if view.final else None,
        title=cut(headline(view), MAX_TITLE),
        summary=summary(view),
        text=text(view),
        annotations=_annotations(view),
        actions=actions(view),
        details_url=view.page,
        started_at=run.started_at or run.created_at,
        completed_at=run.finished_at if view.final else None,
    )


def minimal(report: CheckReport) -> CheckReport:
    """The same verdict in so few words that GitHub cannot find them too long."""
    return replace(
        report,
        title=cut(report.title, 100),
        summary=f"{fit(report.summary, 2_000)}\n\n[More]({report.details_url})",
        text="",
        annotations=(),
    )


def status_report(view: RunView) -> StatusReport:
    """The commit status of a run."""
    run = view.run
    return StatusReport(
        context="sigil/preview" if run.pull_number else f"sigil/{run.environment}",
        state=_COMMIT_STATE[run.state],
        description=cut(_status_words(view), MAX_DESCRIPTION),
        target_url=view.page,
    )


def headline(view: RunView) -> str:
    """One line: what came of the run, or what it is doing."""
    run = view.run
    if run.remark:
        return run.remark
    if run.state == "running":
        stage = next((row.stage for row in view.stages if row.state == "running"), None)
        return f"{_DOING[stage]} …" if stage else "Starting …"
    if run.state == "queued":
        return run.title or "Waiting for a worker"
    return run.title or run.state.capitalize()


_DOING = {
    "source": "Fetching the source",
    "manifest": "Reading mcp.yaml",
    "build": "Building",
    "deploy": "Starting the server",
    "verify": "Shaking hands over MCP",
    "publish": "Publishing",
}


def _status_words(view: RunView) -> str:
    # The stage is left out: a description that changes six times a run uses up GitHub's limit of
    # 1,000 statuses per commit for nothing.
    if view.run.state == "running":
        return "Sigil is at work"
    if view.wants_approval:
        return f"{headline(view)}; a preview needs an approval"
    return headline(view)


def _annotations(view: RunView) -> tuple[dict[str, Any], ...]:
    if view.run.state != "failed":
        return ()
    rows = (view.run.error or {}).get("annotations") or []
    return tuple(
        {
            "path": row["path"],
            "start_line": row["line"],
            "end_line": row["line"],
            **(
                {"start_column": row["column"], "end_column": row["column"]}
                if row["column"]
                else {}
            ),
            "annotation_level": row["level"],
            "message": fit(row["message"], 60_000),
            **({"title": cut(row["title"], MAX_TITLE)} if row["title"] else {}),
        }
        for row in rows
    )
