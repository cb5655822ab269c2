"""What becomes of a repository, against a real PostgreSQL."""

import dataclasses
from typing import Any

import pytest

from pipeline import run_claims
from pipeline.intake import Outcome
from pipeline.triggers import (
    Account,
    ArchiveChanged,
    DefaultBranchChanged,
    InstallationChanged,
    Installed,
    RepositoryGone,
    RepositoryMoved,
    RepositoryRef,
    RerunRequested,
    Trigger,
    VisibilityChanged,
)
from tests import seed
from tests.pipeline.intake.carrying import (
    OCTO,
    SECRET,
    SHA,
    WEATHER,
    carry,
    know,
    pull,
    push,
    rows,
    run,
)

pytestmark = pytest.mark.usefixtures("database_url")


def named(**changes: Any) -> RepositoryRef:
    return dataclasses.replace(WEATHER, **changes)


def test_a_repository_that_becomes_private_takes_its_runs_packages_and_deliveries_along() -> None:
    know()
    seed.repository("octo", "other", number=6)
    number, other = run(), seed.run(6)
    seed.package(seed.Seeded(1, 7, 5), number)
    _, told = seed.delivery("push", repository="Octo/Weather")
    told_of = carry(Installed(7, OCTO, (WEATHER,), {})).reason
    _, listed = seed.delivery("installation", reason=told_of)
    _, unconcerned = seed.delivery("push", repository="octo/other")
    outcome = carry(VisibilityChanged(SECRET))
    assert outcome.reason == "octo/weather is private now"
    assert rows("SELECT id, private FROM runs ORDER BY id") == [(number, True), (other, False)]
    assert rows("SELECT private FROM mcp_packages") == [(True,)]
    hidden = {str(row[0]) for row in rows("SELECT guid FROM deliveries WHERE private")}
    assert hidden == {told, listed}
    assert unconcerned not in hidden
    again = run(attempt=2)
    assert rows("SELECT private FROM runs WHERE id = %s", again) == [(True,)]


def test_what_came_under_a_former_name_is_hidden_too() -> None:
    know()
    _, told = seed.delivery("push", repository="octo/weather")
    carry(RepositoryMoved(7, OCTO, named(name="forecast")))
    carry(VisibilityChanged(named(name="forecast", private=True)))
    assert rows("SELECT guid::text FROM deliveries WHERE private") == [(told,)]
    # The same that comes late.
    seed.delivery("push", repository="Octo/Weather")
    seed.delivery("push", repository="octo/forecast")
    seed.delivery("push", repository="octo/other")
    assert rows("SELECT count(*) FROM deliveries WHERE private") == [(3,)]


@pytest.mark.parametrize(
    "late",
    [
        push(),
        pull(),
        Installed(7, OCTO, (WEATHER,), {}),
        RepositoryMoved(7, OCTO, WEATHER),
        RerunRequested(7, WEATHER, None, SHA),
    ],
)
def test_an_event_of_the_time_before_does_not_show_what_is_private_now(late: Trigger) -> None:
    know()
    carry(VisibilityChanged(SECRET))
    carry(late)
    assert rows("SELECT private FROM repositories") == [(True,)]


def test_a_repository_that_becomes_public_takes_its_runs_along_but_not_its_past_deliveries() -> (
    None
):
    carry(push(repository=SECRET))
    run()
    seed.delivery("push", repository="octo/weather", private=True)
    assert rows("SELECT private FROM runs") == [(True,)]
    carry(VisibilityChanged(WEATHER))
    assert rows("SELECT DISTINCT private FROM runs") == [(False,)]
    assert rows("SELECT private FROM deliveries") == [(True,)]


@pytest.mark.parametrize(
    "trigger",
    [VisibilityChanged(SECRET), RepositoryGone(SECRET), ArchiveChanged(SECRET, archived=True)],
)
def test_what_becomes_of_an_unknown_repository_is_ignored(trigger: Any) -> None:
    assert carry(trigger) == Outcome(reason="octo/weather is not known", ignored=True)


def test_a_renamed_repository_is_the_same_one_and_its_old_name_leads_on() -> None:
    know()
    seed.package(seed.Seeded(1, 7, 5), run())
    outcome = carry(RepositoryMoved(7, OCTO, named(name="climate")))
    assert outcome.reason == "the repository is octo/climate now"
    assert rows("SELECT id, owner, name FROM repositories") == [(5, "octo", "climate")]
    assert rows("SELECT full_name, repository_id FROM former_names") == [("octo/weather", 5)]
    # A package is called after its account and mcp.yaml, not after the repository.
    assert rows("SELECT name FROM mcp_packages") == [("io.github.octo/weather",)]


def test_a_transferred_repository_belongs_to_the_other_account_with_its_packages() -> None:
    know()
    seed.package(seed.Seeded(1, 7, 5), run(), name="io.github.octo/forecast")
    carry(RepositoryMoved(8, Account(2, "hubot"), named(owner="hubot")))
    ((workspace, installation),) = rows("SELECT workspace_id, installation_id FROM repositories")
    assert installation == 8
    assert rows("SELECT login FROM workspaces WHERE id = %s", workspace) == [("hubot",)]
    assert rows("SELECT name, workspace_id FROM mcp_packages") == [
        ("io.github.hubot/forecast", workspace)
    ]
    assert rows("SELECT name FROM former_package_names") == [("io.github.octo/forecast",)]


def test_an_unknown_installation_is_healed_by_a_move() -> None:
    carry(RepositoryMoved(7, OCTO, named(name="climate")))
    assert rows("SELECT name, state FROM repositories") == [("climate", "active")]
    carry(InstallationChanged(7, "deleted"))
    assert carry(RepositoryMoved(7, OCTO, WEATHER)).ignored


def test_a_deleted_repository_ends_its_runs_and_waits_for_the_grace_period() -> None:
    know()
    run()
    outcome = carry(RepositoryGone(WEATHER))
    assert "after the grace period" in outcome.reason
    assert rows("SELECT state, gone_at IS NULL FROM repositories") == [("removed", False)]
    assert rows("SELECT state FROM runs") == [("cancelled",)]
    assert carry(RepositoryGone(WEATHER)).ignored


def test_an_archived_repository_runs_nothing_until_it_is_back() -> None:
    know()
    waiting = run()
    carry(ArchiveChanged(WEATHER, archived=True))
    assert rows("SELECT archived, state FROM repositories") == [(True, "active")]
    assert rows("SELECT state FROM runs WHERE id = %s", waiting) == [("cancelled",)]
    assert run_claims.claim(run(attempt=2)) is None
    outcome = carry(ArchiveChanged(WEATHER, archived=False))
    assert rows("SELECT archived FROM repositories") == [(False,)]
    assert rows("SELECT kind FROM errands WHERE id = %s", *outcome.errand_ids) == [("first_look",)]


def test_another_default_branch_is_looked_at() -> None:
    know()
    outcome = carry(DefaultBranchChanged(7, OCTO, named(default_branch="trunk")))
    assert outcome.reason == "trunk is the default branch now"
    assert rows("SELECT default_branch FROM repositories") == [("trunk",)]
    assert rows("SELECT kind FROM errands WHERE id = %s", *outcome.errand_ids) == [("first_look",)]
