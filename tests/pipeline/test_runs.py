"""The states of a run, against a real PostgreSQL: what ends it, and what GitHub should see."""

import pytest

from config.database import connect, transaction
from pipeline import run_claims, run_making, runs
from pipeline.runs import Run
from tests.pipeline.run_rows import A, B, claim, create, finish, know, read


@pytest.fixture(autouse=True)
def repository(database_url: str) -> None:
    know()


def test_runs_of_a_suspended_installation_do_not_hide_others_that_are_due() -> None:
    run = create(A).run
    with transaction() as connection:
        assert runs.due(connection) == [run.id]
        connection.execute("UPDATE installations SET state = 'suspended'")
        assert runs.due(connection) == []


def test_cancelling_ends_a_waiting_run_and_asks_a_running_one() -> None:
    waiting = create(A).run
    with transaction() as connection:
        assert runs.cancel(connection, waiting.id) == "queued"
    assert read(waiting).state == "cancelled"
    running = claim(create(B).run)
    with transaction() as connection:
        assert runs.cancel(connection, running.id) == "running"
    assert run_claims.heartbeat(running) == "cancelled"


def test_every_change_that_github_should_see_raises_the_revision() -> None:
    run = create(A).run
    seen = [_revision(run)]
    claimed = claim(run)
    seen.append(_revision(run))
    run_claims.heartbeat(claimed)
    assert _revision(run) == seen[-1]
    run_claims.finish(claimed, "succeeded", title="live")
    seen.append(_revision(run))
    assert seen == sorted(set(seen))


def _revision(run: Run) -> int:
    with connect() as connection:
        row = connection.execute("SELECT revision FROM runs WHERE id = %s", (run.id,)).fetchone()
    assert row is not None
    return int(row[0])


def test_the_last_attempt_of_each_kind_and_environment_answers_for_a_commit() -> None:
    first = finish(create(A).run, "failed")
    with transaction() as connection:
        again = run_making.rerun(connection, first).run
    preview = create(A, kind="preview").run
    create(B, environment="staging")
    with transaction() as connection:
        found = runs.latest_of_commit(connection, 5, A)
    assert {run.id for run in found} == {again.id, preview.id}


def test_the_runs_of_a_pull_request_are_found_by_its_number() -> None:
    check = finish(create(A, kind="check").run)
    preview = create(A, kind="preview").run
    create(A, kind="preview", pull_number=4)
    with transaction() as connection:
        newest = runs.latest_of_pull(connection, 5, 3)
        assert newest is not None
        assert newest.id == preview.id
        assert runs.open_of_pull(connection, 5, 3) == [preview.id]
        assert runs.latest_of_pull(connection, 5, 99) is None
    assert check.state == "succeeded"


def test_an_approval_is_shown_on_the_checks_of_its_commit_only() -> None:
    checked = create(A, kind="check", trusted=False).run
    other = create(B, kind="check", trusted=False).run
    before = _revision(checked), _revision(other)
    with transaction() as connection:
        runs.show_approval(connection, 5, 3, A)
    assert (_revision(checked), _revision(other)) == (before[0] + 1, before[1])
