"""What pushes, tags and wishes to run again write, against a real PostgreSQL."""

import pytest

from pipeline import run_claims
from pipeline.intake import Outcome
from pipeline.triggers import (
    ButtonPressed,
    Ignored,
    InstallationChanged,
    RepositoryRef,
    RerunRequested,
    TagPublished,
)
from tests.pipeline.intake.carrying import (
    OCTO,
    SECRET,
    SHA,
    WEATHER,
    carry,
    claimed,
    know,
    pull,
    push,
    rows,
    run,
)

pytestmark = pytest.mark.usefixtures("database_url")


def test_a_push_asks_what_the_settings_of_its_commit_want() -> None:
    outcome = carry(push(before="b" * 40, message="Forecast [skip sigil]"))
    assert rows("SELECT kind, subject, details, delivery_id FROM errands") == [
        ("push", "refs/heads/main", {"sha": SHA, "before": "b" * 40, "skip": True}, 1)
    ]
    assert outcome.errand_ids == (rows("SELECT id FROM errands")[0][0],)
    assert rows("SELECT id FROM runs") == []


def test_a_push_that_does_not_tell_its_message_leaves_the_question_open() -> None:
    carry(push())
    assert rows("SELECT details ->> 'skip' FROM errands") == [(None,)]


def test_a_push_to_any_branch_is_looked_at() -> None:
    """Whether a branch is tracked stands in the `mcp.yaml` of the pushed commit."""
    outcome = carry(push(branch="topic/a"))
    assert not outcome.ignored
    assert rows("SELECT subject FROM errands") == [("refs/heads/topic/a",)]


def test_the_same_push_twice_is_looked_at_once() -> None:
    first, second = carry(push()), carry(push(), delivery_id=2)
    assert second.errand_ids == first.errand_ids
    assert rows("SELECT count(*) FROM errands") == [(1,)]


def test_two_pushes_to_one_branch_are_looked_at_one_after_the_other() -> None:
    carry(push())
    carry(push("b" * 40, before=SHA), delivery_id=2)
    assert rows("SELECT details ->> 'sha' FROM errands ORDER BY id") == [(SHA,), ("b" * 40,)]


def test_a_push_from_an_unknown_installation_heals_what_was_missed() -> None:
    carry(push())
    assert rows("SELECT id, state FROM installations") == [(7, "active")]
    assert rows("SELECT owner, name, state FROM repositories") == [("octo", "weather", "active")]


def test_a_push_that_is_processed_after_the_uninstallation_asks_for_nothing() -> None:
    know()
    carry(InstallationChanged(7, "deleted"))
    outcome = carry(push(), delivery_id=2)
    assert outcome.ignored
    assert "uninstalled" in outcome.reason
    assert rows("SELECT state FROM repositories") == [("removed",)]
    assert rows("SELECT id FROM errands WHERE state = 'waiting'") == []


def test_a_tag_and_its_release_are_looked_at_once() -> None:
    first = carry(TagPublished(7, OCTO, WEATHER, "v1.0.0"))
    second = carry(TagPublished(7, OCTO, WEATHER, "v1.0.0"), delivery_id=2)
    assert first.errand_ids == second.errand_ids
    assert rows("SELECT kind, subject FROM errands") == [("tag", "refs/tags/v1.0.0")]


def test_a_rerun_of_a_check_or_of_a_commit_links_to_the_run() -> None:
    know()
    first = run()
    run_claims.finish(claimed(first), "failed", title="no")
    carry(RerunRequested(7, WEATHER, f"sigil-run-{first}", SHA), delivery_id=2)
    ((second, attempt, parent),) = rows(
        "SELECT id, attempt, parent_id FROM runs ORDER BY id DESC LIMIT 1"
    )
    assert (attempt, parent) == (2, first)
    run_claims.finish(claimed(second), "failed", title="no")
    carry(RerunRequested(7, WEATHER, None, SHA), delivery_id=3)
    assert rows("SELECT max(attempt) FROM runs") == [(3,)]


def test_a_rerun_of_a_commit_repeats_each_kind_and_environment_once() -> None:
    know()
    ended = [
        run(state="failed"),
        run(state="failed", kind="preview", environment="preview/pr-3", pull_number=3),
        run(state="skipped", environment="staging"),
    ]
    outcome = carry(RerunRequested(7, WEATHER, None, SHA), delivery_id=2)
    assert len(outcome.run_ids) == 3
    again = rows("SELECT parent_id, state FROM runs WHERE attempt = 2 ORDER BY parent_id")
    assert again == [(parent, "queued") for parent in ended]


def test_a_run_of_a_closed_pull_request_is_not_repeated() -> None:
    know()
    preview = run(state="failed", kind="preview", environment="preview/pr-3", pull_number=3)
    carry(pull(state="closed"))
    outcome = carry(RerunRequested(7, WEATHER, f"sigil-run-{preview}", SHA))
    assert outcome.ignored
    assert "reopen" in outcome.reason


def test_a_wish_to_run_again_tells_the_visibility_too() -> None:
    know()
    run(state="failed")
    carry(RerunRequested(7, SECRET, None, SHA))
    assert rows("SELECT private FROM repositories") == [(True,)]
    assert rows("SELECT DISTINCT private FROM runs") == [(True,)]


@pytest.mark.parametrize(
    "external_id", ["x", "other-app", "sigil-run-999", "sigil-run-" + "9" * 30]
)
def test_a_wish_for_a_foreign_check_is_ignored(external_id: str) -> None:
    know()
    run()
    assert carry(RerunRequested(7, WEATHER, external_id, SHA)).ignored
    assert carry(ButtonPressed(7, WEATHER, external_id, "retry", "mona")).ignored


def test_a_wish_cannot_reach_a_run_of_another_repository() -> None:
    know()
    external = f"sigil-run-{run()}"
    other = RepositoryRef(id=6, owner="octo", name="other", private=False, default_branch="main")
    assert carry(RerunRequested(7, other, external, SHA)).ignored
    assert carry(ButtonPressed(7, other, external, "cancel", "mona")).ignored


def test_a_button_asks_whether_the_person_may_and_names_the_run() -> None:
    know()
    number = run(state="failed")
    outcome = carry(ButtonPressed(7, WEATHER, f"sigil-run-{number}", "retry", "mona"), 4)
    assert rows(
        "SELECT kind, subject, details, delivery_id FROM errands WHERE id = %s", *outcome.errand_ids
    ) == [
        (
            "command",
            f"run {number}",
            {"words": ["retry"], "actor": "mona", "run_id": number},
            4,
        )
    ]


def test_what_is_ignored_keeps_its_reason() -> None:
    assert carry(Ignored("a branch was deleted")) == Outcome("a branch was deleted", ignored=True)
