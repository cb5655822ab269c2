"""What GitHub is told of a run, as text. Pure."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.github.checks import (
    MAX_DESCRIPTION,
    MAX_TEXT_BYTES,
    RunView,
    cell,
    check_report,
    code,
    fit,
    minimal,
    status_report,
)
from pipeline.run_stages import StageRow
from pipeline.runs import Repository, Run

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REPOSITORY = Repository(5, 7, 1, "octo", "weather", "main", False, "active")
RUN = Run(
    id=12,
    repository_id=5,
    kind="deploy",
    environment="production",
    ref="refs/heads/main",
    sha="a" * 40,
    before_sha=None,
    attempt=1,
    parent_id=None,
    requested=False,
    delivery_id=3,
    state="running",
    superseded_by=None,
    stop_requested=None,
    title=None,
    error=None,
    due_at=NOW,
    claim=None,
    claims=1,
    retries=0,
    heartbeat_at=NOW,
    created_at=NOW,
    started_at=NOW,
    finished_at=None,
)
TOOL = {"name": "forecast", "description": "Rain | sun <script>", "input_schema": {}, "hash": "x"}


def stage(name: Any, state: str, result: dict[str, Any] | None = None) -> StageRow:
    return StageRow(name, state, result, NOW, None if state == "running" else NOW)


def view(run: Run = RUN, stages: tuple[StageRow, ...] = (), log: tuple[str, ...] = ()) -> RunView:
    return RunView(run, REPOSITORY, stages, log, "http://sigil.example/runs/12", NOW)


def failed(detail: str, annotations: list[dict[str, Any]] | None = None) -> Run:
    error = {"stage": "build", "title": "pip failed", "detail": detail, "fault": "yours"}
    return replace(
        RUN,
        state="failed",
        title="pip failed",
        error={**error, "annotations": annotations or []},
        finished_at=NOW,
    )


LIVE = (
    stage("verify", "succeeded", {"tools": [TOOL], "verified": True}),
    stage(
        "publish",
        "succeeded",
        {"package": "io.github.octo/weather", "url": "http://h:1/mcp", "notices": ["Raise it."]},
    ),
)


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
    ],
)
def test_each_end_has_its_conclusion(state: Any, conclusion: str, commit_state: str) -> None:
    over = view(replace(RUN, state=state, title="over", finished_at=NOW))
    assert (check_report(over).status, check_report(over).conclusion) == ("completed", conclusion)
    assert status_report(over).state == commit_state


def test_a_live_run_shows_url_snippet_tools_and_notices() -> None:
    over = view(replace(RUN, state="succeeded", title="live", finished_at=NOW), LIVE)
    summary = check_report(over).summary
    assert "http://h:1/mcp" in summary
    assert '"weather": {' in summary
    assert "> **Note.** Raise it." in summary
    assert "`forecast`" in summary
    assert "http://sigil.example/runs/12" in summary


def test_a_tools_description_cannot_break_the_table_or_add_markup() -> None:
    over = view(replace(RUN, state="succeeded", title="live", finished_at=NOW), LIVE)
    assert "<script>" not in check_report(over).summary
    assert cell("a\n| b `c` <i>") == "a \\| b \\`c\\` \\<i\\>"


def test_a_tools_name_stands_as_it_is() -> None:
    assert code("get_current_time") == "get_current_time"
    assert code("a`b|c\nd") == "a'b\\|c d"


def test_declared_tools_are_called_declared() -> None:
    stages = (stage("verify", "succeeded", {"tools": [TOOL], "verified": False}), LIVE[1])
    over = view(replace(RUN, state="succeeded", title="live", finished_at=NOW), stages)
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


def test_a_log_with_fences_does_not_end_its_own_fence() -> None:
    text = check_report(view(failed(""), log=("```", "````"))).text
    assert text.count("`````") == 2


@given(st.text(), st.integers(min_value=200, max_value=400))
def test_fit_never_passes_the_limit_and_never_breaks_a_character(text: str, limit: int) -> None:
    long = text * 50
    cut = fit(long, limit)
    assert len(cut.encode()) <= limit
    assert long == cut or long.startswith(cut.split("\n\n… cut")[0])


def test_long_output_fits_githubs_limits_in_bytes() -> None:
    run = failed("é" * 70_000)
    report = check_report(view(run, log=("ü" * 4_000,) * 120))
    assert len(report.summary.encode()) <= MAX_TEXT_BYTES
    assert len(report.text.encode()) <= MAX_TEXT_BYTES
    assert "ü" * 4_000 + "\n```" in report.text
    assert len(status_report(view(replace(run, title="x" * 999))).description) <= MAX_DESCRIPTION


def test_the_minimal_body_keeps_the_verdict() -> None:
    report = minimal(check_report(view(failed("é" * 70_000), log=("x",))))
    assert (report.conclusion, report.text, report.annotations) == ("failure", "", ())
    assert len(report.summary) < 2_200
    assert report.title == "pip failed"


def test_the_status_does_not_change_with_each_stage() -> None:
    first = status_report(view(stages=(stage("source", "running"),)))
    second = status_report(view(stages=(stage("build", "running"),)))
    assert first == second
