"""Deployments against a real PostgreSQL: what serves, and what could serve again."""

from typing import Any

import pytest

from config.database import transaction
from pipeline import deployments, run_claims, run_making, runs
from pipeline.builders.base import Artifact
from pipeline.runs import Run
from tests.pipeline.errands.desk import rows, serve
from tests.pipeline.run_rows import REPOSITORY, know


@pytest.fixture(autouse=True)
def repository(database_url: str) -> None:
    know()


def last_good(environment: str = "production") -> int | None:
    with transaction() as connection:
        found = deployments.last_good(connection, REPOSITORY, environment)
    return found.id if found else None


@pytest.mark.parametrize("state", ["live", "stopped"])
def test_a_preview_is_never_rolled_back(state: str) -> None:
    """Nothing would take it down when its pull request is closed, or was closed already."""
    serve(REPOSITORY, "before", environment="preview/pr-3", kind="preview", pull_number=3)
    serve(REPOSITORY, "now", environment="preview/pr-3", state=state)
    assert last_good("preview/pr-3") is None


def test_the_one_before_the_live_one_is_the_last_good_one() -> None:
    serve(REPOSITORY, "oldest")
    good = serve(REPOSITORY, "good")
    serve(REPOSITORY, "bad", state="live")
    assert last_good() == good.id


@pytest.mark.parametrize(
    "useless",
    [
        {"digest": "bad"},
        {"withdrawn": True},
        {"discarded": True},
        {"state": "failed"},
        {"state": "stopped"},
        {"environment": "staging"},
    ],
)
def test_what_is_no_other_artifact_or_cannot_or_should_not_come_back_is_passed_over(
    useless: dict[str, Any],
) -> None:
    good = serve(REPOSITORY, "good")
    serve(REPOSITORY, **({"digest": "middle"} | useless))
    serve(REPOSITORY, "bad", state="live")
    assert last_good() == good.id


def test_a_second_rollback_goes_further_back() -> None:
    oldest = serve(REPOSITORY, "oldest")
    good = serve(REPOSITORY, "good")
    serve(REPOSITORY, "bad", withdrawn=True)
    serve(REPOSITORY, "good", state="live", kind="rollback")
    assert last_good() == oldest.id
    assert good.id != oldest.id


def test_without_anything_live_the_last_one_that_was_comes_back() -> None:
    good = serve(REPOSITORY, "good")
    assert last_good() == good.id


def test_there_may_be_nothing_to_go_back_to() -> None:
    assert last_good() is None
    serve(REPOSITORY, "only", state="live")
    assert last_good() is None


def candidate(run: Run) -> Run:
    """Take a run whose server was started."""
    taken = run_claims.claim(run.id)
    assert taken is not None
    artifact = Artifact(kind="folder", reference="/x", digest=run.sha, command=("/x",))
    deployments.announce(taken, host="process", name=f"sigil-{run.id}", artifact=artifact)
    return taken


def promote(run: Run) -> None:
    with transaction() as connection:
        deployments.promote(
            connection, run, package_id=None, version_id=None, handshake={"verdict": "open"}
        )


def test_a_rollback_withdraws_what_it_replaces_and_says_so_at_its_run() -> None:
    good = serve(REPOSITORY, "good")
    bad = serve(REPOSITORY, "bad", state="live")
    with transaction() as connection:
        run = run_making.roll_back(connection, good.id, actor="mona").run
    promote(candidate(run))
    states = rows("SELECT id, state, withdrawn FROM mcp_deployments ORDER BY id")
    assert [row[1:] for row in states] == [
        ("replaced", False),
        ("replaced", True),
        ("live", False),
    ]
    assert rows("SELECT remark FROM runs WHERE id = %s", bad.run_id) == [
        (f"Rolled back to {run.sha[:7]} by @mona",)
    ]


def test_what_was_rolled_back_from_does_not_come_back_by_another_run_that_brought_it() -> None:
    oldest = serve(REPOSITORY, "oldest")
    same = serve(REPOSITORY, "bad")
    serve(REPOSITORY, "bad", state="live", kind="rollback")
    assert last_good() == oldest.id
    with transaction() as connection:
        run = run_making.roll_back(connection, oldest.id, actor="mona").run
    promote(candidate(run))
    assert rows("SELECT withdrawn FROM mcp_deployments WHERE id = %s", same.id) == [(True,)]
    rows("""UPDATE mcp_deployments SET artifact = '{"digest": "oldest"}' WHERE state = 'live'""")
    assert last_good() is None


def test_a_newer_deployment_replaces_without_withdrawing_and_keeps_remarks() -> None:
    old = serve(REPOSITORY, "old", state="live")
    rows("UPDATE runs SET remark = 'said before' WHERE id = %s", old.run_id)
    with transaction() as connection:
        run = run_making.create(
            connection,
            run_making.Wanted(REPOSITORY, "deploy", "production", "refs/heads/main", "d" * 40),
        ).run
    promote(candidate(run))
    assert rows("SELECT state, withdrawn FROM mcp_deployments WHERE id = %s", old.id) == [
        ("replaced", False)
    ]
    assert rows("SELECT remark FROM runs WHERE id = %s", old.run_id) == [("said before",)]


def test_an_environment_is_promoted_without_touching_another() -> None:
    other = serve(REPOSITORY, "other", state="live", environment="staging")
    with transaction() as connection:
        run = run_making.create(
            connection,
            run_making.Wanted(REPOSITORY, "deploy", "production", "refs/heads/main", "d" * 40),
        ).run
        assert deployments.live(connection, REPOSITORY, "production") is None
    promote(candidate(run))
    with transaction() as connection:
        live = deployments.live(connection, REPOSITORY, "staging")
        assert live is not None
        assert live.id == other.id
        assert runs.get(connection, run.id) is not None


def test_stopping_an_environment_ends_what_serves_and_what_was_to_serve_there() -> None:
    serve(REPOSITORY, "live", state="live", environment="preview/pr-3")
    serve(REPOSITORY, "next", state="candidate", environment="preview/pr-3")
    serve(REPOSITORY, "other", state="live")
    with transaction() as connection:
        assert deployments.stop(connection, REPOSITORY, "preview/pr-3") == 2
        assert deployments.stop(connection, REPOSITORY, "preview/pr-3") == 0
    assert rows("SELECT state FROM mcp_deployments ORDER BY id") == [
        ("stopped",),
        ("stopped",),
        ("live",),
    ]
