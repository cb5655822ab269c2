"""What a trigger writes, against a real PostgreSQL."""

import pytest

from config.database import transaction
from pipeline import run_claims, runs
from pipeline.intake import Outcome, carry_out
from pipeline.triggers import (
    Account,
    BranchPushed,
    Ignored,
    InstallationChanged,
    Installed,
    RepositoriesRemoved,
    RepositoryRef,
    RerunRequested,
    TagPublished,
    Trigger,
    VisibilityChanged,
)
from tests import seed

OCTO = Account(id=1, login="octo")
SECRET = RepositoryRef(id=5, owner="octo", name="weather", private=True, default_branch="main")
WEATHER = RepositoryRef(id=5, owner="octo", name="weather", private=False, default_branch="main")
SHA = "a" * 40

pytestmark = pytest.mark.usefixtures("database_url")


def carry(trigger: Trigger, delivery_id: int = 1) -> Outcome:
    with transaction() as connection:
        return carry_out(connection, trigger, delivery_id=delivery_id)


def rows(query: str) -> list[tuple[object, ...]]:
    with transaction() as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def push(sha: str = SHA, branch: str = "main") -> BranchPushed:
    return BranchPushed(7, OCTO, WEATHER, branch, sha, None)


def test_a_push_to_the_default_branch_queues_a_deploy_run() -> None:
    outcome = carry(push())
    assert rows("SELECT kind, environment, ref, sha, state, delivery_id FROM runs") == [
        ("deploy", "production", "refs/heads/main", SHA, "queued", 1)
    ]
    assert outcome.run_ids == (rows("SELECT id FROM runs")[0][0],)


def test_a_push_from_an_unknown_installation_heals_what_was_missed() -> None:
    carry(push())
    assert rows("SELECT id, state FROM installations") == [(7, "active")]
    assert rows("SELECT owner, name, state FROM repositories") == [("octo", "weather", "active")]


def test_a_push_to_another_branch_is_ignored_with_the_reason() -> None:
    outcome = carry(push(branch="topic"))
    assert outcome.ignored
    assert "topic" in outcome.reason
    assert "main" in outcome.reason
    assert rows("SELECT id FROM runs") == []


def test_the_same_push_twice_changes_nothing_and_says_so() -> None:
    first, second = carry(push()), carry(push(), delivery_id=2)
    assert second.run_ids == first.run_ids
    assert "already" in second.reason


def test_an_installation_asks_for_a_look_at_each_repository_once() -> None:
    bare = RepositoryRef(id=5, owner="octo", name="weather", private=True)
    for _ in range(2):
        outcome = carry(Installed(7, OCTO, (bare,)))
    assert len(outcome.lookup_ids) == 1
    assert rows("SELECT repository_id, ref, state FROM lookups") == [(5, None, "waiting")]
    assert rows("SELECT private, default_branch FROM repositories") == [(True, "main")]


def test_an_installation_does_not_forget_a_default_branch_it_does_not_mention() -> None:
    carry(push())
    carry(Installed(7, OCTO, (RepositoryRef(id=5, owner="octo", name="w2", private=False),)))
    assert rows("SELECT name, default_branch FROM repositories") == [("w2", "main")]


def test_a_repository_that_becomes_private_takes_its_runs_packages_and_deliveries_along() -> None:
    seed.repository("octo", "other", number=6)
    (run,) = carry(push()).run_ids
    seed.package(seed.Seeded(1, 7, 5), run)
    other = seed.run(6)
    _, told = seed.delivery("push", repository="Octo/Weather")
    _, listed = seed.delivery("installation", reason="installed for octo: octo/weather")
    _, unconcerned = seed.delivery("push", repository="octo/other")
    outcome = carry(VisibilityChanged(SECRET))
    assert outcome.reason == "octo/weather is private now"
    assert rows("SELECT id, private FROM runs ORDER BY id") == [(run, True), (other, False)]
    assert rows("SELECT private FROM mcp_packages") == [(True,)]
    hidden = {str(row[0]) for row in rows("SELECT guid FROM deliveries WHERE private")}
    assert hidden == {told, listed}
    assert unconcerned not in hidden
    again = carry(BranchPushed(7, OCTO, SECRET, "main", "b" * 40, SHA)).run_ids
    assert rows(f"SELECT private FROM runs WHERE id = {again[0]}") == [(True,)]


def test_a_repository_that_becomes_public_takes_its_runs_along_but_not_its_past_deliveries() -> (
    None
):
    carry(BranchPushed(7, OCTO, SECRET, "main", SHA, None))
    seed.delivery("push", repository="octo/weather", private=True)
    assert rows("SELECT private FROM runs") == [(True,)]
    carry(push(sha="b" * 40))
    assert rows("SELECT DISTINCT private FROM runs") == [(False,)]
    assert rows("SELECT private FROM deliveries") == [(True,)]


def test_a_wish_to_run_again_tells_the_visibility_too() -> None:
    carry(push())
    carry(RerunRequested(7, SECRET, None, SHA))
    assert rows("SELECT private FROM repositories") == [(True,)]
    assert rows("SELECT DISTINCT private FROM runs") == [(True,)]


def test_the_visibility_of_an_unknown_repository_is_ignored() -> None:
    outcome = carry(VisibilityChanged(SECRET))
    assert outcome == Outcome(reason="octo/weather is not known", ignored=True)


def test_removing_a_repository_cancels_its_runs_and_keeps_its_history() -> None:
    carry(push())
    outcome = carry(RepositoriesRemoved(7, (5, 99)))
    assert "octo/weather" in outcome.reason
    assert rows("SELECT state FROM repositories") == [("removed",)]
    assert rows("SELECT state FROM runs") == [("cancelled",)]


def test_a_repository_that_moved_to_another_installation_is_not_removed_by_the_old_one() -> None:
    carry(BranchPushed(8, OCTO, WEATHER, "main", SHA, None))
    carry(RepositoriesRemoved(7, (5,)))
    assert rows("SELECT installation_id, state FROM repositories") == [(8, "active")]


def test_suspending_pauses_and_resuming_rings_for_what_waited() -> None:
    run_ids = carry(push()).run_ids
    assert carry(InstallationChanged(7, "suspended")).run_ids == ()
    assert run_claims.claim(run_ids[0]) is None
    assert carry(InstallationChanged(7, "active")).run_ids == run_ids
    assert run_claims.claim(run_ids[0]) is not None


def test_uninstalling_cancels_and_a_late_event_does_not_bring_it_back() -> None:
    carry(push())
    carry(InstallationChanged(7, "deleted"))
    carry(InstallationChanged(7, "active"))
    assert rows("SELECT state FROM installations") == [("deleted",)]
    assert rows("SELECT state FROM repositories") == [("removed",)]
    assert rows("SELECT state FROM runs") == [("cancelled",)]


def test_a_push_that_is_processed_after_the_uninstallation_starts_nothing() -> None:
    carry(push())
    carry(InstallationChanged(7, "deleted"))
    outcome = carry(push("b" * 40), delivery_id=2)
    assert outcome.ignored
    assert "uninstalled" in outcome.reason
    assert rows("SELECT state FROM repositories") == [("removed",)]
    assert rows("SELECT count(*) FROM runs") == [(1,)]


def test_a_change_of_an_unknown_installation_says_so() -> None:
    assert "not known" in carry(InstallationChanged(404, "suspended")).reason


def test_a_tag_and_its_release_give_one_release_run() -> None:
    carry(TagPublished(7, OCTO, WEATHER, "v1.0.0", SHA))
    outcome = carry(TagPublished(7, OCTO, WEATHER, "v1.0.0", SHA), delivery_id=2)
    assert "already" in outcome.reason
    assert rows("SELECT kind, ref FROM runs") == [("release", "refs/tags/v1.0.0")]


def test_a_release_without_a_commit_is_looked_up() -> None:
    outcome = carry(TagPublished(7, OCTO, WEATHER, "v1.0.0", None))
    assert len(outcome.lookup_ids) == 1
    assert rows("SELECT ref FROM lookups") == [("refs/tags/v1.0.0",)]


def test_a_rerun_of_a_check_or_of_a_commit_links_to_the_run() -> None:
    run_id = carry(push()).run_ids[0]
    run_claims.finish(_claimed(run_id), "failed", title="no")
    carry(RerunRequested(7, WEATHER, f"sigil-run-{run_id}", SHA), delivery_id=2)
    second = rows("SELECT id, attempt, parent_id FROM runs ORDER BY id DESC")[0]
    assert second[1:] == (2, run_id)
    run_claims.finish(_claimed(int(str(second[0]))), "failed", title="no")
    carry(RerunRequested(7, WEATHER, None, SHA), delivery_id=3)
    assert rows("SELECT max(attempt) FROM runs") == [(3,)]


def _claimed(run_id: int) -> runs.Run:
    run = run_claims.claim(run_id)
    assert run is not None
    return run


@pytest.mark.parametrize("external_id", ["", "other-app", "sigil-run-999", "sigil-run-" + "9" * 30])
def test_a_rerun_of_a_foreign_check_is_ignored(external_id: str) -> None:
    carry(push())
    assert carry(RerunRequested(7, WEATHER, external_id or "x", SHA)).ignored


def test_a_rerun_cannot_reach_a_run_of_another_repository() -> None:
    run_id = carry(push()).run_ids[0]
    other = RepositoryRef(id=6, owner="octo", name="other", private=False, default_branch="main")
    assert carry(RerunRequested(7, other, f"sigil-run-{run_id}", SHA)).ignored


def test_what_is_ignored_keeps_its_reason() -> None:
    assert carry(Ignored("a branch was deleted")) == Outcome("a branch was deleted", ignored=True)
