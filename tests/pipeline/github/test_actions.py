"""Which buttons a check run has, and that they are the commands that exist."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.errands.command_verbs import _VERBS
from pipeline.github.actions import actions
from pipeline.github.view import RunView
from pipeline.runs import Run
from tests.pipeline.github.report_views import (
    BEFORE,
    FORK,
    FORK_CHECK,
    PREVIEW,
    PULL,
    RUN,
    failed,
    live,
    view,
)

OTHER = "d" * 40
CLOSED = replace(PULL, state="closed")
STOPPING = replace(RUN, stop_requested="cancelled")


def over(state: Any, run: Run = RUN) -> Run:
    return replace(run, state=state)


@pytest.mark.parametrize(
    ("shown", "buttons"),
    [
        (view(over("queued")), ["cancel"]),
        (view(over("running")), ["cancel"]),
        (view(STOPPING), []),
        (view(failed()), ["retry"]),
        (view(over("cancelled")), ["retry"]),
        (view(over("skipped")), ["retry"]),
        (view(over("superseded")), ["retry"]),
        (view(failed(run=PREVIEW), pull=PULL), ["retry"]),
        (view(failed(run=PREVIEW), pull=CLOSED), []),
        (view(failed(run=PREVIEW), pull=replace(PULL, head_sha=OTHER)), []),
        (live(), []),
        (live(last_good=BEFORE), ["rollback"]),
        (live(replace(RUN, kind="release"), last_good=BEFORE), ["rollback"]),
        (live(replace(RUN, kind="rollback"), last_good=BEFORE), ["rollback"]),
        (live(deployment="replaced", last_good=BEFORE), []),
        (live(PREVIEW, pull=PULL, last_good=BEFORE), []),
        (view(FORK_CHECK, pull=FORK), ["approve"]),
        (view(FORK_CHECK, pull=FORK, approved_by="mona"), []),
        (view(FORK_CHECK, pull=replace(FORK, head_sha=OTHER)), []),
        (view(FORK_CHECK, pull=replace(FORK, state="closed")), []),
        (view(replace(FORK_CHECK, deploy_settings={"pull_request": "check"}), pull=FORK), []),
        (view(over("running", FORK_CHECK), pull=FORK), ["cancel"]),
        (view(replace(FORK_CHECK, trusted=True), pull=replace(PULL, draft=True)), []),
    ],
)
def test_a_button_is_there_exactly_when_it_does_something(
    shown: RunView, buttons: list[str]
) -> None:
    assert [action.identifier for action in actions(shown)] == buttons


@pytest.mark.parametrize("change", [{"state": "removed"}, {"archived": True}])
def test_a_repository_that_cannot_run_anything_has_no_buttons(change: dict[str, Any]) -> None:
    shown = view(failed())
    assert actions(replace(shown, repository=replace(shown.repository, **change))) == ()


def test_buttons_keep_githubs_limits_and_name_commands() -> None:
    shown = [
        view(),
        view(failed()),
        live(last_good=BEFORE),
        view(FORK_CHECK, pull=FORK),
    ]
    found = [action for one in shown for action in actions(one)]
    assert len(found) == 4
    for action in found:
        assert len(action.label) <= 20
        assert len(action.description) <= 40
        assert len(action.identifier) <= 20
        assert action.identifier in _VERBS
