"""Whether the run of a branch's head still answers for it, and what asks for another one."""

import pytest

from config.database import transaction
from pipeline import coordinates, pull_requests, run_claims, run_making, runs
from pipeline.errands import table
from pipeline.github.report import due, report
from pipeline.reconcile import repositories
from pipeline.run_making import Created, Wanted
from pipeline.triggers.kinds import RepositoryRef
from tests.pipeline.run_rows import REPOSITORY, A, B, claim, create, finish, know, read

MAIN = "refs/heads/main"


@pytest.fixture(autouse=True)
def repository(database_url: str) -> None:
    know()


def ensure(sha: str) -> Created:
    with transaction() as connection:
        return run_making.ensure(connection, Wanted(REPOSITORY, "deploy", "production", MAIN, sha))


def is_known(sha: str) -> bool:
    with transaction() as connection:
        found = runs.repository(connection, REPOSITORY)
        assert found is not None
        return repositories._is_known(connection, found, "main", sha)


def older(run: runs.Run) -> None:
    with transaction() as connection:
        connection.execute(
            "UPDATE runs SET created_at = created_at - interval '1 hour' WHERE id = %s", (run.id,)
        )


def test_what_was_cancelled_while_the_app_had_lost_the_repository_is_due_again() -> None:
    waiting = create(A).run
    with transaction() as connection:
        coordinates.give_up(connection, [REPOSITORY])
    assert read(waiting).state == "cancelled"
    assert not is_known(A)
    again = ensure(A)
    assert (again.new, again.run.state, again.run.attempt) == (True, "queued", 2)
    assert is_known(A)


def test_one_that_was_under_way_then_is_due_again_too() -> None:
    running = claim(create(A).run)
    with transaction() as connection:
        coordinates.give_up(connection, [REPOSITORY])
    assert is_known(A), "it has not ended yet"
    run_claims.finish(running, "cancelled", title="Cancelled")
    assert ensure(A).new


def test_what_a_person_has_cancelled_stays_so() -> None:
    waiting = create(A).run
    with transaction() as connection:
        runs.cancel(connection, waiting.id)
    assert is_known(A)
    assert not ensure(A).new


def test_a_push_back_whose_events_came_in_the_wrong_order_is_brought_after_all() -> None:
    finish(create(A).run)
    assert not create(A, before=B).new, "the push back came first, and changes nothing"
    late = finish(create(B, before=A).run)
    assert is_known(A), "GitHub's answer may be older than its event"
    older(late)
    assert not is_known(A)
    assert ensure(A).new


def test_a_persons_wish_is_no_event_that_came_late() -> None:
    finish(create(A).run)
    other = finish(create(B, before=A).run)
    older(other)
    with transaction() as connection:
        connection.execute("UPDATE runs SET requested = true WHERE id = %s", (other.id,))
    assert is_known(A)
    assert not ensure(A).new


def test_a_head_that_a_late_event_has_superseded_is_not_known() -> None:
    create(A)
    create(B)
    assert not is_known(A)
    assert ensure(A).new


def pull(state: str = "open") -> None:
    with transaction() as connection:
        pull_requests.record(
            connection,
            pull_requests.PullRequest(
                repository_id=REPOSITORY,
                number=3,
                head_sha=A,
                head_ref="topic",
                head_repository="octo/weather",
                fork=False,
                base_ref="main",
                author="octocat",
                draft=False,
                state=state,  # type: ignore[arg-type]
                merged=False,
            ),
        )


def asked_for_pulls() -> int:
    with transaction() as connection:
        found = runs.repository(connection, REPOSITORY)
        assert found is not None
        return len(repositories._ask_for_pulls(connection, found, {3: (A, False)}))


def test_a_pull_request_whose_preview_was_cancelled_by_absence_is_looked_at_again() -> None:
    pull()
    create(A, kind="preview")
    assert asked_for_pulls() == 0
    with transaction() as connection:
        coordinates.give_up(connection, [REPOSITORY])
    assert asked_for_pulls() == 1


def test_a_pull_request_that_could_not_be_looked_at_is_looked_at_later() -> None:
    pull()
    with transaction() as connection:
        errand = table.ask(connection, "pull", repository_id=REPOSITORY, subject="#3")
    assert asked_for_pulls() == 0, "it will be looked at"
    with transaction() as connection:
        connection.execute("UPDATE repositories SET state = 'removed'")
    table.work(errand)
    assert asked_for_pulls() == 1


def test_missed_releases_are_asked_for_one_after_the_other_the_oldest_first() -> None:
    with transaction() as connection:
        found = runs.repository(connection, REPOSITORY)
        assert found is not None
        missed = [
            ("v1.0.0", None, "2999-01-01T00:00:00Z"),
            ("v1.1.0", None, "2999-01-02T00:00:00Z"),
        ]
        first, second = repositories._ask_for_tags(connection, found, missed)  # type: ignore[arg-type]
        waits = connection.execute(
            "SELECT subject, due_at > now() FROM errands WHERE id IN (%s, %s) ORDER BY due_at",
            (first, second),
        ).fetchall()
    assert waits == [("refs/tags/v1.0.0", False), ("refs/tags/v1.1.0", True)]


def test_what_could_not_be_told_of_a_lost_repository_is_told_when_it_is_back() -> None:
    run = create(A).run
    with transaction() as connection:
        coordinates.give_up(connection, [REPOSITORY])
    report(run.id)
    assert report_of(run) == (True, "the App may not see this repository any more")
    with transaction() as connection:
        found = runs.repository(connection, REPOSITORY)
        assert found is not None
        reference = RepositoryRef(found.id, found.owner, found.name, found.private)
        coordinates.record_repository(
            connection, found.installation_id, found.workspace_id, reference
        )
        assert due(connection) == [run.id]


def report_of(run: runs.Run) -> tuple[bool, str | None]:
    with transaction() as connection:
        row = connection.execute(
            "SELECT reported_revision = revision, report_error FROM runs WHERE id = %s", (run.id,)
        ).fetchone()
    assert row is not None
    return row[0], row[1]
