"""Whether GitHub and Sigil have found each other: deliveries that arrive, installations, and what
permissions they lack."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from config.database import Connection
from pipeline.github.permissions import Missing, missing

# The ping is the first delivery of an App; further back nobody looks for it.
_RECENT = 200


@dataclass(frozen=True)
class Arrival:
    """What has arrived from GitHub.

    Attributes:
        accepted_at: When the newest delivery of this App was accepted.
        event: Which event that was.
        ping_at: When GitHub's ping was, among the last few hundred deliveries.
        installations: Active ones.
        repositories: Those that they cover.
        lacking: Permissions that installations lack, and how many of them do.
    """

    accepted_at: datetime | None
    event: str | None
    ping_at: datetime | None
    installations: int
    repositories: int
    lacking: tuple[tuple[Missing, int], ...]


def read_arrival(connection: Connection, *, since: datetime | None) -> Arrival:
    """What has arrived.

    Args:
        since: When the App was stored; what came before was another App's.
    """
    newest = connection.execute(
        "SELECT received_at, event FROM deliveries ORDER BY id DESC LIMIT 1"
    ).fetchone()
    if newest and since and newest[0] < since:
        newest = None
    ping = connection.execute(
        """SELECT received_at
           FROM (SELECT id, event, received_at FROM deliveries ORDER BY id DESC LIMIT %(recent)s) d
           WHERE event = 'ping'
             AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
           ORDER BY id DESC LIMIT 1""",
        {"since": since, "recent": _RECENT},
    ).fetchone()
    counted = connection.execute(
        """SELECT (SELECT count(*) FROM installations WHERE state = 'active'),
                  (SELECT count(*) FROM repositories WHERE state = 'active')"""
    ).fetchone()
    assert counted is not None, "a SELECT without FROM has one row"
    return Arrival(
        accepted_at=newest[0] if newest else None,
        event=newest[1] if newest else None,
        ping_at=ping[0] if ping else None,
        installations=counted[0],
        repositories=counted[1],
        lacking=_lacking(connection),
    )


def _lacking(connection: Connection) -> tuple[tuple[Missing, int], ...]:
    # An empty object: what is granted is not known yet.
    rows = connection.execute(
        """SELECT permissions, count(*) FROM installations
           WHERE state = 'active' AND permissions <> '{}' GROUP BY permissions"""
    ).fetchall()
    found: Counter[Missing] = Counter()
    for granted, count in rows:
        for one in missing(granted):
            found[one] += count
    return tuple(found.items())
