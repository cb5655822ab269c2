"""The words of a check run: its summary, and the text below that. Pure."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.github.actions import actions
from pipeline.github.markdown import code, fenced, fit, harmless, plain
from pipeline.github.tool_text import full_changes, short_changes
from pipeline.github.view import RunView, Served
from pipeline.run_stages import StageRow
from pipeline.runs import by_whom
from pipeline.stages.base import stages_of
from registry.snippets import client_snippet

MAX_TEXT_BYTES = 65_535
"""GitHub's limit for the summary and for the text, each.
https://docs.github.com/en/rest/checks/runs#create-a-check-run"""

_MAX_DETAIL_BYTES = 24_000
_MAX_CHANGES_BYTES = 16_000
_MAX_TOOLS = 60

_SUMMARY = "check_summary.md.j2"
templates = Environment(
    loader=PackageLoader("templates", "github"),
    autoescape=False,  # noqa: S701 - the output is Markdown, which GitHub sanitises
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def preload() -> None:
    """Compile the template, so that a worker does it once for all the processes that it forks."""
    templates.get_template(_SUMMARY)


def summary(view: RunView) -> str:
    """What came of the run, what to do next, its stages, and what it serves."""
    verified, published = view.result("verify"), view.result("publish")
    tools = verified.get("tools") or [] if published else []
    rendered = templates.get_template(_SUMMARY).render(
        lead=lead(view),
        still=still_serves(view),
        detail=harmless(fit((view.run.error or {}).get("detail") or "", _MAX_DETAIL_BYTES)),
        notices=published.get("notices") or [],
        next_step=next_step(view),
        stages=_stage_rows(view),
        url=published.get("url") if view.is_live else None,
        place="Preview" if view.run.kind == "preview" else "Live",
        snippet=snippet(published),
        changes=short_changes(verified, limit_bytes=_MAX_CHANGES_BYTES),
        tools=[
            {"name": code(tool["name"]), "description": plain(tool.get("description") or "")}
            for tool in tools[:_MAX_TOOLS]
        ],
        more_tools=max(0, len(tools) - _MAX_TOOLS),
        verified=verified.get("verified", True),
        page=view.page,
    )
    return fit(rendered.strip(), MAX_TEXT_BYTES)


def text(view: RunView) -> str:
    """The whole tool diff, and the end of the log of a run that has ended."""
    parts = []
    if changes := full_changes(view.result("verify"), limit_bytes=MAX_TEXT_BYTES // 2):
        parts.append(changes)
    if view.log_tail and view.final:
        heading = "### The end of the log\n\n"
        room = MAX_TEXT_BYTES - len(heading) - sum(len(part.encode()) + 2 for part in parts)
        parts.append(heading + fenced(view.log_tail, room))
    return "\n\n".join(parts)


def snippet(published: dict[str, Any]) -> str:
    """What goes into the configuration of an MCP client; empty before anything is published."""
    return client_snippet(published["package"], published["url"]) if published else ""


def commit_link(view: RunView, sha: str) -> str:
    """A commit as a link to GitHub's page of it."""
    return f"[`{sha[:7]}`]({view.repository_page}/commit/{sha})"


def named(view: RunView, served: Served) -> str:
    """A deployment in words: its commit and its version."""
    return commit_link(view, served.sha) + (f" ({plain(served.version)})" if served.version else "")


def lead(view: RunView) -> str:
    """What has to be known first: what became of the run besides its own result."""
    run = view.run
    if run.remark:
        # The person's name is the only foreign part, and GitHub's rules for names are strict.
        return f"**{run.remark}.**{_serves_now(view)}"
    if run.state == "succeeded" and run.kind == "rollback":
        return _rolled_back(view) + ("" if view.is_live else _serves_now(view))
    if run.state == "succeeded" and run.kind != "check" and not view.is_live:
        if run.kind == "preview" and view.is_closed:
            return "The pull request is closed, and its preview is gone."
        return f"It does not serve any more.{_serves_now(view)}"
    if run.state == "superseded" and run.superseded_by:
        return f"{commit_link(view, run.superseded_by)} is newer and is run in its place."
    return ""


def _rolled_back(view: RunView) -> str:
    manifest = view.result("manifest").get("manifest") or {}
    here = Served(view.run.id, view.run.sha, "", manifest.get("version"))
    before = f" from {named(view, view.replaced)}" if view.replaced else ""
    return f"**Rolled back**{before} to {named(view, here)}{by_whom(view.run.actor)}."


def _serves_now(view: RunView) -> str:
    if view.serving is None or view.serving.run_id == view.run.id:
        return ""
    return f" {named(view, view.serving)} serves now at {view.serving.url}"


def still_serves(view: RunView) -> str:
    """What a run that failed has not replaced; empty when there is nothing."""
    if view.run.state != "failed" or view.run.kind == "check":
        return ""
    if view.serving is None or view.serving.run_id == view.run.id:
        return ""
    return (
        "Nothing was replaced: what served before still serves, "
        f"{named(view, view.serving)} at {view.serving.url}"
    )


def next_step(view: RunView) -> str:
    """What a person can do now; empty when there is nothing to say."""
    run, buttons = view.run, {action.identifier for action in actions(view)}
    if run.kind == "check" and run.state == "succeeded":
        return _to_a_preview(view)
    if run.state == "skipped" and "retry" in buttons:
        comment = " or comment `/sigil deploy`" if run.pull_number else ""
        return f"Nothing was built or deployed. To run it anyway, press **Retry**{comment}."
    if run.state == "cancelled" and "retry" in buttons:
        return "To run it again, press **Retry**."
    if "rollback" in buttons and view.last_good is not None:
        return f"If it misbehaves, **Roll back** brings back {named(view, view.last_good)}."
    return ""


def _to_a_preview(view: RunView) -> str:
    run, pull = view.run, view.pull
    if pull is None or view.is_closed:
        return ""
    if view.is_outdated:
        return f"The pull request has a newer commit, {commit_link(view, pull.head_sha)}."
    if view.approved_by is not None:
        return f"{plain(view.approved_by)} approved exactly this commit for a preview."
    if view.wants_approval:
        return (
            "**For a preview**, a maintainer approves exactly this commit: with the button "
            f"**Approve** or the comment `/sigil approve {run.sha}`. Until then nothing of it is "
            "started and it gets no secret. A new commit needs a new approval."
        )
    if view.settings.pull_request == "check":
        return f"There is no preview: `deploy.on.pull_request` of {code(pull.base_ref)} is `check`."
    if pull.draft:
        return "A draft gets no preview. Mark it as ready for review, or comment `/sigil deploy`."
    return ""


_MARKS = {
    "running": ("🔵", "under way"),
    "succeeded": ("✅", "done"),
    "failed": ("❌", "failed"),
    "cancelled": ("⚪", "stopped"),
}


def _stage_rows(view: RunView) -> list[dict[str, str]]:
    if view.run.state == "skipped":
        return []
    begun = {row.stage: row for row in view.stages}
    rows = []
    for stage in stages_of(view.run.kind):
        row = begun.get(stage)
        if row is None:
            rows.append({"name": stage, "mark": "", "words": "–", "took": ""})
            continue
        mark, words = _MARKS[row.state]
        # How long a stage runs so far would be wrong a second later.
        took = f"{_seconds(row):.1f} s" if row.finished_at else ""
        rows.append({"name": stage, "mark": mark, "words": words, "took": took})
    return rows


def _seconds(row: StageRow) -> float:
    assert row.finished_at is not None
    return (row.finished_at - row.started_at).total_seconds()
