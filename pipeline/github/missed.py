"""The tables of the redelivery sweep: how far it is, and the deliveries that never came.

A delivery that the ledger holds has come, whatever became of it: Sigil answers GitHub only once it
is stored, and keeps it for longer than GitHub can deliver it again.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from config.database import Connection

KEPT = timedelta(days=3)
"""So long GitHub keeps a delivery and delivers it again.

https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks"""

LOOK_BACK = timedelta(hours=3)
"""A sweep looks back at least so far."""

LEASE = timedelta(minutes=2)
"""So long a sweep is its worker's after each step. Longer than any request takes."""

MAX_ASKED = 8
"""So often GitHub is asked for one delivery: with growing pauses, for as long as it keeps it."""


class LostSweep(Exception):
    """The sweep belongs to another worker now. Nothing more may be written."""


@dataclass(frozen=True)
class Sweep:
    """A sweep under way, owned by its claim."""

    claim: UUID
    began_at: datetime
    since: datetime
    cursor: str | None
    listed: bool


@dataclass(frozen=True)
class Attempt:
    """An attempt of GitHub's to deliver, which failed."""

    github_id: int
    guid: UUID
    event: str
    action: str | None
    delivered_at: datetime


@dataclass(frozen=True)
class Missed:
    """A delivery to ask for. `came`: it is in the ledger after all."""

    guid: UUID
    github_id: int
    event: str
    action: str | None
    came: bool


@dataclass(frozen=True)
class Progress:
    """How far the sweep under way is, or how the last one ended.

    Attributes:
        last_swept_at: When the last one that came to its end began.
        looked: Failed attempts of GitHub's that it read.
        missed: Deliveries that it found and that had not come.
        asked: How often it asked GitHub to deliver again.
        missing: Deliveries that have not come until now, whichever sweep found them.
    """

    last_swept_at: datetime | None
    began_at: datetime | None
    since: datetime | None
    due_at: datetime
    looked: int
    missed: int
    asked: int
    missing: int
    problem: str | None


def is_due(connection: Connection) -> bool:
    """Whether a sweep that was begun waits to be taken up again."""
    row = connection.execute(
        "SELECT began_at IS NOT NULL AND due_at <= now() FROM recovery"
    ).fetchone()
    return bool(row and row[0])


def progress(connection: Connection) -> Progress:
    """How far it is."""
    with connection.cursor(row_factory=class_row(Progress)) as cursor:
        found = cursor.execute(
            """SELECT last_swept_at, began_at, since, due_at, looked, missed, asked, problem,
                      (SELECT count(*) FROM missed_deliveries m
                       WHERE NOT EXISTS (SELECT FROM deliveries WHERE guid = m.guid)) AS missing
               FROM recovery"""
        ).fetchone()
    assert found is not None
    return found


def take(connection: Connection, *, start: bool, look_back: timedelta) -> Sweep | None:
    """Take up the sweep that was begun, or begin one; None when another worker has it.

    A new sweep looks back to where the last complete one began, and at least `look_back`.

    Args:
        start: Begin a new one when none was begun.
    """
    with connection.cursor(row_factory=class_row(Sweep)) as cursor:
        return cursor.execute(
            f"""UPDATE recovery SET claim = %(claim)s, due_at = now() + %(lease)s,
                       began_at = coalesce(began_at, now()),
                       {_WHEN_NEW}
                WHERE due_at <= now() AND (began_at IS NOT NULL OR %(start)s)
                RETURNING claim, began_at, since, cursor, listed""",
            {
                "claim": uuid.uuid4(),
                "lease": LEASE,
                "start": start,
                "kept": KEPT,
                "back": look_back,
            },
        ).fetchone()


_WHEN_NEW: LiteralString = """
    since = CASE WHEN began_at IS NULL
                 THEN greatest(now() - %(kept)s,
                               least(now() - %(back)s, coalesce(last_swept_at, '-infinity')))
                 ELSE since END,
    looked = CASE WHEN began_at IS NULL THEN 0 ELSE looked END,
    missed = CASE WHEN began_at IS NULL THEN 0 ELSE missed END,
    asked = CASE WHEN began_at IS NULL THEN 0 ELSE asked END"""


def note_page(
    connection: Connection,
    sweep: Sweep,
    failed: Iterable[Attempt],
    *,
    looked: int,
    cursor: str | None,
) -> None:
    """Keep what a page of GitHub's list told, and where to go on.

    Args:
        cursor: Of the next page; None after the last one.

    Raises:
        LostSweep: another worker has it now.
    """
    found = 0
    for attempt in failed:
        found += connection.execute(
            """INSERT INTO missed_deliveries (guid, github_id, event, action, delivered_at)
               SELECT %(guid)s, %(github_id)s, %(event)s, %(action)s, %(delivered_at)s
               WHERE NOT EXISTS (SELECT FROM deliveries WHERE guid = %(guid)s)
               ON CONFLICT (guid) DO UPDATE
               SET github_id = greatest(missed_deliveries.github_id, excluded.github_id),
                   delivered_at = least(missed_deliveries.delivered_at, excluded.delivered_at)
               RETURNING xmax = 0""",
            vars(attempt),
        ).fetchone() == (True,)
    _hold(connection, sweep)
    connection.execute(
        """UPDATE recovery SET looked = looked + %(looked)s, missed = missed + %(missed)s,
                  cursor = %(cursor)s, listed = %(cursor)s::text IS NULL""",
        {"looked": looked, "missed": found, "cursor": cursor},
    )


def start_over(connection: Connection, sweep: Sweep) -> None:
    """Read GitHub's list from its beginning: GitHub does not know the cursor any more.

    Raises:
        LostSweep: another worker has it now.
    """
    _hold(connection, sweep)
    connection.execute("UPDATE recovery SET cursor = NULL, listed = false")


def tidy(connection: Connection) -> int:
    """Forget the deliveries that came, and those that GitHub has forgotten; return how many of the
    latter there were: nobody can have them any more."""
    connection.execute(
        """DELETE FROM missed_deliveries m
           WHERE EXISTS (SELECT FROM deliveries WHERE guid = m.guid)"""
    )
    return connection.execute(
        "DELETE FROM missed_deliveries WHERE delivered_at < now() - %s", (KEPT,)
    ).rowcount


NEXT = """
    SELECT guid, github_id, event, action,
           EXISTS (SELECT FROM deliveries WHERE guid = oldest.guid) AS came
    FROM (SELECT * FROM missed_deliveries
          WHERE given_up IS NULL AND asked < %(most)s
            AND (asked_at IS NULL OR asked_at < %(began)s AND asked_at < now() - %(pause)s
                 AND (asked_at < now() - least(%(pause)s * 2 ^ (asked - 1), interval '12 hours')
                      -- It was asked for while nothing came through, and now something does.
                      OR asked_at < (SELECT received_at FROM deliveries ORDER BY id DESC LIMIT 1)))
          ORDER BY delivered_at, github_id LIMIT 1) AS oldest"""


def next_missed(connection: Connection, sweep: Sweep, *, pause: timedelta) -> Missed | None:
    """The oldest delivery that is to be asked for now.

    Args:
        pause: How long it may take to come before it is asked for again; doubled each time, while
            nothing else comes either.
    """
    asked = {"most": MAX_ASKED, "began": sweep.began_at, "pause": pause}
    with connection.cursor(row_factory=class_row(Missed)) as cursor:
        # One may have come by itself since the sweep began.
        while (found := cursor.execute(NEXT, asked).fetchone()) is not None and found.came:
            cursor.execute("DELETE FROM missed_deliveries WHERE guid = %s", (found.guid,))
    return found


def note_asked(connection: Connection, sweep: Sweep, missed: Missed) -> None:
    """GitHub will deliver it again.

    Raises:
        LostSweep: another worker has it now.
    """
    connection.execute(
        "UPDATE missed_deliveries SET asked = asked + 1, asked_at = now() WHERE guid = %s",
        (missed.guid,),
    )
    _hold(connection, sweep)
    connection.execute("UPDATE recovery SET asked = asked + 1")


def give_up(connection: Connection, missed: Missed, why: str) -> None:
    """GitHub will not deliver it again."""
    connection.execute(
        "UPDATE missed_deliveries SET given_up = %s WHERE guid = %s", (why, missed.guid)
    )


def put_back(
    connection: Connection, sweep: Sweep, *, until: datetime | None, problem: str | None
) -> None:
    """Give the sweep back, to be taken up again at `until`, or at once."""
    connection.execute(
        """UPDATE recovery SET claim = NULL, due_at = coalesce(%(until)s, now()),
                  problem = %(problem)s WHERE claim = %(claim)s""",
        {"until": until, "problem": problem, "claim": sweep.claim},
    )


def end(connection: Connection, sweep: Sweep) -> None:
    """The sweep has come to its end: the next one looks back to where it began."""
    connection.execute(
        """UPDATE recovery SET last_swept_at = began_at, began_at = NULL, cursor = NULL,
                  listed = false, claim = NULL, due_at = now(), problem = NULL
           WHERE claim = %s""",
        (sweep.claim,),
    )


def _hold(connection: Connection, sweep: Sweep) -> None:
    held = connection.execute(
        "UPDATE recovery SET due_at = now() + %s WHERE claim = %s", (LEASE, sweep.claim)
    )
    if held.rowcount != 1:
        raise LostSweep
