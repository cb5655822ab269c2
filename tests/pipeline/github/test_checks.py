"""The check run and the commit status of a run, as text. Pure."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.github.check_text import MAX_TEXT_BYTES
from pipeline.github.checks import (
    MAX_DESCRIPTION,
    check_name,
    check_report,
    minimal,
    status_report,
)
from pipeline.runs import Run
from tests.pipeline.github.report_views import (
    BEFORE,
    FORK,
    FORK_CHECK,
    LIVE_STAGES,
    NOW,
    PREVIEW,
    PULL,
    RUN,
    TOOL,
    failed,
    live,
    stage,
    view,
)


def summary(*arguments: Any, **around: Any) -> str:
    return check_report(view(*arguments, **around)).summary


def test_a_running_run_names_its_stage() -> None:
    report = check_report(view(stages=(stage("source", "succeeded"), stage("build", "running"))))
    assert (report.status, report.conclusion) == ("in_progress", None)
    assert report.title == "Building …"
    assert "| source | ✅ done | 0.0 s |" in report.summary
    assert "| verify |  – |  |" in report.summary


@pytest.mark.parametrize(
    ("state", "conclusion", "commit_state"),
    [
        ("succeeded", "success", "success"),
        ("failed", "failure", "failure"),
        ("cancelled", "cancelled", "error"),
        ("superseded", "neutral", "error"),
        ("skipped", "neutral", "success"),
    ],
)
def test_each_end_has_its_conclusion(state: Any, conclusion: str, commit_state: str) -> None:
    over = view(replace(RUN, state=state, title="over", finished_at=NOW))
    assert (check_report(over).status, check_report(over).conclusion) == ("completed", conclusion)
    assert status_report(over).state == commit_state


@pytest.mark.parametrize(
    ("run", "name", "context"),
    [
        (RUN, "Sigil / production", "sigil/production"),
        (replace(RUN, environment="staging"), "Sigil / staging", "sigil/staging"),
        (replace(RUN, kind="release"), "Sigil / production release", "sigil/production"),
        (replace(RUN, kind="rollback"), "Sigil / production rollback", "sigil/production"),
        (PREVIEW, "Sigil / preview", "sigil/preview"),
        (replace(PREVIEW, kind="check"), "Sigil / preview", "sigil/preview"),
    ],
)
def test_names_that_branch_protection_can_require(run: Run, name: str, context: str) -> None:
    assert check_name(run) == name
    assert status_report(view(run)).context == context


def test_a_live_run_shows_url_snippet_tools_and_notices() -> None:
    text = check_report(live()).summary
    assert "**Live at** http://h:1/mcp" in text
    assert '"weather": {' in text
    assert "> **Note.** Raise it." in text
    assert "| `forecast` |" in text
    assert "http://sigil.example/runs/12" in text


def test_a_preview_calls_its_address_a_preview() -> None:
    assert "**Preview at** http://h:1/mcp" in check_report(live(PREVIEW, pull=PULL)).summary


def test_a_run_that_was_replaced_does_not_say_that_it_is_live() -> None:
    text = check_report(live(deployment="replaced", serving=BEFORE)).summary
    assert "Live at" not in text
    assert "It does not serve any more." in text
    assert f"[`bbbbbbb`](https://github.example/octo/weather/commit/{'b' * 40}) (1.3.0)" in text


def test_a_preview_whose_pull_request_was_closed_is_gone() -> None:
    closed = replace(PULL, state="closed")
    text = check_report(live(PREVIEW, pull=closed, deployment="stopped", serving=None)).summary
    assert "its preview is gone" in text
    assert "Preview at" not in text


def test_a_tools_description_cannot_break_the_table_or_add_markup() -> None:
    assert "<script>" not in check_report(live()).summary.replace("\\<script\\>", "")


def test_declared_tools_are_called_declared() -> None:
    stages = (stage("verify", "succeeded", {"tools": [TOOL], "verified": False}), LIVE_STAGES[2])
    over = view(replace(RUN, state="succeeded", finished_at=NOW), stages, deployment="live")
    assert "declared, not verified" in check_report(over).summary


def test_a_failure_has_cause_annotations_and_the_end_of_the_log() -> None:
    annotation = {
        "path": "mcp.yaml",
        "line": 3,
        "column": 5,
        "message": "no",
        "level": "failure",
        "title": "name",
    }
    report = check_report(view(failed("Pin it.", [annotation]), log=("one", "two")))
    assert "Pin it." in report.summary
    assert report.text.endswith("```text\none\ntwo\n```")
    assert report.annotations == (
        {
            "path": "mcp.yaml",
            "start_line": 3,
            "end_line": 3,
            "start_column": 5,
            "end_column": 5,
            "annotation_level": "failure",
            "message": "no",
            "title": "name",
        },
    )


@pytest.mark.parametrize("kind", ["deploy", "release", "rollback"])
def test_a_failed_deploy_says_what_still_serves(kind: Any) -> None:
    text = summary(replace(failed("No."), kind=kind), serving=BEFORE)
    assert "what served before still serves" in text
    assert "(1.3.0) at http://h:9/mcp" in text
    assert text.startswith("No."), "the cause comes first"


def test_a_failed_first_deploy_does_not_speak_of_one_before() -> None:
    assert "still serves" not in summary(failed("No."))


def test_a_rollback_names_both_sides_and_the_person() -> None:
    back = replace(RUN, kind="rollback", actor="mona")
    text = check_report(live(back, replaced=BEFORE)).summary
    assert "**Rolled back** from [`bbbbbbb`]" in text
    assert "to [`aaaaaaa`]" in text
    assert "(1.4.0) by @mona." in text


def test_a_run_that_was_rolled_back_says_so_in_check_and_status() -> None:
    run = replace(RUN, remark="Rolled back to bbbbbbb by @mona")
    over = live(run, deployment="replaced", serving=BEFORE)
    report = check_report(over)
    assert report.title == "Rolled back to bbbbbbb by @mona"
    assert report.conclusion == "success"
    assert "**Rolled back to bbbbbbb by @mona.** [`bbbbbbb`]" in report.summary
    assert status_report(over).description == report.title


def test_a_superseded_run_names_the_commit_that_took_its_place() -> None:
    run = replace(RUN, state="superseded", superseded_by="c" * 40, finished_at=NOW)
    assert f"[`ccccccc`](https://github.example/octo/weather/commit/{'c' * 40})" in summary(run)


def test_a_skipped_run_says_why_and_how_to_run_it_anyway() -> None:
    run = replace(RUN, state="skipped", title="Skipped: the commit's message asks for it")
    report = check_report(view(run))
    assert report.title == run.title
    assert "press **Retry**." in report.summary
    assert "| source |" not in report.summary
    pull = replace(PREVIEW, state="skipped", title=run.title)
    assert "`/sigil deploy`" in summary(pull, pull=PULL)


def test_a_check_has_only_its_own_stages() -> None:
    assert "| deploy |" not in summary(FORK_CHECK, pull=FORK)


def test_the_check_of_a_fork_says_what_is_missing() -> None:
    over = view(FORK_CHECK, pull=FORK)
    assert check_report(over).title == "mcp.yaml is right, and it builds"
    assert f"`/sigil approve {'a' * 40}`" in check_report(over).summary
    assert status_report(over).description.endswith("a preview needs an approval")


def test_an_approved_commit_needs_nothing_more() -> None:
    over = view(FORK_CHECK, pull=FORK, approved_by="mona")
    assert "mona approved exactly this commit" in check_report(over).summary
    assert "/sigil approve" not in check_report(over).summary


def test_an_older_commit_of_a_fork_cannot_be_approved_any_more() -> None:
    text = summary(FORK_CHECK, pull=replace(FORK, head_sha="d" * 40))
    assert "/sigil approve" not in text
    assert "has a newer commit, [`ddddddd`]" in text


def test_a_draft_is_told_how_to_get_a_preview() -> None:
    run = replace(FORK_CHECK, trusted=True)
    assert "ready for review" in summary(run, pull=replace(PULL, draft=True))


def test_settings_that_only_check_are_named() -> None:
    run = replace(FORK_CHECK, deploy_settings={"pull_request": "check"})
    assert "`deploy.on.pull_request` of `main` is `check`" in summary(run, pull=FORK)


def test_hostile_names_of_branches_and_versions_stay_words() -> None:
    run = replace(FORK_CHECK, deploy_settings={"pull_request": "check"})
    hostile = "x`|<img src=x>@octocat"
    text = summary(run, pull=replace(FORK, base_ref=hostile))
    assert "`x'¦<img src=x>@octocat`" in text, "one code span"
    serving = replace(BEFORE, version="1.0.0 <b> @octocat")
    text = summary(failed("No."), serving=serving)
    assert "<b>" not in text.replace("\\<b\\>", "")
    assert "@octocat" not in text


def test_a_log_with_fences_does_not_end_its_own_fence() -> None:
    text = check_report(view(failed(""), log=("```", "````"))).text
    assert text.count("`````") == 2


def test_long_output_fits_githubs_limits_in_bytes_and_keeps_the_stages() -> None:
    run = failed("é" * 70_000)
    report = check_report(view(run, log=("ü" * 4_000,) * 120))
    assert len(report.summary.encode()) <= MAX_TEXT_BYTES
    assert len(report.text.encode()) <= MAX_TEXT_BYTES
    assert "| publish |" in report.summary
    assert "ü" * 4_000 + "\n```" in report.text
    assert len(status_report(view(replace(run, title="x" * 999))).description) <= MAX_DESCRIPTION


def test_the_minimal_body_keeps_the_verdict_and_the_buttons() -> None:
    report = minimal(check_report(view(failed("é" * 70_000), log=("x",))))
    assert (report.conclusion, report.text, report.annotations) == ("failure", "", ())
    assert len(report.summary.encode()) < 2_200
    assert report.title == "pip failed"
    assert [action.identifier for action in report.actions] == ["retry"]


def test_the_status_does_not_change_with_each_stage() -> None:
    first = status_report(view(stages=(stage("source", "running"),)))
    second = status_report(view(stages=(stage("build", "running"),)))
    assert first == second
