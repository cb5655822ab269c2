"""What the App's own events write, against a real PostgreSQL."""

import pytest

from config.database import transaction
from pipeline import run_claims
from pipeline.errands import table
from pipeline.intake import Outcome
from pipeline.triggers import (
    Account,
    AccountRenamed,
    InstallationChanged,
    Installed,
    PermissionsGranted,
    RepositoriesRemoved,
    RepositoryRef,
)
from tests import seed
from tests.pipeline.intake.carrying import OCTO, WEATHER, carry, know, push, rows, run

pytestmark = pytest.mark.usefixtures("database_url")

BARE = RepositoryRef(id=5, owner="octo", name="weather", private=True)


def test_an_installation_asks_for_a_look_at_each_repository_once() -> None:
    other = RepositoryRef(id=6, owner="octo", name="other", private=False)
    for _ in range(2):
        outcome = carry(Installed(7, OCTO, (BARE, other), {"checks": "write"}))
    assert len(outcome.errand_ids) == 2
    assert rows("SELECT kind, repository_id, state FROM errands ORDER BY id") == [
        ("first_look", 5, "waiting"),
        ("first_look", 6, "waiting"),
    ]
    assert rows("SELECT private, default_branch FROM repositories WHERE id = 5") == [(True, "main")]
    assert rows("SELECT permissions FROM installations") == [({"checks": "write"},)]


def test_an_event_that_names_no_permissions_does_not_take_them_away() -> None:
    know()
    carry(push())
    carry(Installed(7, OCTO, (BARE,), {}))
    assert rows("SELECT permissions FROM installations") == [({"checks": "write"},)]


def test_an_installation_does_not_forget_a_default_branch_it_does_not_mention() -> None:
    trunk = RepositoryRef(id=5, owner="octo", name="weather", private=False, default_branch="trunk")
    carry(push(repository=trunk))
    carry(Installed(7, OCTO, (BARE,), {}))
    assert rows("SELECT default_branch FROM repositories") == [("trunk",)]


def test_removing_a_repository_cancels_its_runs_and_keeps_its_history() -> None:
    know()
    run()
    outcome = carry(RepositoriesRemoved(7, (5, 99)))
    assert "octo/weather" in outcome.reason
    assert rows("SELECT state, gone_at IS NULL FROM repositories") == [("removed", False)]
    assert rows("SELECT state FROM runs") == [("cancelled",)]


def test_a_repository_that_is_given_back_is_looked_at_anew_and_its_grace_period_ends() -> None:
    know()
    carry(RepositoriesRemoved(7, (5,)))
    rows("UPDATE repositories SET torn_down_at = now() RETURNING id")
    seed.package(seed.Seeded(1, 7, 5), run(), deleted_at="2026-01-01T00:00:00Z")
    outcome = carry(Installed(7, OCTO, (BARE,), {}))
    assert rows("SELECT state, gone_at, torn_down_at FROM repositories") == [("active", None, None)]
    assert rows("SELECT deleted_at FROM mcp_packages") == [(None,)]
    assert rows("SELECT kind FROM errands WHERE id = %s", *outcome.errand_ids) == [("first_look",)]


def test_a_repository_that_moved_to_another_installation_is_not_removed_by_the_old_one() -> None:
    carry(Installed(8, OCTO, (BARE,), {}))
    carry(RepositoriesRemoved(7, (5,)))
    assert rows("SELECT installation_id, state FROM repositories") == [(8, "active")]


def test_suspending_pauses_and_resuming_rings_for_what_waited() -> None:
    know()
    number = run()
    (errand,) = carry(push()).errand_ids
    assert carry(InstallationChanged(7, "suspended")) == Outcome("installation paused")
    assert run_claims.claim(number) is None
    with transaction() as connection:
        assert table.due(connection) == []
    resumed = carry(InstallationChanged(7, "active"))
    assert (resumed.run_ids, resumed.errand_ids) == ((number,), (errand,))
    assert run_claims.claim(number) is not None


def test_uninstalling_cancels_and_a_late_event_does_not_bring_it_back() -> None:
    know()
    run()
    carry(InstallationChanged(7, "deleted"))
    carry(InstallationChanged(7, "active"))
    assert carry(Installed(7, OCTO, (WEATHER,), {})).ignored
    assert rows("SELECT state FROM installations") == [("deleted",)]
    assert rows("SELECT state, gone_at IS NULL FROM repositories") == [("removed", False)]
    assert rows("SELECT state FROM runs") == [("cancelled",)]


def test_an_app_that_is_installed_again_has_its_repositories_back() -> None:
    know()
    carry(InstallationChanged(7, "deleted"))
    carry(Installed(8, OCTO, (WEATHER,), {}))
    assert rows("SELECT installation_id, state, gone_at FROM repositories") == [(8, "active", None)]


def test_a_change_of_an_unknown_installation_says_so() -> None:
    assert "not known" in carry(InstallationChanged(404, "suspended")).reason
    assert carry(PermissionsGranted(404, {})).ignored
    assert carry(AccountRenamed(404, Account(404, "nobody"))).ignored


def test_accepted_permissions_are_noted_and_what_was_refused_is_reported_again() -> None:
    know()
    refused = run(state="failed", report_error="GitHub answered 403", report_attempts=9)
    told = run(state="failed", attempt=2)
    granted = {"checks": "write", "deployments": "write"}
    outcome = carry(PermissionsGranted(7, granted))
    assert outcome.reason == "permissions accepted; 1 reports are made again"
    assert rows("SELECT permissions FROM installations") == [(granted,)]
    assert rows("SELECT id, report_attempts, revision FROM runs ORDER BY id") == [
        (refused, 0, 2),
        (told, 0, 1),
    ]


def test_an_account_that_is_renamed_takes_its_repositories_and_packages_along() -> None:
    know()
    seed.package(seed.Seeded(1, 7, 5), run())
    outcome = carry(AccountRenamed(7, Account(1, "octopus")))
    assert outcome.reason == "the account octo is called octopus now"
    assert rows("SELECT login FROM workspaces") == [("octopus",)]
    assert rows("SELECT owner, name FROM repositories") == [("octopus", "weather")]
    assert rows("SELECT name FROM mcp_packages") == [("io.github.octopus/weather",)]
    assert rows("SELECT full_name FROM former_names") == [("octo/weather",)]
    assert rows("SELECT name FROM former_package_names") == [("io.github.octo/weather",)]
