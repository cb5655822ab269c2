"""Processing deliveries: once, in order, together with their effects, and never for ever."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from config.database import connect, transaction
from pipeline import deliveries, drain
from pipeline.deliveries import MAX_ATTEMPTS, NewDelivery
from pipeline.drain import Processed, process_next
from tests.hooks import encode, push
from tests.polling import eventually

pytestmark = pytest.mark.usefixtures("database_url")


def deliver(payload: dict[str, Any], event: str = "push") -> UUID:
    """Store a delivery as the receiver does, without looking whether it will be ignored."""
    delivery = NewDelivery(
        guid=uuid4(),
        event=event,
        action=None,
        hook_id=None,
        repository=payload["repository"]["full_name"],
        payload=encode(payload),
        state="received",
        reason=None,
        private=False,
    )
    with transaction() as connection:
        deliveries.record(connection, [delivery])
    return delivery.guid


def push_of(number: int, repository: str = "octo/weather", repository_id: int = 1) -> UUID:
    payload = push(repository, after=f"{number:040x}", before=f"{number - 1:040x}")
    payload["repository"]["id"] = repository_id
    return deliver(payload)


def row(guid: UUID) -> dict[str, Any]:
    with transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute("SELECT * FROM deliveries WHERE guid = %s", (guid,)).fetchone()
    assert found is not None
    return found


def execute(statement: str) -> None:
    with transaction() as connection:
        connection.execute(statement)  # type: ignore[arg-type]


def make_due() -> None:
    execute("UPDATE deliveries SET due_at = now() WHERE state = 'failed'")


def drain_all() -> list[Processed]:
    return list(iter(process_next, None))


@pytest.fixture
def failing_intake(database_url: str) -> None:
    """Every push fails, after it has written something, with an error that quotes the payload."""
    execute(
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN RAISE EXCEPTION 'will not take % at %', NEW.details, NEW.subject; END $$;
           CREATE TRIGGER refuse BEFORE INSERT ON errands FOR EACH ROW EXECUTE FUNCTION refuse()"""
    )


def test_a_push_becomes_an_errand_and_says_so() -> None:
    guid = push_of(7)
    processed = process_next()
    assert processed is not None
    assert processed.outcome is not None
    stored = row(guid)
    assert (stored["state"], stored["attempts"]) == ("done", 1)
    assert stored["finished_at"] is not None
    assert stored["reason"] == "looking what 0000000 on main asks for"
    with transaction() as connection:
        errands = connection.execute(
            "SELECT id, kind, details ->> 'sha', delivery_id FROM errands"
        ).fetchall()
    assert errands == [(processed.outcome.errand_ids[0], "push", f"{7:040x}", stored["id"])]
    assert process_next() is None


def test_a_deleted_branch_is_ignored_with_the_reason() -> None:
    guid = deliver(push(ref="refs/heads/idea", deleted=True, after="0" * 40))
    drain_all()
    assert row(guid)["state"] == "ignored"
    assert "idea" in row(guid)["reason"]


@pytest.mark.usefixtures("failing_intake")
def test_a_failure_undoes_its_effects_and_is_tried_later() -> None:
    guid = push_of(1)
    processed = process_next()
    assert processed is not None
    assert processed.state == "failed"
    stored = row(guid)
    assert (stored["state"], stored["attempts"], stored["finished_at"]) == ("failed", 1, None)
    with transaction() as connection:
        assert connection.execute("SELECT count(*) FROM repositories").fetchone() == (0,)
        assert not deliveries.is_work_due(connection)
    execute("DROP TRIGGER refuse ON errands")
    make_due()
    assert [again.state for again in drain_all()] == ["done"]


@pytest.mark.usefixtures("failing_intake")
def test_the_reason_of_a_failure_names_the_place_and_quotes_nothing() -> None:
    guid = push_of(0xABC)
    process_next()
    reason = row(guid)["reason"]
    assert reason.startswith("RaiseException at pipeline/")
    assert "abc" not in reason
    assert "refs/heads" not in reason


@pytest.mark.usefixtures("failing_intake")
def test_after_the_last_attempt_a_delivery_is_dead_and_a_replay_revives_it() -> None:
    guid = push_of(1)
    waits = []
    for _ in range(MAX_ATTEMPTS):
        assert row(guid)["state"] != "dead"
        process_next()
        with transaction() as connection:
            waits.append(
                connection.execute("SELECT due_at - now() FROM deliveries").fetchone()[0]  # type: ignore[index]
            )
        make_due()
    assert waits == sorted(waits)
    stored = row(guid)
    assert (stored["state"], stored["attempts"]) == ("dead", MAX_ATTEMPTS)
    assert stored["reason"].startswith("RaiseException at ")
    assert process_next() is None

    execute("DROP TRIGGER refuse ON errands")
    with transaction() as connection:
        assert deliveries.replay(connection, guid)
    assert [again.state for again in drain_all()] == ["done"]


@pytest.mark.usefixtures("failing_intake")
def test_a_failed_delivery_holds_back_its_own_repository_only() -> None:
    first = push_of(1, "octo/weather", 1)
    process_next()
    second = push_of(2, "octo/weather", 1)
    execute("DROP TRIGGER refuse ON errands")
    other = push_of(3, "octo/clock", 2)
    drain_all()
    assert [row(guid)["state"] for guid in (first, second, other)] == ["failed", "received", "done"]
    make_due()
    assert [processed.guid for processed in drain_all()] == [first, second]


def test_many_workers_process_each_delivery_once_and_in_order() -> None:
    guids = [push_of(number, f"octo/r{number % 3}", number % 3 + 1) for number in range(1, 61)]
    with ThreadPoolExecutor(4) as workers:
        processed = list(chain.from_iterable(workers.map(lambda _: drain_all(), range(4))))
    assert sorted(done.guid for done in processed) == sorted(guids)
    assert {row(guid)["attempts"] for guid in guids} == {1}
    with transaction() as connection:
        asked = connection.execute(
            """SELECT repository_id, array_agg(details ->> 'sha' ORDER BY id) FROM errands
               GROUP BY repository_id ORDER BY repository_id"""
        ).fetchall()
    # The errands of a branch are worked off by their ids: those have the order of the pushes.
    assert asked == [
        (1, [f"{number:040x}" for number in range(3, 61, 3)]),
        (2, [f"{number:040x}" for number in range(1, 61, 3)]),
        (3, [f"{number:040x}" for number in range(2, 61, 3)]),
    ]


def test_a_delivery_that_comes_while_a_worker_waits_for_its_turn_is_seen() -> None:
    with connect() as holder, ThreadPoolExecutor(1) as worker:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (drain._LOCK,))
        waiting = worker.submit(process_next)
        eventually(lambda: _is_someone_waiting(holder))
        guid = push_of(1)
        holder.commit()
        processed = waiting.result()
    assert processed is not None
    assert processed.guid == guid


def _is_someone_waiting(connection: psycopg.Connection[Any]) -> bool:
    return bool(
        connection.execute(
            "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ).rowcount
    )


def _die_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Process one delivery in a worker that is killed in the middle of it."""
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(
            drain, "carry_out", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        )
        process_next()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_killed_worker_leaves_its_delivery_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    guid = push_of(1)
    _die_once(monkeypatch)
    other = push_of(2, "octo/clock", 2)
    assert [processed.guid for processed in drain_all()] == [other]
    execute("UPDATE deliveries SET due_at = now()")
    assert [processed.guid for processed in drain_all()] == [guid]
    assert row(guid)["attempts"] == 2


def test_a_delivery_that_kills_its_worker_each_time_is_dead_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guid = push_of(1)
    for _ in range(MAX_ATTEMPTS):
        _die_once(monkeypatch)
        execute("UPDATE deliveries SET due_at = now()")
    processed = process_next()
    assert processed is not None
    assert processed.state == "dead"
    assert row(guid)["reason"] == "the worker died each time it processed this delivery"


def test_postgresql_going_away_in_the_middle_costs_nothing() -> None:
    guid = push_of(1)
    execute(
        """CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
           CREATE TRIGGER crash BEFORE INSERT ON errands FOR EACH ROW EXECUTE FUNCTION crash()"""
    )
    with pytest.raises(psycopg.OperationalError):
        process_next()
    assert row(guid)["state"] == "received"
    execute("DROP TRIGGER crash ON errands")
    execute("UPDATE deliveries SET due_at = now()")
    assert [processed.state for processed in drain_all()] == ["done"]


def test_the_next_delivery_is_found_through_an_index_in_a_long_ledger() -> None:
    with transaction() as connection:
        connection.execute(
            """INSERT INTO deliveries (guid, event, payload, repository, state, finished_at)
               SELECT gen_random_uuid(), 'push', '', 'octo/r' || n % 50, 'done', now()
               FROM generate_series(1, 20000) AS n"""
        )
        connection.execute(
            """INSERT INTO deliveries (guid, event, payload, repository)
               SELECT gen_random_uuid(), 'push', '', 'octo/r' || n % 50
               FROM generate_series(1, 2000) AS n"""
        )
    execute("ANALYZE deliveries")
    with transaction() as connection:
        plan = "\n".join(
            line[0] for line in connection.execute(f"EXPLAIN {drain.NEXT_DUE}").fetchall()
        )
    assert "Seq Scan" not in plan
    assert "Sort" not in plan
    assert "deliveries_in_order" in plan
