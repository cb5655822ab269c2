"""The table of errands: asking for one, and working one off."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import psycopg
import structlog
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from config.database import Connection, transaction
from pipeline import runs
from pipeline.bugs import report_bug
from pipeline.errands.base import Done, Errand, Kind, NotYet, handler_of
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

    One that is being worked on is done once more afterwards: what it has looked at may have changed
    since. One that was tried keeps the moment of its next try.

    Args:
        due_in: Seconds until it may be done.
    """
    row = connection.execute(
        """INSERT INTO errands (kind, repository_id, subject, details, delivery_id, due_at)
           VALUES (%(kind)s, %(repository)s, %(subject)s, %(details)s, %(delivery)s,
                   now() + make_interval(secs => %(due)s))
           ON CONFLICT (repository_id, kind, subject, md5(details::text)) WHERE state = 'waiting'
           DO UPDATE SET asks = errands.asks + 1,
                         due_at = CASE WHEN errands.attempts = 0
                                       THEN least(errands.due_at, excluded.due_at)
                                       ELSE errands.due_at END
           RETURNING id""",
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
    """Errands that `work` would take now, the longest due first."""
    rows = connection.execute(
        """SELECT due.id FROM errands AS due JOIN repositories r ON r.id = due.repository_id
           JOIN installations i ON i.id = r.installation_id
           WHERE due.state = 'waiting' AND due.due_at <= now() AND i.state <> 'suspended'
             AND NOT EXISTS (
                 SELECT FROM errands AS earlier
                 WHERE earlier.state = 'waiting' AND earlier.repository_id = due.repository_id
                   AND earlier.kind = due.kind AND earlier.subject = due.subject
                   AND earlier.id < due.id)
           ORDER BY due.due_at LIMIT %s""",
        (limit,),
    ).fetchall()
    return [row[0] for row in rows]


def work(errand_id: int) -> Done | None:
    """Work off one errand; None when it is not to be had now, or has to wait.

    Not to be had are an errand that another worker has, one whose time has not come, one of a
    suspended installation, and one with an earlier one of the same subject before it.
    """
    taken = _take(errand_id)
    if taken is None:
        return None
    errand = taken.errand
    with structlog.contextvars.bound_contextvars(errand=errand.id, kind=errand.kind):
        done = _attempt(taken)
        if done is None:
            return None
        log.info("errand done", reason=done.reason)
    return replace(done, errand_ids=(*done.errand_ids, *_next(errand)))


def _attempt(taken: "_Taken") -> Done | None:
    errand = taken.errand
    if errand.repository.state != "active":
        return _end(taken, "failed", Done(f"the App may not see {errand.repository.full_name} now"))
    if errand.attempts > MAX_ATTEMPTS:
        return _end(taken, "failed", Done("the worker died each time it worked on this"))
    try:
        done = handler_of(errand.kind)(errand)
        return _end(taken, "failed" if done.in_vain else "done", done)
    except NotYet as error:
        _hold(errand, str(error), retry_moment(1))
    except GitHubHeld as error:
        _hold(errand, str(error), error.retry_at)
    except GitHubAway as error:
        return _failed(taken, str(error), MAX_ATTEMPTS, error.retry_at)
    except GitHubRefused as error:
        return _failed(taken, str(error), _DOUBTS if error.status in (403, 404) else 0)
    except (psycopg.OperationalError, PoolTimeout):
        raise  # Without PostgreSQL nothing can be written down: the lease ends by itself.
    except Exception as error:  # noqa: BLE001 - a bug of ours must not hold up its subject for ever
        why = f"an internal error of Sigil, reported as {report_bug(error)}"
        return _failed(taken, why, _DOUBTS)
    return None


def _failed(
    taken: "_Taken", reason: str, most: int, retry_at: datetime | None = None
) -> Done | None:
    """Try again later, or give up after so many attempts."""
    errand = taken.errand
    if errand.attempts >= most:
        log.warning("errand given up", reason=reason, attempts=errand.attempts)
        return _end(taken, "failed", Done(reason))
    with transaction() as connection:
        connection.execute(
            "UPDATE errands SET due_at = %s, reason = %s WHERE id = %s",
            (retry_moment(errand.attempts, floor=retry_at), reason, errand.id),
        )
    return None


@dataclass(frozen=True)
class _Taken:
    """An errand, and how often it had been asked for when this worker took it."""

    errand: Errand
    asks: int


def _take(errand_id: int) -> _Taken | None:
    """Lease an errand for a minute, so that two workers do not both do it."""
    with transaction() as connection:
        # An errand that another worker has is still waiting, and so holds up those behind it.
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
                         mine.delivery_id, mine.asks""",
            {"id": errand_id, "lease": _LEASE_SECONDS},
        ).fetchone()
        if row is None:
            return None
        kind, repository_id, subject, details, attempts, delivery_id, asks = row
        repository = runs.repository(connection, repository_id)
    assert repository is not None
    errand = Errand(errand_id, kind, repository, subject, details, attempts, delivery_id)
    return _Taken(errand, asks)


def _next(errand: Errand) -> tuple[int, ...]:
    """What of the same subject can be done now: the errand that waited for this one, or this one,
    when it was asked for once more."""
    with transaction() as connection:
        row = connection.execute(
            """SELECT id FROM errands
               WHERE state = 'waiting' AND repository_id = %s AND kind = %s AND subject = %s
                 AND due_at <= now() ORDER BY id LIMIT 1""",
            (errand.repository.id, errand.kind, errand.subject),
        ).fetchone()
    return (row[0],) if row else ()


def _hold(errand: Errand, reason: str, until: datetime) -> None:
    """Wait for something that will come; that is no attempt."""
    with transaction() as connection:
        connection.execute(
            "UPDATE errands SET due_at = %s, reason = %s, attempts = attempts - 1 WHERE id = %s",
            (until, reason, errand.id),
        )


def _end(taken: _Taken, state: Literal["done", "failed"], done: Done) -> Done:
    """Note what came of it, unless it was asked for once more meanwhile."""
    with transaction() as connection:
        connection.execute(
            """UPDATE errands SET reason = %(reason)s,
                      state = CASE WHEN asks = %(asks)s THEN %(state)s ELSE 'waiting' END,
                      finished_at = CASE WHEN asks = %(asks)s THEN now() END,
                      attempts = CASE WHEN asks = %(asks)s THEN attempts ELSE 0 END,
                      due_at = CASE WHEN asks = %(asks)s THEN due_at ELSE now() END
               WHERE id = %(id)s""",
            {
                "id": taken.errand.id,
                "asks": taken.asks,
                "state": state,
                "reason": done.reason,
            },
        )
    return done


def delete_finished(connection: Connection, *, days: int, limit: int) -> int:
    """Delete a batch of errands that were finished so many days ago; return how many."""
    return connection.execute(
        """DELETE FROM errands WHERE id IN (
               SELECT id FROM errands WHERE finished_at < now() - make_interval(days => %s)
               ORDER BY finished_at LIMIT %s)""",
        (days, limit),
    ).rowcount
