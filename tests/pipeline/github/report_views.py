"""Views of runs for the pure tests of what GitHub is told."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pipeline.github.view import RunView, Served
from pipeline.pull_requests import PullRequest
from pipeline.run_stages import StageRow
from pipeline.runs import Repository, Run

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PAGE = "http://sigil.example/runs/12"
REPOSITORY = Repository(5, 7, 1, "octo", "weather", "main", False, False, "active")
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
    pull_number=None,
    trusted=True,
    actor=None,
    target_id=None,
    deploy_settings=None,
    delivery_id=3,
    state="running",
    superseded_by=None,
    stop_requested=None,
    title=None,
    remark=None,
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
PREVIEW = replace(
    RUN, kind="preview", environment="preview/pr-7", ref="refs/pull/7/head", pull_number=7
)
FORK_CHECK = replace(
    PREVIEW,
    kind="check",
    trusted=False,
    state="succeeded",
    title="mcp.yaml is right, and it builds",
    finished_at=NOW,
)
PULL = PullRequest(
    5, 7, "a" * 40, "topic", "octo/weather", False, "main", "mona", False, "open", False
)
FORK = replace(PULL, head_repository="mona/weather", fork=True)
TOOL = {"name": "forecast", "description": "Rain | sun <script>", "input_schema": {}, "hash": "x"}
BEFORE = Served(9, "b" * 40, "http://h:9/mcp", "1.3.0")
HERE = Served(12, "a" * 40, "http://h:1/mcp", "1.4.0")


def stage(name: Any, state: str, result: dict[str, Any] | None = None) -> StageRow:
    """A stage that has begun."""
    return StageRow(name, state, result, NOW, None if state == "running" else NOW)


LIVE_STAGES = (
    stage("manifest", "succeeded", {"manifest": {"version": "1.4.0"}}),
    stage("verify", "succeeded", {"tools": [TOOL], "verified": True}),
    stage(
        "publish",
        "succeeded",
        {"package": "io.github.octo/weather", "url": "http://h:1/mcp", "notices": ["Raise it."]},
    ),
)


def view(
    run: Run = RUN, stages: tuple[StageRow, ...] = (), log: tuple[str, ...] = (), **around: Any
) -> RunView:
    """A run with what stands around it."""
    return RunView(
        run, REPOSITORY, stages, log, PAGE, "https://github.example/octo/weather", **around
    )


def live(run: Run = RUN, *, stages: tuple[StageRow, ...] = LIVE_STAGES, **around: Any) -> RunView:
    """A run whose server serves."""
    over = replace(run, state="succeeded", title="octo is live", finished_at=NOW)
    return view(over, stages, **({"deployment": "live", "serving": HERE} | around))


def failed(
    detail: str = "", annotations: list[dict[str, Any]] | None = None, run: Run = RUN
) -> Run:
    """A run whose build failed."""
    error = {"stage": "build", "title": "pip failed", "detail": detail, "fault": "yours"}
    return replace(
        run,
        state="failed",
        title="pip failed",
        error={**error, "annotations": annotations or []},
        finished_at=NOW,
    )
