"""Owning a run, against a real PostgreSQL: who may take one, and who may write."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from config.database import close_pool, transaction
from config.settings import settings
from pipeline import run_claims, run_stages, runs
from pipeline.stages.base import Result
from tests.pipeline.run_rows import A, B, claim, create, know, read, waiting_for


@pytest.fixture(autouse=True)
def repository(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SIGIL_HEARTBEAT", "0.0005")
    monkeypatch.setenv("SIGIL_HEARTBEAT_LOST", "0.001")
    settings.cache_clear()
    know()
    yield
    close_pool()


def test_one_worker_gets_the_run() -> None:
    run = create(A).run
    with ThreadPoolExecutor(8) as pool:
        claims = [taken for taken in pool.map(run_claims.claim, [run.id] * 16) if taken]
    assert len(claims) == 1


def test_one_run_at_a_time_for_a_repository_and_environment() -> None:
    running = claim(create(A).run)
    other = create(B, kind="release").run
    assert run_claims.claim(other.id) is None
    run_claims.finish(running, "succeeded", title="live")
    assert waiting_for(running) == [other.id]
    assert run_claims.claim(other.id) is not None


def test_a_suspended_installation_pauses_its_runs() -> None:
    run = create(A).run
    with transaction() as connection:
        connection.execute("UPDATE installations SET state = 'suspended'")
    assert run_claims.claim(run.id) is None
    with transaction() as connection:
        connection.execute("UPDATE installations SET state = 'active'")
    assert run_claims.claim(run.id) is not None


def test_a_run_that_is_not_due_waits() -> None:
    run = claim(create(A).run)
    run_claims.requeue(
        run, title="Waiting", due_at=datetime.now(UTC) + timedelta(hours=1), count=True
    )
    assert run_claims.claim(run.id) is None
    with transaction() as connection:
        assert runs.due(connection) == []
    assert read(run).retries == 1


def test_a_run_without_heartbeat_is_given_to_another_worker_and_the_old_one_may_not_write() -> None:
    dead = claim(create(A).run)
    assert run_claims.reap() == ([dead.id], [])
    taken = claim(dead)
    assert taken.claims == 2
    with pytest.raises(run_claims.LostClaim):
        run_claims.heartbeat(dead)
    with pytest.raises(run_claims.LostClaim):
        run_claims.finish(dead, "failed", title="late")
    run_claims.finish(taken, "succeeded", title="live")
    assert read(dead).state == "succeeded"


def test_a_run_with_a_heartbeat_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGIL_HEARTBEAT_LOST", "3600")
    settings.cache_clear()
    claim(create(A).run)
    assert run_claims.reap() == ([], [])


def test_a_run_that_kills_its_workers_is_given_up_with_an_explanation() -> None:
    run = create(A).run
    for _ in range(run_claims.MAX_CLAIMS - 1):
        claim(run)
        assert run_claims.reap() == ([run.id], [])
    claim(run)
    assert run_claims.reap() == ([], [run.id])
    ended = read(run)
    assert ended.state == "failed"
    assert ended.error is not None
    assert "memory" in ended.error["detail"]


def test_a_run_that_was_handed_back_does_not_count_as_a_death() -> None:
    run = create(A).run
    for _ in range(run_claims.MAX_CLAIMS + 2):
        run_claims.requeue(claim(run), title=None, due_at=None, count=False)
    assert read(run).claims == 0
    assert read(run).state == "queued"


@pytest.mark.parametrize("state", sorted(runs.FINAL))
def test_a_final_state_is_never_overwritten(state: runs.RunState) -> None:
    run = claim(create(A).run)
    run_claims.finish(run, state, title="over")
    with pytest.raises(run_claims.LostClaim):
        run_claims.finish(run, "failed", title="late")
    with transaction() as connection:
        runs.cancel(connection, run.id)
    assert run_claims.claim(run.id) is None
    assert run_claims.reap() == ([], [])
    assert (read(run).state, read(run).title) == (state, "over")


def test_a_run_waits_while_another_builds_the_same_commit_and_takes_it_then() -> None:
    """A push and a pull request of one commit come together: it is built once."""
    building = claim(create(A).run)
    preview = create(A, kind="preview").run
    assert run_claims.claim(preview.id) is None
    for stage in ("source", "manifest"):
        run_stages.begin(building, stage)  # type: ignore[arg-type]
        run_stages.succeed(building, stage, Result())  # type: ignore[arg-type]
    run_stages.begin(building, "build")
    assert run_claims.claim(preview.id) is None
    run_stages.succeed(building, "build", Result())
    assert run_claims.claim(preview.id) is not None


def test_nobody_waits_for_the_build_of_a_stranger() -> None:
    """It is not taken up, and whoever proposes the commit could hold up its deployment."""
    checked = claim(create(A, kind="check", trusted=False).run)
    other = create(A, kind="check", trusted=False, pull_number=4).run
    assert run_claims.claim(create(A).run.id) is not None
    assert run_claims.claim(other.id) is None
    run_claims.finish(checked, "succeeded", title="over")


def test_a_build_that_fails_lets_the_other_try() -> None:
    building = claim(create(A).run)
    preview = create(A, kind="preview").run
    run_claims.finish(building, "failed", title="no")
    assert waiting_for(building) == [preview.id]
    assert run_claims.claim(preview.id) is not None


def test_another_commit_is_built_meanwhile() -> None:
    claim(create(A).run)
    assert run_claims.claim(create(B, kind="preview").run.id) is not None


def test_of_two_runs_of_one_commit_that_are_claimed_at_once_one_waits() -> None:
    pushed, previewed = create(A).run, create(A, kind="preview").run
    with ThreadPoolExecutor(2) as pool:
        taken = [run for run in pool.map(run_claims.claim, [pushed.id, previewed.id]) if run]
    assert len(taken) == 1


def test_an_archived_or_lost_repository_runs_nothing() -> None:
    run = create(A).run
    for change in ("archived = true", "archived = false, state = 'removed'"):
        with transaction() as connection:
            connection.execute(f"UPDATE repositories SET {change}")  # type: ignore[arg-type]
            assert runs.due(connection) == []
        assert run_claims.claim(run.id) is None


def test_a_run_of_an_environment_goes_before_a_later_one() -> None:
    first, second = create(A).run, create(B, kind="release").run
    assert run_claims.claim(second.id) is None
    assert run_claims.claim(first.id) is not None
