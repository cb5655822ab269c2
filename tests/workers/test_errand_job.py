"""The job of an errand: what it rings for, with a real Redis and PostgreSQL."""

from collections.abc import Iterator

import pytest
from redis import Redis
from rq import Queue

from config.database import transaction
from pipeline.errands import base, table
from pipeline.errands.base import Done, Errand
from tests import seed
from workers import jobs, queues

pytestmark = pytest.mark.usefixtures("database_url", "redis_url")


@pytest.fixture
def answer() -> Iterator[list[Done]]:
    """What the handler of `tag` errands answers while the test runs; the last of the list."""
    answers = [Done("well done")]
    before = base.handler_of("tag")

    def handler(_: Errand) -> Done:
        return answers[-1]

    base.handles("tag")(handler)
    yield answers
    base.handles("tag")(before)


def ask(subject: str = "v1", turn: int = 1) -> int:
    with transaction() as connection:
        return table.ask(
            connection, "tag", repository_id=1, subject=subject, details={"turn": turn}
        )


def rung(redis_url: str, queue: str) -> list[tuple[str, tuple[int, ...]]]:
    found = Queue(queue, connection=Redis.from_url(redis_url)).jobs
    return [(job.func_name.removeprefix("workers.jobs."), tuple(job.args)) for job in found]


def test_the_runs_and_errands_that_come_of_it_are_rung_for(
    redis_url: str, answer: list[Done]
) -> None:
    seed.repository()
    errand, behind = ask(), ask(turn=2)
    answer.append(Done("made", run_ids=(7,), errand_ids=(8,)))
    jobs.errand(errand)
    assert rung(redis_url, queues.RUNS) == [("run", (7,))]
    assert rung(redis_url, queues.REPORTS) == [
        ("report", (7,)),
        ("errand", (8,)),
        ("errand", (behind,)),
    ]
    assert rung(redis_url, queues.MAINTENANCE) == []


def test_a_server_that_is_not_wanted_any_more_is_cleared_up_soon(
    redis_url: str, answer: list[Done]
) -> None:
    seed.repository()
    answer.append(Done("closed", clear_up=True))
    jobs.errand(ask())
    assert rung(redis_url, queues.MAINTENANCE) == [("clear_up", ())]


def test_an_errand_that_is_not_to_be_had_rings_for_nothing(
    redis_url: str, answer: list[Done]
) -> None:
    seed.repository()
    ask()
    jobs.errand(ask(turn=2))
    assert rung(redis_url, queues.REPORTS) == []


def test_the_sweep_rings_for_errands_that_nobody_was_rung_for(
    redis_url: str, answer: list[Done]
) -> None:
    seed.repository()
    first, other = ask(), ask("v2")
    ask(turn=2)
    jobs.sweep()
    assert rung(redis_url, queues.REPORTS) == [("errand", (first,)), ("errand", (other,))]


def test_old_errands_are_deleted(answer: list[Done]) -> None:
    seed.repository()
    jobs.errand(ask())
    with transaction() as connection:
        connection.execute("UPDATE errands SET finished_at = now() - interval '91 days'")
    waiting = ask("v2")
    jobs.delete_old()
    with transaction() as connection:
        assert connection.execute("SELECT id FROM errands").fetchall() == [(waiting,)]
