"""Works through the deliveries that wait: in order, one at a time, each together with its effects.

Starting the runs that come out of it is left to the caller, after the commit.
"""

import json
import traceback
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import sentry_sdk
import structlog
from psycopg.rows import class_row

from config.database import Connection, transaction
from pipeline.deliveries import MAX_ATTEMPTS, State
from pipeline.intake import Outcome, carry_out
from pipeline.triggers import triggers_for

_log = structlog.stdlib.get_logger(__name__)

# One delivery is processed at a time in the whole system, so that what GitHub told first is done
# first, for a repository as for an installation, however many workers there are. The work is a few
# inserts; what takes long is done by runs. Any number that no other lock here takes.
_LOCK = 0x5161_6C01
_LIMITS = """
    SELECT set_config('lock_timeout', '15s', true), set_config('statement_timeout', '30s', true),
           set_config('idle_in_transaction_session_timeout', '60s', true)"""
# The clock, not now(): the transaction may have waited for the lock since before the newest
# delivery came in.
NEXT_DUE = """
    SELECT id, guid, event, attempts, payload FROM deliveries AS due
    WHERE state IN ('received', 'queued', 'failed') AND due_at <= clock_timestamp()
      AND NOT EXISTS (
          SELECT FROM deliveries AS earlier
          WHERE earlier.repository = due.repository AND earlier.id < due.id
            AND earlier.state IN ('received', 'queued', 'failed'))
    ORDER BY id LIMIT 1"""
_FIRST_DELAY = 10
_SOURCES = Path(__file__).parent.parent


class DeadDelivery(Exception):
    """A delivery was given up. Reported to Sentry with the place of the last error, not its text,
    which may quote the payload."""


@dataclass(frozen=True)
class Processed:
    """A delivery that was worked on, the state it is in now, and what came of it."""

    id: int
    guid: UUID
    state: State
    reason: str
    outcome: Outcome | None


@dataclass(frozen=True)
class _Due:
    id: int
    guid: UUID
    event: str
    attempts: int
    payload: bytes


def process_next() -> Processed | None:
    """Process the oldest delivery that is due; None when there is none.

    An error while it is carried out undoes its effects, and has it tried again later. The
    deliveries of the same repository that came after it wait for it.

    Raises:
        psycopg.OperationalError: PostgreSQL is away, or another worker keeps the lock. Nothing is
            lost: the delivery stays as it was and the sweep comes back to it.
    """
    with transaction() as connection:
        connection.execute(_LIMITS)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        due = _next_due(connection)
        if due is None:
            return None
        with structlog.contextvars.bound_contextvars(delivery=str(due.guid)):
            processed = _process(connection, due)
            _finish(connection, processed)
            _log.info("delivery processed", state=processed.state, reason=processed.reason)
            return processed


def _next_due(connection: Connection) -> _Due | None:
    with connection.cursor(row_factory=class_row(_Due)) as cursor:
        return cursor.execute(NEXT_DUE).fetchone()


def _process(connection: Connection, due: _Due) -> Processed:
    if due.attempts >= MAX_ATTEMPTS:
        reason = "the worker died each time it processed this delivery"
        return _gave_up(due, reason, DeadDelivery(reason))
    _count_attempt(due)
    try:
        with connection.transaction():
            trigger = triggers_for(due.event, json.loads(due.payload))
            outcome = carry_out(connection, trigger, delivery_id=due.id)
    except Exception as error:  # Whatever it is, one delivery must not stop the others.
        if connection.closed:
            raise
        return _failed(due, error)
    state: State = "ignored" if outcome.ignored else "done"
    return Processed(due.id, due.guid, state, outcome.reason, outcome)


def _count_attempt(due: _Due) -> None:
    """Count the attempt before it begins, on a connection of its own.

    So a delivery that kills its worker is tried later each time, lets others pass, and dies in the
    end, instead of being the first in line for ever.
    """
    with transaction() as connection:
        connection.execute(
            """UPDATE deliveries SET attempts = attempts + 1,
                   due_at = clock_timestamp() + make_interval(secs => %(delay)s)
               WHERE id = %(id)s""",
            {"id": due.id, "delay": _FIRST_DELAY * 2**due.attempts},
        )


def _failed(due: _Due, error: Exception) -> Processed:
    reason = f"{type(error).__name__} at {_place_of(error)}"
    if due.attempts + 1 >= MAX_ATTEMPTS:
        return _gave_up(due, reason, DeadDelivery(reason).with_traceback(error.__traceback__))
    _log.warning("delivery failed", reason=reason, attempt=due.attempts + 1)
    return Processed(due.id, due.guid, "failed", reason, None)


def _gave_up(due: _Due, reason: str, error: DeadDelivery) -> Processed:
    _log.error("delivery is dead", reason=reason, attempts=MAX_ATTEMPTS)
    sentry_sdk.capture_exception(error)
    return Processed(due.id, due.guid, "dead", reason, None)


def _place_of(error: Exception) -> str:
    """The innermost line of our own sources that an error passed through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(_SOURCES) and "site-packages" not in path.parts:
            return f"{path.relative_to(_SOURCES)}:{frame.lineno}"
    return "an unknown place"


def _finish(connection: Connection, processed: Processed) -> None:
    connection.execute(
        """UPDATE deliveries SET state = %(state)s, reason = %(reason)s,
               finished_at = CASE WHEN %(state)s = 'failed' THEN NULL ELSE now() END
           WHERE id = %(id)s""",
        {"id": processed.id, "state": processed.state, "reason": processed.reason},
    )
