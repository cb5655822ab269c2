"""Errands in the database: once while they wait, in order, by one worker, and never for ever."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from config.database import transaction
from pipeline.errands import base, table
from pipeline.errands.base import Done, Errand, Kind, NotYet
from pipeline.github.errors import GitHubAway, GitHubHeld, GitHubRefused
from tests import seed
from tests.pipeline.errands.desk import rows

pytestmark = pytest.mark.usefixtures("known")

Handle = Callable[[Errand], Done]


@pytest.fixture
def known(database_url: str) -> None:
    seed.repository()


class Counter:
    """A handler that does what a test says, and remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[Errand] = []
        self.act: Handle = lambda _: Done("well done")

    def __call__(self, errand: Errand) -> Done:
        self.given.append(errand)
        return self.act(errand)

    def raises(self, error: Exception) -> None:
        """Fail from now on."""

        def fail(_: Errand) -> Done:
            raise error

        self.act = fail


@pytest.fixture
def handler() -> Iterator[Counter]:
    """The handler of `first_look` and `tag` errands while the test runs."""
    counter, kinds = Counter(), ("first_look", "tag")
    before = {kind: base._HANDLERS.get(kind) for kind in kinds}  # type: ignore[call-overload]
    for kind in kinds:
        base.handles(kind)(counter)  # type: ignore[arg-type]
    yield counter
    for kind, former in before.items():
        if former is None:
            del base._HANDLERS[kind]
        else:
            base._HANDLERS[kind] = former


def ask(subject: str = "", kind: Kind = "first_look", due_in: float = 0, **details: int) -> int:
    with transaction() as connection:
        return table.ask(
            connection, kind, repository_id=1, subject=subject, details=details, due_in=due_in
        )


def due() -> list[int]:
    with transaction() as connection:
        return table.due(connection)


def state(errand: int) -> tuple[str, str | None, int]:
    ((found, reason, attempts),) = rows(
        "SELECT state, reason, attempts FROM errands WHERE id = %s", errand
    )
    return found, reason, attempts


def hurry() -> None:
    rows("UPDATE errands SET due_at = now()")


def waits(errand: int) -> timedelta:
    """How long until an errand may be done."""
    ((moment,),) = rows("SELECT due_at FROM errands WHERE id = %s", errand)
    return moment - datetime.now(UTC)


def test_the_same_errand_is_asked_for_once_while_it_waits(handler: Counter) -> None:
    first = ask("v1")
    assert ask("v1") == first
    assert ask("v2") != first
    assert ask("v1", "tag") != first
    assert ask("v1", sha=1) != first
    table.work(first)
    assert ask("v1") != first


def test_an_errand_is_done_with_its_repository_and_details_and_says_what_came_of_it(
    handler: Counter,
) -> None:
    errand = ask("v1", sha=7)
    assert table.work(errand) == Done("well done")
    (given,) = handler.given
    assert (given.subject, given.details, given.attempts) == ("v1", {"sha": 7}, 1)
    assert (given.repository.full_name, given.installation_id) == ("octo/weather", 1)
    assert state(errand) == ("done", "well done", 1)
    assert rows("SELECT finished_at IS NULL FROM errands") == [(False,)]
    assert table.work(errand) is None


def test_errands_of_one_subject_are_done_in_order_and_the_next_is_rung(handler: Counter) -> None:
    first, second, other = ask("v1", sha=1), ask("v1", sha=2), ask("v2", sha=1)
    assert due() == [first, other]
    assert table.work(second) is None
    done = table.work(first)
    assert done is not None
    assert done.errand_ids == (second,)
    assert due() == [second, other]
    assert table.work(second) is not None


def test_an_errand_that_is_given_up_makes_way_for_the_next_and_rings_for_it(
    handler: Counter,
) -> None:
    first, second = ask("v1", sha=1), ask("v1", sha=2)
    handler.raises(GitHubRefused("GitHub answered 422: no", 422))
    done = table.work(first)
    assert done is not None
    assert done.errand_ids == (second,)
    assert state(first) == ("failed", "GitHub answered 422: no", 1)


def test_a_worker_has_an_errand_for_itself_until_its_lease_ends(handler: Counter) -> None:
    errand, behind = ask("v1", sha=1), ask("v1", sha=2)
    inside: list[object] = []

    def look(_: Errand) -> Done:
        inside.extend([table.work(errand), table.work(behind), due()])
        return Done("well done")

    handler.act = look
    table.work(errand)
    assert inside == [None, None, []]


def test_a_worker_that_dies_before_it_could_note_the_end_is_followed_by_another(
    handler: Counter,
) -> None:
    """The worker is gone after the handler did its work: the errand is done again."""
    errand = ask()
    handler.raises(KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        table.work(errand)
    assert state(errand) == ("waiting", None, 1)
    handler.act = lambda _: Done("well done")
    assert table.work(errand) is None
    hurry()
    assert table.work(errand) is not None
    assert [given.attempts for given in handler.given] == [1, 2]


def test_an_errand_that_kills_its_worker_each_time_is_given_up(handler: Counter) -> None:
    errand = ask()
    rows("UPDATE errands SET attempts = %s", table.MAX_ATTEMPTS)
    assert table.work(errand) is not None
    found, reason, _ = state(errand)
    assert (found, handler.given) == ("failed", [])
    assert reason == "the worker died each time it worked on this"


def test_what_is_asked_for_while_it_is_done_is_done_once_more(handler: Counter) -> None:
    """What it has looked at may have changed since."""
    errand = ask("v1")

    def asked_again(_: Errand) -> Done:
        assert ask("v1") == errand
        return Done("the first answer")

    handler.act = asked_again
    done = table.work(errand)
    assert done is not None
    assert done.errand_ids == (errand,)
    assert state(errand) == ("waiting", "the first answer", 0)
    handler.act = lambda _: Done("the second answer")
    assert table.work(errand) == Done("the second answer")
    assert state(errand)[0] == "done"


def test_github_away_is_tried_later_with_a_growing_pause(handler: Counter) -> None:
    errand = ask()
    handler.raises(GitHubAway("GitHub answered 502: no"))
    pauses = []
    for _ in range(3):
        assert table.work(errand) is None
        pauses.append(waits(errand))
        assert due() == []
        hurry()
    assert pauses == sorted(pauses)
    assert state(errand) == ("waiting", "GitHub answered 502: no", 3)
    handler.act = lambda _: Done("well done")
    assert table.work(errand) is not None


def test_githubs_own_moment_is_kept_also_when_the_errand_is_asked_for_again(
    handler: Counter,
) -> None:
    errand = ask()
    handler.raises(GitHubAway("slow down", datetime.now(UTC) + timedelta(hours=1)))
    table.work(errand)
    ask()
    assert waits(errand) > timedelta(minutes=59)


def test_an_errand_that_was_not_tried_yet_can_be_wanted_sooner(handler: Counter) -> None:
    errand = ask(due_in=3600)
    assert due() == []
    ask(due_in=60)
    assert timedelta(seconds=30) < waits(errand) < timedelta(seconds=61)
    ask()
    assert due() == [errand]


def test_github_that_stays_away_is_given_up_in_the_end(handler: Counter) -> None:
    errand = ask()
    handler.raises(GitHubAway("GitHub answered 502: no"))
    for _ in range(table.MAX_ATTEMPTS):
        assert state(errand)[0] == "waiting"
        table.work(errand)
        hurry()
    assert state(errand) == ("failed", "GitHub answered 502: no", table.MAX_ATTEMPTS)


@pytest.mark.parametrize(("status", "tries"), [(403, 4), (404, 4), (422, 1)])
def test_a_refusal_is_doubted_when_a_fresh_installation_could_cause_it(
    handler: Counter, status: int, tries: int
) -> None:
    errand = ask()
    handler.raises(GitHubRefused("no", status))
    while state(errand)[0] == "waiting":
        table.work(errand)
        hurry()
    assert state(errand) == ("failed", "no", tries)


@pytest.mark.parametrize(
    "error", [GitHubHeld("wait", datetime.now(UTC) + timedelta(hours=1)), NotYet("a run ends")]
)
def test_waiting_for_room_or_for_something_of_ours_is_no_attempt(
    handler: Counter, error: Exception
) -> None:
    errand = ask()
    handler.raises(error)
    for _ in range(table.MAX_ATTEMPTS + 2):
        assert table.work(errand) is None
        assert due() == []
        hurry()
    assert state(errand) == ("waiting", str(error), 0)


def test_a_bug_is_reported_with_a_reference_and_does_not_hold_up_the_others_for_ever(
    handler: Counter,
) -> None:
    errand, behind = ask("v1", sha=1), ask("v1", sha=2)
    handler.raises(KeyError("a secret"))
    while state(errand)[0] == "waiting":
        table.work(errand)
        hurry()
    found, reason, attempts = state(errand)
    assert (found, attempts) == ("failed", 4)
    assert reason is not None
    assert reason.startswith("an internal error of Sigil, reported as ")
    assert "secret" not in reason
    assert due() == [behind]


def test_without_postgresql_nothing_is_noted_and_the_lease_ends_by_itself(handler: Counter) -> None:
    errand = ask()
    handler.raises(psycopg.OperationalError("gone"))
    with pytest.raises(psycopg.OperationalError):
        table.work(errand)
    assert state(errand) == ("waiting", None, 1)


def test_a_suspended_installation_waits_and_does_not_hide_others_that_are_due(
    handler: Counter,
) -> None:
    errand = ask()
    rows("UPDATE installations SET state = 'suspended'")
    assert due() == []
    assert table.work(errand) is None
    assert state(errand) == ("waiting", None, 0)
    rows("UPDATE installations SET state = 'active'")
    assert due() == [errand]
    assert table.work(errand) is not None


def test_an_errand_of_a_repository_that_the_app_lost_ends_without_asking(handler: Counter) -> None:
    errand = ask()
    rows("UPDATE repositories SET state = 'removed'")
    table.work(errand)
    assert state(errand)[:2] == ("failed", "the App may not see octo/weather now")
    assert handler.given == []


def test_finished_errands_are_deleted_when_their_time_is_over(handler: Counter) -> None:
    old, recent, waiting = ask("v1"), ask("v2"), ask("v3")
    for errand in (old, recent):
        table.work(errand)
    rows("UPDATE errands SET finished_at = now() - interval '91 days' WHERE id = %s", old)
    with transaction() as connection:
        assert table.delete_finished(connection, days=90, limit=10) == 1
    assert rows("SELECT id FROM errands ORDER BY id") == [(recent,), (waiting,)]


def test_the_errands_that_are_due_are_found_through_an_index(handler: Counter) -> None:
    rows(
        """INSERT INTO errands (kind, repository_id, subject, state, finished_at)
           SELECT 'push', 1, 'refs/heads/b' || n % 50, 'done', now()
           FROM generate_series(1, 20000) AS n"""
    )
    ask("v1")
    rows("ANALYZE errands")
    plan = "\n".join(
        row[0]
        for row in rows(
            "EXPLAIN SELECT id FROM errands WHERE state = 'waiting' AND due_at <= now()"
        )
    )
    assert "Seq Scan" not in plan
