"""The table of errands: asking for one, and working one off."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from psycopg.types.json import Jsonb

from config.database import Connection, transaction
from pipeline import runs
from pipeline.errands.base import Done, Errand, Kind, handler_of
from pipeline.github.client import GitHubAway, GitHubHeld, GitHubRefused, retry_moment

MAX_ATTEMPTS = 12
"""After that many failures, about an hour, an errand is given up."""

_DOUBTS = 4
"""So often a 403 or 404 is taken for GitHub's: a fresh installation is unknown for some seconds."""

_LEASE_SECONDS = 60

log = structlog.get_logger(__name__)


def ask(
    connection: Connection,
    kind: Kind,
    *,
    repository_id: int,
    subject: str = "",
    details: dict[str, Any] | None = None,
    delivery_id: int | None = None,
    due_in: float = 0,
) -> int:
    """Ask for an errand, once while the same one waits; return its id.

    Args:
        due_in: Seconds until it may be done.
    """
    row = connection.execute(
        """INSERT INTO errands (kind, repository_id, subject, details, delivery_id, due_at)
           VALUES (%(kind)s, %(repository)s, %(subject)s, %(details)s, %(delivery)s,
                   now() + make_interval(secs => %(due)s))
           ON CONFLICT (repository_id, kind, subject, md5(details::text)) WHERE state = 'waiting'
           DO UPDATE SET due_at = least(errands.due_at, excluded.due_at) RETURNING id""",
        {
            "kind": kind,
            "repository": repository_id,
            "subject": subject,
            "details": Jsonb(details or {}),
            "delivery": delivery_id,
            "due": due_in,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def due(connection: Connection, *, limit: int = 200) -> list[int]:
    """Errands whose time has come and that no earlier one of the same subject holds up."""
    rows = connection.execute(
        """SELECT id FROM errands AS due WHERE state = 'waiting' AND due_at <= now()
             AND NOT EXISTS (
                 SELECT FROM errands AS earlier
                 WHERE earlier.state = 'waiting' AND earlier.repository_id = due.repository_id
                   AND earlier.kind = due.kind AND earlier.subject = due.subject
                   AND earlier.id < due.id)
           ORDER BY due_at LIMIT %s""",
        (limit,),
    ).fetchall()
    return [row[0] for row in rows]


def work(errand_id: int) -> Done | None:
    """Work off one errand; None when it is not to be had now, or has to wait.

    Not to be had are an errand that another worker has, one whose time has not come, one of a
    suspended installation, and one with an earlier one of the same subject before it.
    """
    errand = _take(errand_id)
    if errand is None:
        return None
    bound = log.bind(errand=errand.id, kind=errand.kind)
    try:
        done = handler_of(errand.kind)(errand)
    except GitHubHeld as error:
        _hold(errand, str(error), error.retry_at)
        return None
    except GitHubAway as error:
        if errand.attempts < MAX_ATTEMPTS:
            _postpone(errand, str(error), error.retry_at)
        else:
            _end(errand, "failed", str(error))
        return None
    except GitHubRefused as error:
        if error.status in (403, 404) and errand.attempts < _DOUBTS:
            _postpone(errand, str(error), None)
        else:
            _end(errand, "failed", str(error))
        return None
    _end(errand, "done", done.reason)
    bound.info("errand done", reason=done.reason)
    return replace(done, errand_ids=(*done.errand_ids, *_next(errand)))


def _take(errand_id: int) -> Errand | None:
    """Lease an errand for a minute, so that two workers do not both do it."""
    with transaction() as connection:
        # Two workers that look at two errands of one subject must not both find theirs the first.
        row = connection.execute(
            """UPDATE errands AS mine
               SET attempts = attempts + 1, due_at = now() + make_interval(secs => %(lease)s)
               FROM repositories r JOIN installations i ON i.id = r.installation_id
               WHERE mine.id = %(id)s AND mine.state = 'waiting' AND mine.due_at <= now()
                 AND r.id = mine.repository_id AND i.state <> 'suspended'
                 AND NOT EXISTS (
                     SELECT FROM errands AS earlier
                     WHERE earlier.state = 'waiting' AND earlier.id < mine.id
                       AND earlier.repository_id = mine.repository_id
                       AND earlier.kind = mine.kind AND earlier.subject = mine.subject)
               RETURNING mine.kind, mine.repository_id, mine.subject, mine.details, mine.attempts,
                         mine.delivery_id""",
            {"id": errand_id, "lease": _LEASE_SECONDS},
        ).fetchone()
        if row is None:
            return None
        kind, repository_id, subject, details, attempts, delivery_id = row
        repository = runs.repository(connection, repository_id)
    assert repository is not None
    return Errand(errand_id, kind, repository, subject, details, attempts, delivery_id)


def _next(errand: Errand) -> tuple[int, ...]:
    """The errand that waited for this one."""
    with transaction() as connection:
        row = connection.execute(
            """SELECT id FROM errands
               WHERE state = 'waiting' AND repository_id = %s AND kind = %s AND subject = %s
                 AND due_at <= now() ORDER BY id LIMIT 1""",
            (errand.repository.id, errand.kind, errand.subject),
        ).fetchone()
    return (row[0],) if row else ()


def _hold(errand: Errand, reason: str, until: datetime) -> None:
    """Wait for GitHub's limits to have room again; that is no attempt."""
    with transaction() as connection:
        connection.execute(
            "UPDATE errands SET due_at = %s, reason = %s, attempts = attempts - 1 WHERE id = %s",
            (until, reason, errand.id),
        )


def _postpone(errand: Errand, reason: str, retry_at: datetime | None) -> None:
    with transaction() as connection:
        connection.execute(
            "UPDATE errands SET due_at = %s, reason = %s WHERE id = %s",
            (retry_moment(errand.attempts, floor=retry_at), reason, errand.id),
        )


def _end(errand: Errand, state: str, reason: str) -> None:
    with transaction() as connection:
        connection.execute(
            "UPDATE errands SET state = %s, reason = %s, finished_at = now() WHERE id = %s",
            (state, reason, errand.id),
        )
