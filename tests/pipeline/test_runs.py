"""The states of a run against a real PostgreSQL: who may take one, and what ends it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from config.database import close_pool, connect, transaction
from config.settings import settings
from pipeline import run_claims, run_making, runs
from pipeline.run_making import Created, Wanted
from pipeline.runs import Run

A, B, C = "a" * 40, "b" * 40, "c" * 40


@pytest.fixture(autouse=True)
def repository(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SIGIL_HEARTBEAT", "0.0005")
    monkeypatch.setenv("SIGIL_HEARTBEAT_LOST", "0.001")
    settings.cache_clear()
    with transaction() as connection:
        connection.execute("INSERT INTO workspaces (account_id, login) VALUES (1, 'octo')")
        connection.execute("INSERT INTO installations (id, workspace_id) VALUES (7, 1)")
        connection.execute(
            """INSERT INTO repositories (id, installation_id, workspace_id, owner, name)
               VALUES (5, 7, 1, 'octo', 'weather')"""
        )
    yield
    close_pool()


def create(sha: str, *, before: str | None = None, kind: runs.Kind = "deploy") -> Created:
    ref = "refs/heads/main" if kind == "deploy" else "refs/tags/v1"
    with transaction() as connection:
        return run_making.create(
            connection, Wanted(5, kind, "production", ref, sha, before_sha=before, delivery_id=1)
        )


def read(run: Run) -> Run:
    with transaction() as connection:
        found = runs.get(connection, run.id)
    assert found is not None
    return found


def claim(run: Run) -> Run:
    claimed = run_claims.claim(run.id)
    assert claimed is not None
    return claimed


def test_a_commit_is_run_once_however_often_it_is_announced() -> None:
    first, second = create(A), create(A)
    assert (first.new, second.new) == (True, False)
    assert second.run.id == first.run.id


def test_many_announcements_at_once_make_one_run() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create(A), range(16)))
    assert sum(created.new for created in made) == 1
    assert len({created.run.id for created in made}) == 1


def test_a_newer_commit_supersedes_a_waiting_one_and_says_by_which() -> None:
    old = create(A).run
    create(B, before=A)
    ended = read(old)
    assert ended.state == "superseded"
    assert ended.superseded_by == B
    assert B[:7] in (ended.title or "")


def test_a_newer_commit_asks_a_running_one_to_stop() -> None:
    running = claim(create(A).run)
    create(B, before=A)
    assert run_claims.heartbeat(running) == "superseded"
    assert read(running).state == "running"


def test_a_running_run_gives_way_to_the_newest_of_two_newer_commits() -> None:
    running = claim(create(A).run)
    second = create(B, before=A).run
    third = create(C, before=B).run
    assert run_claims.heartbeat(running) == "superseded"
    run_claims.finish(running, "superseded", title="over")
    assert read(running).superseded_by == C
    assert (read(second).state, read(second).superseded_by) == ("superseded", C)
    assert read(third).state == "queued"
    with transaction() as connection:
        assert runs.waiting_for(connection, running) == [third.id]


def test_the_head_of_a_branch_gets_a_run_unless_it_has_one_that_stands() -> None:
    head = Wanted(5, "deploy", "production", "refs/heads/main", B)
    with transaction() as connection:
        made = run_making.ensure(connection, head).run
        assert run_making.ensure(connection, head) == Created(made, new=False)
        runs.cancel(connection, made.id)
        assert not run_making.ensure(connection, head).new
        connection.execute("UPDATE runs SET state = 'superseded'")
        again = run_making.ensure(connection, head).run
    assert (again.attempt, again.state, again.requested) == (2, "queued", False)


def test_a_persons_rerun_is_not_superseded_by_an_older_story() -> None:
    first = claim(create(A).run)
    run_claims.finish(first, "succeeded", title="live")
    run_claims.finish(claim(create(B, before=A).run), "succeeded", title="live")
    with transaction() as connection:
        again = run_making.rerun(connection, first).run
    assert (again.state, again.requested) == ("queued", True)


def test_runs_of_a_suspended_installation_do_not_hide_others_that_are_due() -> None:
    run = create(A).run
    with transaction() as connection:
        assert runs.due(connection) == [run.id]
        connection.execute("UPDATE installations SET state = 'suspended'")
        assert runs.due(connection) == []


def test_an_older_push_that_arrives_late_is_superseded_at_once() -> None:
    newer = create(B, before=A).run
    late = create(A, before=C).run
    assert (late.state, late.superseded_by) == ("superseded", B)
    assert read(newer).state == "queued"


def test_a_push_back_to_an_old_commit_runs_it_again() -> None:
    first = create(A).run
    run_claims.finish(claim(first), "succeeded", title="live")
    run_claims.finish(claim(create(B, before=A).run), "succeeded", title="live")
    again = create(A, before=B)
    assert again.new
    assert (again.run.attempt, again.run.parent_id, again.run.state) == (2, first.id, "queued")


def test_a_release_does_not_supersede_a_deploy() -> None:
    deploy = create(A).run
    create(A, kind="release")
    assert read(deploy).state == "queued"


def test_one_worker_gets_the_run() -> None:
    run = create(A).run
    with ThreadPoolExecutor(8) as pool:
        claims = [taken for taken in pool.map(run_claims.claim, [run.id] * 16) if taken]
    assert len(claims) == 1


def test_one_run_at_a_time_for_a_repository_and_environment() -> None:
    running = claim(create(A).run)
    other = create(A, kind="release").run
    assert run_claims.claim(other.id) is None
    run_claims.finish(running, "succeeded", title="live")
    with transaction() as connection:
        assert runs.waiting_for(connection, running) == [other.id]
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


def test_cancelling_ends_a_waiting_run_and_asks_a_running_one() -> None:
    waiting = create(A).run
    with transaction() as connection:
        assert runs.cancel(connection, waiting.id) == "queued"
    assert read(waiting).state == "cancelled"
    running = claim(create(B).run)
    with transaction() as connection:
        assert runs.cancel(connection, running.id) == "running"
    assert run_claims.heartbeat(running) == "cancelled"


def test_a_rerun_is_linked_to_its_parent_and_made_once_per_delivery() -> None:
    run = claim(create(A).run)
    with transaction() as connection:
        assert not run_making.rerun(connection, run, delivery_id=2).new
    run_claims.finish(run, "failed", title="no")
    for _ in range(2):
        with transaction() as connection:
            again = run_making.rerun(connection, run, delivery_id=2)
        assert (again.run.attempt, again.run.parent_id) == (2, run.id)


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
