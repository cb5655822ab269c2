"""The ledger as people read it: which deliveries came, and why what happened or nothing did.

A payload is never read here: it may belong to a private repository.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from psycopg.rows import class_row

from config.database import Connection
from pipeline.overview.paging import Page, Window, cut, newest_of

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
        errands: What had to be asked of GitHub because of it, and what came of that, in words.
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
    errands: list[str]

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


_ROW = r"""
    SELECT d.id, d.guid, d.event, d.action, d.state, d.reason, d.repository, d.attempts,
           d.receptions, d.received_at, d.due_at, d.finished_at,
           ARRAY(SELECT r.id FROM runs r JOIN repositories p ON p.id = r.repository_id
                 WHERE r.delivery_id = d.id AND (%(private)s OR NOT p.private)
                 ORDER BY r.id LIMIT 20) AS run_ids,
           ARRAY(SELECT p.owner || '/' || p.name || ': ' || coalesce(l.reason, 'GitHub is asked')
                 FROM errands l JOIN repositories p ON p.id = l.repository_id
                 -- One that made a run needs no words: the run is listed.
                 WHERE l.delivery_id = d.id AND (l.state <> 'done' OR l.reason !~ '^run \d+ ')
                   AND (%(private)s OR NOT p.private)
                 ORDER BY l.id LIMIT 20) AS errands"""

_WANTED = """
    SELECT * FROM deliveries
    WHERE (%(state)s::text IS NULL OR state = %(state)s)
      AND (%(event)s::text IS NULL OR event = %(event)s)
      AND (%(repository)s::text IS NULL OR lower(repository) = lower(%(repository)s))
      AND (%(before)s::bigint IS NULL OR id < %(before)s)
      AND (%(after)s::bigint IS NULL OR id > %(after)s)"""


def list_sql(*, private: bool, oldest_first: bool) -> str:
    """The query of `list_deliveries`."""
    order = "d.id" if oldest_first else "d.id DESC"
    wanted = newest_of(_WANTED, private=private, oldest_first=oldest_first)
    return f"{_ROW} FROM ({wanted}) d ORDER BY {order}"


def list_deliveries(
    connection: Connection,
    window: Window,
    *,
    state: DeliveryState | None = None,
    event: str | None = None,
    repository: str | None = None,
    private: bool = False,
) -> Page[DeliveryRow]:
    """Deliveries, newest first.

    Args:
        state: Only those in this state.
        event: Only those of this event, such as `push`.
        repository: Only those about this `owner/name`, in any case.
        private: Also those that name a private repository.
    """
    filters = {"state": state, "event": event, "repository": repository, "private": private}
    sql = list_sql(private=private, oldest_first=window.after is not None)
    with connection.cursor(row_factory=class_row(DeliveryRow)) as cursor:
        rows = cursor.execute(sql, filters | window.parameters()).fetchall()
    return cut(rows, window)


def get_delivery(connection: Connection, guid: UUID, *, private: bool = False) -> Delivery | None:
    """The delivery with that `X-GitHub-Delivery`, or None.

    Args:
        private: Also one that names a private repository.
    """
    with connection.cursor(row_factory=class_row(Delivery)) as cursor:
        return cursor.execute(
            _ROW
            + """, d.hook_id, length(d.payload) AS size FROM deliveries d
                   WHERE d.guid = %(guid)s AND (%(private)s OR NOT d.private)""",
            {"guid": guid, "private": private},
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
