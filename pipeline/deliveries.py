"""The ledger of webhook deliveries: what GitHub sent, and what came of it.

This file owns the table `deliveries`. Working through what waits in it is `pipeline/drain.py`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from config.database import Connection

State = Literal["received", "queued", "done", "ignored", "failed", "dead"]
"""received: stored. queued: seen by a worker. done, ignored: finished, the reason says how.
failed: will be tried again. dead: tried often enough; someone has to look and replay it."""

MAX_ATTEMPTS = 8
"""With delays that double from 10 s, the last attempt comes 21 minutes after the first."""


@dataclass(frozen=True)
class NewDelivery:
    """A delivery as it comes in. One that needs no work is stored as ignored, with the reason.

    Attributes:
        private: Whether it names a private repository, so that the pages do not show it to all.
    """

    guid: UUID
    event: str
    action: str | None
    hook_id: int | None
    repository: str | None
    payload: bytes
    state: Literal["received", "ignored"]
    reason: str | None
    private: bool


@dataclass(frozen=True)
class Recorded:
    """What the ledger says of a delivery right after it came in."""

    id: int
    guid: UUID
    state: State
    reason: str | None
    receptions: int


# GitHub sends a delivery again under the same GUID when someone asks for that, so its recorded
# state decides: what failed starts anew, what waits or is finished is only counted.
_RECORD = """
    INSERT INTO deliveries (guid, event, action, hook_id, repository, payload, state, reason,
                            private, receptions, finished_at)
    SELECT guid, event, action, hook_id, repository, payload, state, reason, private, receptions,
           CASE WHEN state = 'ignored' THEN now() END
    FROM unnest(%(guid)b::uuid[], %(event)b::text[], %(action)b::text[], %(hook_id)b::bigint[],
                %(repository)b::text[], %(payload)b::bytea[], %(state)b::text[],
                %(reason)b::text[], %(private)b::boolean[], %(receptions)b::integer[])
         AS new (guid, event, action, hook_id, repository, payload, state, reason, private,
                 receptions)
    ON CONFLICT (guid) DO UPDATE SET
        receptions = deliveries.receptions + excluded.receptions,
        state = CASE WHEN deliveries.state IN ('failed', 'dead') THEN excluded.state
                     ELSE deliveries.state END,
        reason = CASE WHEN deliveries.state IN ('failed', 'dead') THEN excluded.reason
                      ELSE deliveries.reason END,
        attempts = CASE WHEN deliveries.state IN ('failed', 'dead') THEN 0
                        ELSE deliveries.attempts END,
        due_at = CASE WHEN deliveries.state IN ('failed', 'dead') THEN now()
                      ELSE deliveries.due_at END,
        finished_at = CASE WHEN deliveries.state IN ('failed', 'dead') THEN excluded.finished_at
                           ELSE deliveries.finished_at END
    RETURNING id, guid, state, reason, receptions"""


def record(connection: Connection, group: Sequence[NewDelivery]) -> dict[UUID, Recorded]:
    """Store a group of deliveries in one statement, and return what the ledger now says of each.

    A delivery that is in the group twice, or was stored before, is counted; it is worked on again
    only when it had failed.
    """
    unique = {delivery.guid: delivery for delivery in group}
    columns: dict[str, list[Any]] = {
        field.name: [getattr(delivery, field.name) for delivery in unique.values()]
        for field in fields(NewDelivery)
    }
    times = Counter(delivery.guid for delivery in group)
    columns["receptions"] = [times[guid] for guid in unique]
    with connection.cursor(row_factory=class_row(Recorded)) as cursor:
        cursor.execute(_RECORD, columns)
        return {row.guid: row for row in cursor}


def mark_queued(connection: Connection, *, limit: int = 1000) -> None:
    """Note that a worker has seen the deliveries that came in, oldest first."""
    # The three states are named for the partial index, which holds only what waits.
    connection.execute(
        """UPDATE deliveries SET state = 'queued' WHERE id IN (
               SELECT id FROM deliveries
               WHERE state = 'received' AND state IN ('received', 'queued', 'failed')
               ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)""",
        {"limit": limit},
    )


def is_work_due(connection: Connection) -> bool:
    """Whether a delivery waits that may be processed now."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        cursor.execute(
            """SELECT EXISTS (SELECT FROM deliveries
                   WHERE state IN ('received', 'queued', 'failed') AND due_at <= now())"""
        )
        return bool(cursor.fetchone())


def guid_of(connection: Connection, delivery_id: int) -> UUID | None:
    """The GUID of the delivery with that id of ours."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        cursor.execute("SELECT guid FROM deliveries WHERE id = %(id)s", {"id": delivery_id})
        guid: UUID | None = cursor.fetchone()
    return guid


def payload_of(connection: Connection, guid: UUID) -> bytes:
    """The body that GitHub sent.

    Raises:
        LookupError: there is no such delivery.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        payload = cursor.execute(
            "SELECT payload FROM deliveries WHERE guid = %(guid)s", {"guid": guid}
        ).fetchone()
    if payload is None:
        raise LookupError(f"there is no delivery {guid}")
    return bytes(payload)


_REPLAY = """
    UPDATE deliveries SET state = 'received', reason = NULL, attempts = 0, due_at = now(),
        finished_at = NULL"""


def replay(connection: Connection, guid: UUID) -> bool:
    """Have a delivery processed again, whatever its state. False when there is no such one."""
    replayed = connection.execute(_REPLAY + " WHERE guid = %(guid)s", {"guid": guid})
    return replayed.rowcount == 1


def replay_dead(connection: Connection) -> list[UUID]:
    """Have every dead delivery processed again; return their GUIDs."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(_REPLAY + " WHERE state = 'dead' RETURNING guid").fetchall()


def delete_finished(connection: Connection, *, days: int, limit: int) -> int:
    """Delete deliveries that were finished more than `days` ago; return how many.

    Args:
        days: Dead ones count as finished too; nobody has replayed them in all that time.
        limit: At most so many, so that one statement does not hold locks for long.
    """
    return connection.execute(
        """DELETE FROM deliveries WHERE id IN (
               SELECT id FROM deliveries WHERE finished_at < now() - make_interval(days => %(days)s)
               ORDER BY finished_at LIMIT %(limit)s)""",
        {"days": days, "limit": limit},
    ).rowcount
