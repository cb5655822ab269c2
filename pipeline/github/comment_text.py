"""The words of the one comment that Sigil keeps under a pull request. Pure."""

from pipeline.github.check_text import commit_link, named, next_step, snippet, templates
from pipeline.github.checks import headline
from pipeline.github.markdown import fit, plain
from pipeline.github.tool_text import BREAKING, short_changes
from pipeline.github.view import RunView
from pipeline.pull_requests import PullRequest

MARKER = "<!-- sigil:pull-request -->"
"""Finds the comment again among those of the App when its id was lost."""

MAX_BYTES = 60_000
"""GitHub takes 65,536 characters."""

_MAX_CHANGES_BYTES = 8_000

_TEMPLATE = "comment.md.j2"


def preload() -> None:
    """Compile the template, so that a worker does it once for all the processes that it forks."""
    templates.get_template(_TEMPLATE)


def comment_body(view: RunView, *, exists: bool, check: str = "") -> str | None:
    """What the comment should say after this run, or None when the run gives nothing to say.

    Args:
        exists: There is a comment, which may say what is not true any more.
        check: The address of the check run.
    """
    said = _headline(view, exists=exists)
    if said is None:
        return None
    mark, words = said
    published = view.result("publish") if view.is_live else {}
    body = templates.get_template(_TEMPLATE).render(
        marker=MARKER,
        mark=mark,
        headline=words,
        url=published.get("url"),
        snippet=snippet(published),
        serving=_still_serves(view),
        next_step=next_step(view) if view.wants_approval else "",
        changes=_changes(view),
        check=check,
        page=view.page,
    )
    return fit(body.strip(), MAX_BYTES)


def _changes(view: RunView) -> str:
    run = view.run
    if run.state == "failed" and (run.title or "").startswith(BREAKING):
        # The stage that found the differences has failed by them, and left them in its words.
        return fit(str((run.error or {}).get("detail") or ""), _MAX_CHANGES_BYTES)
    return short_changes(view.result("verify"), limit_bytes=_MAX_CHANGES_BYTES)


def _headline(view: RunView, *, exists: bool) -> tuple[str, str] | None:
    run, commit = view.run, commit_link(view, view.run.sha)
    words = plain(headline(view))
    if run.kind == "preview":
        if view.is_live:
            return "✅", f"**{words}**, as of {commit}."
        if run.state == "failed":
            return "❌", f"**There is no preview of** {commit}: {words}. The check says what to do."
        return None
    if run.kind != "check":
        return None
    if view.wants_approval:
        return "🔒", f"**{commit} comes from a fork and builds.** Nothing of it is started yet."
    if run.state == "succeeded" and view.approved_by is not None and exists:
        return "🔒", f"**{plain(view.approved_by)} approved {commit}**; its preview is on its way."
    if run.state == "failed" and exists:
        return "❌", f"**{commit} does not pass its check:** {words}."
    return None


def _still_serves(view: RunView) -> str:
    serving = view.serving
    if view.is_live or serving is None or serving.run_id == view.run.id:
        return ""
    return f"The preview of {named(view, serving)} still serves at {serving.url}"


def farewell(pull: PullRequest) -> str:
    """What the comment says once the pull request is closed."""
    how = "merged" if pull.merged else "closed"
    return f"{MARKER}\n⚪ The pull request was {how}, and its preview is gone."
