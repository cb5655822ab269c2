"""The bell, the drain and the sweep, with real RQ workers on a real Redis and PostgreSQL."""

from uuid import UUID, uuid4

import pytest
from redis import Redis
from rq import Queue, SimpleWorker

from config.database import close_pool, transaction
from pipeline.deliveries import NewDelivery, record
from sandbox.embedded import EmbeddedRedis, Postgres
from tests.hooks import encode, push
from workers import jobs, queues

pytestmark = pytest.mark.usefixtures("database_url", "redis_url")


def deliver(*, days_old: int = 0) -> UUID:
    guid = uuid4()
    body = encode(push())
    delivery = NewDelivery(guid, "push", None, 1, "octo/weather", body, "received", None, False)
    with transaction() as connection:
        record(connection, [delivery])
        if days_old:
            connection.execute(
                """UPDATE deliveries SET state = 'done', finished_at = now() - interval '1 day' * %s
                   WHERE guid = %s""",
                (days_old, guid),
            )
    return guid


def states() -> dict[UUID, str]:
    with transaction() as connection:
        return dict(connection.execute("SELECT guid, state FROM deliveries").fetchall())


def asked() -> int:
    """How many errands wait."""
    with transaction() as connection:
        row = connection.execute("SELECT count(*) FROM errands WHERE state = 'waiting'").fetchone()
    assert row is not None
    return int(row[0])


def waiting(redis_url: str, queue: str = queues.DELIVERIES) -> int:
    return int(Queue(queue, connection=Redis.from_url(redis_url)).count)


def work(redis_url: str, queue: str = queues.DELIVERIES) -> None:
    """Do what is in a queue, in this process, until it is empty."""
    connection = Redis.from_url(redis_url)
    SimpleWorker([queue], connection=connection).work(burst=True)
    assert Queue(queue, connection=connection).failed_job_registry.count == 0


def test_the_bell_is_rung_once_until_a_worker_answers(redis_url: str) -> None:
    assert [queues.ring() for _ in range(3)] == [True, False, False]
    assert waiting(redis_url) == 1
    queues.answer()
    assert queues.ring()
    assert waiting(redis_url) == 2


def test_a_ring_makes_a_worker_process_all_that_waits_and_queue_what_comes_of_it(
    redis_url: str,
) -> None:
    guids = [deliver() for _ in range(5)]
    queues.ring()
    work(redis_url)
    assert states() == dict.fromkeys(guids, "done")
    # All of them ask the same of GitHub, so that it is asked once; it may be rung for again.
    assert asked() == 1
    assert waiting(redis_url, queues.REPORTS) == 5


def test_a_delivery_that_comes_during_a_drain_is_not_missed(redis_url: str) -> None:
    first = deliver()
    queues.ring()
    # The drain has silenced the bell before it looks, so that this ring is heard.
    queues.answer()
    second = deliver()
    assert queues.ring()
    work(redis_url)
    assert states() == {first: "done", second: "done"}


def test_a_sweep_rings_for_deliveries_that_nobody_was_rung_for(redis_url: str) -> None:
    guid = deliver()
    jobs.sweep()
    assert waiting(redis_url) == 1
    work(redis_url)
    assert states() == {guid: "done"}
    jobs.sweep()
    assert waiting(redis_url) == 0


def test_a_redis_that_was_emptied_costs_only_the_time_until_the_sweep(redis_url: str) -> None:
    guid = deliver()
    queues.ring()
    Redis.from_url(redis_url).flushall()
    jobs.sweep()
    work(redis_url)
    assert states() == {guid: "done"}


def test_a_drain_goes_on_while_redis_is_away(redis_server: EmbeddedRedis, redis_url: str) -> None:
    guid = deliver()
    redis_server.stop()
    try:
        jobs.drain()
    finally:
        redis_server.start()
    assert states() == {guid: "done"}
    assert waiting(redis_url, queues.REPORTS) == 0
    jobs.sweep()
    assert waiting(redis_url, queues.REPORTS) == 1


@pytest.mark.usefixtures("impatient")
def test_a_drain_ends_quietly_while_postgresql_is_away(postgres: Postgres) -> None:
    guid = deliver()
    postgres.stop()
    try:
        jobs.drain()
        jobs.sweep()
    finally:
        postgres.start()
        close_pool()  # RQ forks a process for each job, and each has a pool of its own
    assert states() == {guid: "received"}
    jobs.drain()
    assert states() == {guid: "done"}


def test_finished_deliveries_are_deleted_when_their_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "_RETENTION_BATCH", 2)
    old = [deliver(days_old=91) for _ in range(5)]
    recent, new = deliver(days_old=89), deliver()
    jobs.delete_old()
    assert states() == {recent: "done", new: "received"}
    assert not set(old) & set(states())
