"""The ledger: what is stored, what a redelivery changes, and what is deleted when."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from config.database import Connection, transaction
from pipeline import deliveries
from pipeline.deliveries import NewDelivery, record
from tests.hooks import encode, push

pytestmark = pytest.mark.usefixtures("database_url")


def new(**changes: Any) -> NewDelivery:
    fields: dict[str, Any] = {
        "guid": uuid4(),
        "event": "push",
        "action": None,
        "hook_id": 7,
        "repository": "octo/weather",
        "payload": encode(push()),
        "state": "received",
        "reason": None,
        "private": False,
    }
    return NewDelivery(**(fields | changes))


def row(connection: Connection, guid: UUID) -> dict[str, Any]:
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        found = cursor.execute("SELECT * FROM deliveries WHERE guid = %s", (guid,)).fetchone()
    assert found is not None
    return found


def put(connection: Connection, guid: UUID, state: str) -> None:
    connection.execute(
        """UPDATE deliveries SET state = %s, attempts = 3, reason = 'because',
               due_at = now() + interval '1 h', finished_at = now() WHERE guid = %s""",
        (state, guid),
    )


def test_a_group_is_stored_with_every_field_and_body_byte() -> None:
    bodies = [bytes(range(256)), b"{}", encode(push())]
    group = [new(payload=body, event=f"e{index}") for index, body in enumerate(bodies)]
    group.append(new(action="created", hook_id=None, repository=None, private=True))
    with transaction() as connection:
        recorded = record(connection, group)
        for delivery in group:
            stored = row(connection, delivery.guid)
            assert recorded[delivery.guid].id == stored["id"]
            assert recorded[delivery.guid].receptions == 1
            for field in (
                "event",
                "action",
                "hook_id",
                "repository",
                "payload",
                "state",
                "private",
            ):
                assert stored[field] == getattr(delivery, field)


def test_an_ignored_delivery_is_finished_with_its_reason() -> None:
    delivery = new(state="ignored", reason="Sigil does not act on star events.")
    with transaction() as connection:
        record(connection, [delivery])
        stored = row(connection, delivery.guid)
        assert (stored["state"], stored["reason"]) == ("ignored", delivery.reason)
        assert stored["finished_at"] is not None
        assert not deliveries.is_work_due(connection)


def test_a_delivery_that_is_in_a_group_twice_is_one_row_received_twice() -> None:
    delivery = new()
    with transaction() as connection:
        recorded = record(connection, [delivery, new(), delivery])
        assert recorded[delivery.guid].receptions == 2
        assert len(recorded) == 2


@pytest.mark.parametrize("state", ["received", "queued", "done", "ignored"])
def test_a_redelivery_of_what_waits_or_is_finished_is_only_counted(state: str) -> None:
    delivery = new()
    with transaction() as connection:
        record(connection, [delivery])
        put(connection, delivery.guid, state)
        before = row(connection, delivery.guid)
        again = record(connection, [delivery])[delivery.guid]
        assert (again.state, again.receptions) == (state, 2)
        assert row(connection, delivery.guid) == before | {"receptions": 2}


@pytest.mark.parametrize("state", ["failed", "dead"])
def test_a_redelivered_failed_delivery_starts_anew(state: str) -> None:
    delivery = new()
    with transaction() as connection:
        record(connection, [delivery])
        put(connection, delivery.guid, state)
        again = record(connection, [delivery])[delivery.guid]
        assert (again.state, again.receptions, again.reason) == ("received", 2, None)
        stored = row(connection, delivery.guid)
        assert (stored["attempts"], stored["finished_at"]) == (0, None)
        assert deliveries.is_work_due(connection)


def test_a_replay_makes_any_delivery_wait_again() -> None:
    delivery = new()
    with transaction() as connection:
        record(connection, [delivery])
        put(connection, delivery.guid, "done")
        assert deliveries.replay(connection, delivery.guid)
        assert row(connection, delivery.guid)["state"] == "received"
        assert not deliveries.replay(connection, uuid4())


def test_all_dead_deliveries_are_replayed_and_no_others() -> None:
    dead, done = new(), new()
    with transaction() as connection:
        record(connection, [dead, done])
        put(connection, dead.guid, "dead")
        put(connection, done.guid, "done")
        assert deliveries.replay_dead(connection) == [dead.guid]
        assert row(connection, done.guid)["state"] == "done"


def test_old_finished_deliveries_are_deleted_and_waiting_ones_kept() -> None:
    old, waiting, recent = new(), new(), new()
    with transaction() as connection:
        record(connection, [old, waiting, recent])
        put(connection, old.guid, "done")
        put(connection, recent.guid, "done")
        connection.execute(
            """UPDATE deliveries SET received_at = now() - interval '91 days',
                   finished_at = finished_at - interval '91 days' WHERE guid = ANY(%s)""",
            ([old.guid, waiting.guid],),
        )
        assert deliveries.delete_finished(connection, days=90, limit=10) == 1
        assert deliveries.guid_of(connection, row(connection, waiting.guid)["id"]) == waiting.guid
        assert row(connection, recent.guid)["state"] == "done"


def test_a_batch_deletes_no_more_than_it_may() -> None:
    group = [new() for _ in range(5)]
    with transaction() as connection:
        record(connection, group)
        for delivery in group:
            put(connection, delivery.guid, "done")
        connection.execute("UPDATE deliveries SET finished_at = now() - interval '91 days'")
        assert deliveries.delete_finished(connection, days=90, limit=3) == 3
        assert deliveries.delete_finished(connection, days=90, limit=3) == 2


def test_the_body_is_given_back_as_it_came() -> None:
    delivery = new(payload=b'{"a":\t1}\r\n')
    with transaction() as connection:
        record(connection, [delivery])
        assert deliveries.payload_of(connection, delivery.guid) == delivery.payload
        with pytest.raises(LookupError):
            deliveries.payload_of(connection, uuid4())
