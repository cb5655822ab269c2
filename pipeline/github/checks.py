"""What GitHub shows of a run: the check run and the commit status, as text. Pure: no I/O.

Limits, from GitHub's documentation of the REST API for check runs and commit statuses: summary and
text 65,535 bytes of UTF-8 each, a status description 140 characters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.run_stages import StageRow
from pipeline.runs import FINAL, Repository, Run
from pipeline.stages.base import STAGES
from registry.snippets import client_snippet

MAX_TEXT_BYTES = 65_535
MAX_DESCRIPTION = 140
MAX_TITLE = 255

_MAX_TOOLS = 60
_CUT = "\n\n… cut, the whole of it is on the run's page"

_SUMMARY = "check_summary.md.j2"
_templates = Environment(
    loader=PackageLoader("templates", "github"),
    autoescape=False,  # noqa: S701 - the output is Markdown, which GitHub sanitises
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class RunView:
    """Everything that a report is made from."""

    run: Run
    repository: Repository
    stages: Sequence[StageRow]
    log_tail: Sequence[str]
    page: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def result(self, stage: str) -> dict[str, Any]:
        """A finished stage's stored result, or nothing."""
        for row in self.stages:
            if row.stage == stage and row.state == "succeeded":
                return row.result or {}
        return {}


@dataclass(frozen=True)
class CheckReport:
    """A check run as it should stand at GitHub."""

    name: str
    external_id: str
    status: Literal["queued", "in_progress", "completed"]
    conclusion: Literal["success", "failure", "cancelled", "neutral"] | None
    title: str
    summary: str
    text: str
    annotations: tuple[dict[str, Any], ...]
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
_CONCLUSION: dict[str, Literal["success", "failure", "cancelled", "neutral"]] = {
    "succeeded": "success",
    "failed": "failure",
    "cancelled": "cancelled",
    "superseded": "neutral",
}
_COMMIT_STATE: dict[str, Literal["pending", "success", "failure", "error"]] = {
    "queued": "pending",
    "running": "pending",
    "succeeded": "success",
    "failed": "failure",
    "cancelled": "error",
    "superseded": "error",
}


def preload() -> None:
    """Compile the template, so that a worker does it once for all the processes that it forks."""
    _templates.get_template(_SUMMARY)


def check_name(run: Run) -> str:
    """The check's name; branch protection can require it."""
    return f"Sigil / {run.environment}" + (" release" if run.kind == "release" else "")


def external_id(run: Run) -> str:
    """Our own id on the check run: it finds the check again when an answer was lost."""
    return f"sigil-run-{run.id}"


def check_report(view: RunView) -> CheckReport:
    """The check run of a run, whatever state it is in."""
    run = view.run
    final = run.state in FINAL
    return CheckReport(
        name=check_name(run),
        external_id=external_id(run),
        status=_STATUS.get(run.state, "completed"),
        conclusion=_CONCLUSION[run.state] if final else None,
        title=cut(headline(view), MAX_TITLE),
        summary=fit(_summary(view), MAX_TEXT_BYTES),
        text=fit(_text(view), MAX_TEXT_BYTES, keep="end"),
        annotations=_annotations(view),
        details_url=view.page,
        started_at=run.started_at or run.created_at,
        completed_at=run.finished_at if final else None,
    )


def minimal(report: CheckReport) -> CheckReport:
    """The same verdict in so few words that GitHub cannot find them too long."""
    return CheckReport(
        **{
            **vars(report),
            "title": cut(report.title, 100),
            "summary": f"{cut(report.summary, 2_000)}\n\n[More]({report.details_url})",
            "text": "",
            "annotations": (),
        }
    )


def status_report(view: RunView) -> StatusReport:
    """The commit status of a run."""
    return StatusReport(
        context=f"sigil/{view.run.environment}",
        state=_COMMIT_STATE[view.run.state],
        description=cut(_status_words(view), MAX_DESCRIPTION),
        target_url=view.page,
    )


def headline(view: RunView) -> str:
    """One line: what came of the run, or what it is doing."""
    run = view.run
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
    return headline(view)


def _summary(view: RunView) -> str:
    verified = view.result("verify")
    published = view.result("publish")
    tools = verified.get("tools") or [] if published else []
    error = view.run.error or {}
    return (
        _templates.get_template(_SUMMARY)
        .render(
            detail=error.get("detail") or "",
            notices=published.get("notices") or [],
            stages=_stage_rows(view),
            url=published.get("url") if view.run.state == "succeeded" else None,
            snippet=_snippet(published),
            tools=[
                {"name": code(tool["name"]), "description": cell(tool.get("description") or "")}
                for tool in tools[:_MAX_TOOLS]
            ],
            more_tools=max(0, len(tools) - _MAX_TOOLS),
            verified=verified.get("verified", True),
            page=view.page,
        )
        .strip()
    )


def _snippet(published: dict[str, Any]) -> str:
    return client_snippet(published["package"], published["url"]) if published else ""


_MARKS = {
    "running": ("🔵", "under way"),
    "succeeded": ("✅", "done"),
    "failed": ("❌", "failed"),
    "cancelled": ("⚪", "stopped"),
}


def _stage_rows(view: RunView) -> list[dict[str, str]]:
    begun = {row.stage: row for row in view.stages}
    rows = []
    for stage in STAGES:
        row = begun.get(stage)
        if row is None:
            rows.append({"name": stage, "mark": "", "words": "–", "took": ""})
            continue
        mark, words = _MARKS[row.state]
        took = ((row.finished_at or view.now) - row.started_at).total_seconds()
        rows.append({"name": stage, "mark": mark, "words": words, "took": f"{took:.1f} s"})
    return rows


def _text(view: RunView) -> str:
    if not view.log_tail or view.run.state not in FINAL:
        return ""
    lines = "\n".join(view.log_tail)
    fence = "```"
    while fence in lines:
        fence += "`"
    return f"### The end of the log\n\n{fence}text\n{lines}\n{fence}"


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


def cell(text: str) -> str:
    """Foreign text made safe for one cell of a Markdown table."""
    flat = cut(" ".join(text.split()), 240)
    for char in "\\`|<>*_[]":
        flat = flat.replace(char, f"\\{char}")
    return flat


def code(text: str) -> str:
    """A foreign name made safe for a code span in a Markdown table."""
    return cut(" ".join(text.split()), 120).replace("`", "'").replace("|", "\\|")


def cut(text: str, characters: int) -> str:
    """`text` with at most so many characters."""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def fit(text: str, limit: int, *, keep: Literal["start", "end"] = "start") -> str:
    """`text` with at most `limit` bytes of UTF-8, cut between characters."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    room = limit - len(_CUT.encode())
    if keep == "start":
        return raw[:room].decode(errors="ignore") + _CUT
    # The end of a log is what counts. The fence that it opened with has to be opened again.
    opening = text.split("\n", 3)[2]
    head = f"{_CUT.strip()}\n\n{opening}\n"
    return head + raw[-(limit - len(head.encode())) :].decode(errors="ignore")
