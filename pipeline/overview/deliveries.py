"""The ledger as people read it: which deliveries came, and why what happened or nothing did.

A payload is never read here: it may belong to a private repository.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from psycopg.rows import class_row

from config.database import Connection
from pipeline.overview.paging import Page, Window, cut

DeliveryState = Literal["received", "queued", "done", "ignored", "failed", "dead"]
DELIVERY_STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)
WAITING = ("received", "queued", "failed")


@dataclass(frozen=True)
class DeliveryRow:
    """A delivery in a list.

    Attributes:
        reason: In words: why it was ignored or failed, or what came of it.
        attempts: How often it was processed.
        receptions: How often GitHub sent it.
        due_at: When it is processed next, while it waits.
        run_ids: The runs it started, oldest first.
        lookups: What had to be asked of GitHub because of it, and what came of that, in words.
    """

    id: int
    guid: UUID
    event: str
    action: str | None
    state: DeliveryState
    reason: str | None
    repository: str | None
    attempts: int
    receptions: int
    received_at: datetime
    due_at: datetime
    finished_at: datetime | None
    run_ids: list[int]
    lookups: list[str]

    @property
    def name(self) -> str:
        """The event as GitHub's documentation writes it, such as `installation.created`."""
        return f"{self.event}.{self.action}" if self.action else self.event

    @property
    def waiting(self) -> bool:
        """Whether it will be processed (again)."""
        return self.state in WAITING


@dataclass(frozen=True)
class Delivery(DeliveryRow):
    """One delivery with the facts of its headers. `size` is its payload's, in bytes."""

    hook_id: int | None
    size: int


_ROW = """
    SELECT d.id, d.guid, d.event, d.action, d.state, d.reason, d.repository, d.attempts,
           d.receptions, d.received_at, d.due_at, d.finished_at,
           ARRAY(SELECT id FROM runs WHERE delivery_id = d.id ORDER BY id LIMIT 20) AS run_ids,
           ARRAY(SELECT p.owner || '/' || p.name || ': ' || coalesce(l.reason, 'GitHub is asked')
                 FROM lookups l JOIN repositories p ON p.id = l.repository_id
                 -- One that made a run needs no words: the run is listed.
                 WHERE l.delivery_id = d.id AND (l.state <> 'done' OR l.reason NOT LIKE 'run %%')
                 ORDER BY l.id LIMIT 20) AS lookups"""

_LIST = (
    _ROW
    + """
    FROM deliveries d
    WHERE (%(state)s::text IS NULL OR d.state = %(state)s)
      AND (%(event)s::text IS NULL OR d.event = %(event)s)
      AND (%(repository)s::text IS NULL OR lower(d.repository) = lower(%(repository)s))
      AND (%(before)s::bigint IS NULL OR d.id < %(before)s)
      AND (%(after)s::bigint IS NULL OR d.id > %(after)s)
"""
)
NEWEST_FIRST = _LIST + " ORDER BY d.id DESC LIMIT %(limit)s"
OLDEST_FIRST = _LIST + " ORDER BY d.id LIMIT %(limit)s"


def list_deliveries(
    connection: Connection,
    window: Window,
    *,
    state: DeliveryState | None = None,
    event: str | None = None,
    repository: str | None = None,
) -> Page[DeliveryRow]:
    """Deliveries, newest first.

    Args:
        state: Only those in this state.
        event: Only those of this event, such as `push`.
        repository: Only those about this `owner/name`, in any case.
    """
    filters = {"state": state, "event": event, "repository": repository}
    sql = NEWEST_FIRST if window.after is None else OLDEST_FIRST
    with connection.cursor(row_factory=class_row(DeliveryRow)) as cursor:
        rows = cursor.execute(sql, filters | window.parameters()).fetchall()
    return cut(rows, window)


def get_delivery(connection: Connection, guid: UUID) -> Delivery | None:
    """The delivery with that `X-GitHub-Delivery`, or None."""
    with connection.cursor(row_factory=class_row(Delivery)) as cursor:
        return cursor.execute(
            _ROW
            + ", d.hook_id, length(d.payload) AS size FROM deliveries d WHERE d.guid = %(guid)s",
            {"guid": guid},
        ).fetchone()


def list_events(connection: Connection) -> tuple[str, ...]:
    """The events that the ledger holds, for a filter's choices."""
    # One step in the index per event, instead of reading the whole ledger:
    # https://wiki.postgresql.org/wiki/Loose_indexscan
    rows = connection.execute(
        """
        WITH RECURSIVE events AS (
            (SELECT event FROM deliveries ORDER BY event LIMIT 1)
            UNION ALL
            SELECT (SELECT event FROM deliveries WHERE event > e.event ORDER BY event LIMIT 1)
            FROM events e WHERE e.event IS NOT NULL
        )
        SELECT event FROM events WHERE event IS NOT NULL LIMIT 200
        """
    ).fetchall()
    return tuple(row[0] for row in rows)
