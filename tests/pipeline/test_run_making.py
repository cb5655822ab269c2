"""Making runs, against a real PostgreSQL: which commit gets one, and which overtakes which."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from config.database import transaction
from pipeline import run_claims, run_making, run_stages, runs
from pipeline.run_making import Created, Wanted
from tests import seed
from tests.pipeline.errands.desk import serve
from tests.pipeline.run_rows import A, B, C, claim, create, finish, know, read, waiting_for


@pytest.fixture(autouse=True)
def repository(database_url: str) -> None:
    know()


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
    assert waiting_for(running) == [third.id]


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


def test_a_rerun_is_linked_to_its_parent_and_made_once_per_delivery() -> None:
    run = claim(create(A).run)
    with transaction() as connection:
        assert not run_making.rerun(connection, run, delivery_id=2).new
    run_claims.finish(run, "failed", title="no")
    for _ in range(2):
        with transaction() as connection:
            again = run_making.rerun(connection, run, delivery_id=2)
        assert (again.run.attempt, again.run.parent_id) == (2, run.id)


def test_a_newer_commit_of_a_pull_request_supersedes_its_older_preview_or_check() -> None:
    old = [create(A, kind="preview").run, create(A, kind="check").run]
    other = create(A, kind="preview", pull_number=4).run
    create(B, kind="check")
    assert [read(run).state for run in old] == ["superseded", "superseded"]
    assert read(other).state == "queued"


def test_a_skipped_commit_ends_at_once_and_stays_skipped_until_somebody_wants_it() -> None:
    wanted = Wanted(5, "deploy", "production", "refs/heads/main", A)
    with transaction() as connection:
        skipped = run_making.skip(connection, wanted, "Skipped: why")
        assert not run_making.skip(connection, wanted, "Skipped: why").new
        assert not run_making.create(connection, wanted).new
        again = run_making.rerun(connection, skipped.run, actor="mona").run
    assert (skipped.run.state, skipped.run.title) == ("skipped", "Skipped: why")
    assert (again.state, again.attempt, again.actor) == ("queued", 2, "mona")


def test_a_skipped_commit_does_not_take_over_from_what_waits() -> None:
    old = create(A).run
    with transaction() as connection:
        run_making.skip(
            connection, Wanted(5, "deploy", "production", "refs/heads/main", B), "Skipped: why"
        )
    assert read(old).state == "queued"


def test_a_cancelled_commit_that_is_pushed_again_runs_again() -> None:
    first = create(A).run
    with transaction() as connection:
        runs.cancel(connection, first.id)
    assert create(A).run.attempt == 2


def test_what_was_torn_down_is_run_again_by_the_next_that_asks() -> None:
    first = finish(create(A, kind="preview").run)
    assert not create(A, kind="preview").new
    seeded = seed.Seeded(1, 5, 5)
    number = seed.deployment(seeded, first.id, environment="preview/pr-3")
    with transaction() as connection:
        connection.execute("UPDATE mcp_deployments SET live_at = now() WHERE id = %s", (number,))
    assert not create(A, kind="preview").new
    with transaction() as connection:
        connection.execute("UPDATE mcp_deployments SET state = 'stopped'")
    again = create(A, kind="preview")
    assert (again.new, again.run.attempt) == (True, 2)


def test_a_release_that_is_published_long_after_its_tag_does_not_bring_it_again() -> None:
    tagged = finish(create(A, kind="release").run)
    finish(create(B).run)
    assert create(A, kind="release") == Created(tagged, new=False)


def test_two_tags_of_one_commit_are_two_releases_each_with_one_run() -> None:
    first = finish(create(A, kind="release").run, "failed")
    second = create_tag("v2")
    assert (second.new, second.run.attempt) == (True, 2)
    assert not create_tag("v2").new
    assert create(A, kind="release") == Created(first, new=False)
    with transaction() as connection:
        again = run_making.rerun(connection, first)
    assert (again.new, again.run.ref, again.run.attempt) == (True, "refs/tags/v1", 3)


def create_tag(name: str) -> Created:
    with transaction() as connection:
        wanted = Wanted(5, "release", "production", f"refs/tags/{name}", A)
        return run_making.create(connection, wanted)


def rolled_back(deployment: int, delivery: int | None = None) -> Created:
    with transaction() as connection:
        return run_making.roll_back(connection, deployment, actor="mona", delivery_id=delivery)


def test_a_rollback_begins_with_what_the_run_that_it_brings_back_has_built() -> None:
    good = serve(5, "good")
    run = rolled_back(good.id).run
    assert (run.kind, run.state, run.requested, run.actor) == ("rollback", "queued", True, "mona")
    assert (run.target_id, run.environment) == (good.id, "production")
    stored = run_stages.finished_results(run.id)
    assert list(stored) == ["source", "manifest", "build"]
    assert stored["build"]["artifact"]["digest"] == "good"


def test_a_rollback_is_made_once_while_it_waits_and_once_for_a_delivery() -> None:
    good = serve(5, "good")
    first = rolled_back(good.id, 7)
    assert rolled_back(good.id).run.id == first.run.id
    finish(first.run, "failed")
    assert not rolled_back(good.id, 7).new
    second = rolled_back(good.id, 8)
    assert (second.new, second.run.attempt, second.run.parent_id) == (True, 2, first.run.id)


def test_a_rollback_that_is_run_again_begins_with_the_same_artifact() -> None:
    first = finish(rolled_back(serve(5, "good").id).run, "failed")
    with transaction() as connection:
        again = run_making.rerun(connection, first).run
    assert again.target_id == first.target_id
    assert run_stages.finished_results(again.id)["build"]["artifact"]["digest"] == "good"


def test_a_rollback_is_not_superseded_by_a_push_but_followed_by_it() -> None:
    back = rolled_back(serve(5, "good").id).run
    pushed = create(B).run
    assert read(back).state == "queued"
    assert waiting_for(finish(back)) == [pushed.id]
