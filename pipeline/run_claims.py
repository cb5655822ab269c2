"""Owning a run: a worker has it by its claim, and every write names that claim.

So a worker that lost its run cannot change it any more.
"""

import uuid
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from config.database import Connection, transaction
from config.settings import settings
from pipeline.runs import RUN_COLUMNS, Run, RunState

MAX_CLAIMS = 6
"""A run whose worker died this often is given up: the run itself is likely what kills it."""


class LostClaim(Exception):
    """The run belongs to another worker now, or has ended. Nothing more may be written."""


_CLAIM = f"""
    UPDATE runs SET state = 'running', claim = %(claim)s, claims = claims + 1,
           heartbeat_at = now(), started_at = coalesce(started_at, now()),
           revision = revision + 1
    WHERE id = %(id)s AND state = 'queued' AND due_at <= now()
      AND NOT EXISTS (
          SELECT 1 FROM runs AS earlier
          WHERE earlier.repository_id = runs.repository_id
            AND earlier.environment = runs.environment
            AND earlier.state = 'queued' AND earlier.due_at <= now()
            AND earlier.id < runs.id)
      AND EXISTS (
          SELECT 1 FROM repositories r JOIN installations i
            ON i.id = r.installation_id
          WHERE r.id = runs.repository_id AND r.state = 'active'
            AND NOT r.archived AND i.state = 'active')
      AND NOT EXISTS (
          SELECT 1 FROM runs AS same
          WHERE same.repository_id = runs.repository_id AND same.sha = runs.sha
            AND same.state = 'running' AND same.id <> runs.id
            -- What a stranger's check builds is not taken up by others.
            AND (same.trusted OR NOT runs.trusted)
            AND NOT EXISTS (
                SELECT 1 FROM run_stages AS build
                WHERE build.run_id = same.id AND build.stage = 'build'
                  AND build.state = 'succeeded'))
    RETURNING {RUN_COLUMNS}"""


def claim(run_id: int) -> Run | None:
    """Take a queued run that is due, or None when it is not to be had now.

    Not to be had are a run of a target that is busy, of a commit that another run is building just
    now, of a repository that was removed or archived, and of an installation that is suspended.
    """
    try:
        with transaction() as connection, connection.cursor(row_factory=class_row(Run)) as cursor:
            # Two runs of one commit must not both find that nobody builds it.
            connection.execute(
                """SELECT pg_advisory_xact_lock(hashtextextended(repository_id || sha, 0))
                   FROM runs WHERE id = %s""",
                (run_id,),
            )
            return cursor.execute(_CLAIM, {"id": run_id, "claim": uuid.uuid4()}).fetchone()
    except psycopg.errors.UniqueViolation:
        return None  # Another run of the same target is running.


def heartbeat(run: Run) -> Literal["cancelled", "superseded"] | None:
    """Say that the worker is alive; return whether the run was asked to stop.

    Raises:
        LostClaim: the run was given to another worker.
    """
    with transaction() as connection:
        row = connection.execute(
            """UPDATE runs SET heartbeat_at = now()
               WHERE id = %s AND claim = %s AND state = 'running' RETURNING stop_requested""",
            (run.id, run.claim),
        ).fetchone()
    if row is None:
        raise LostClaim
    stop: Literal["cancelled", "superseded"] | None = row[0]
    return stop


def hold(connection: Connection, run: Run) -> None:
    """Lock the run until the transaction ends, and raise its revision.

    Raises:
        LostClaim: the run is not this worker's any more.
    """
    row = connection.execute(
        """UPDATE runs SET revision = revision + 1
           WHERE id = %s AND claim = %s AND state = 'running' RETURNING 1""",
        (run.id, run.claim),
    ).fetchone()
    if row is None:
        raise LostClaim


def finish(
    run: Run,
    state: RunState,
    *,
    title: str,
    error: dict[str, Any] | None = None,
    superseded_by: str | None = None,
) -> None:
    """End a run.

    Raises:
        LostClaim: the run is not this worker's any more.
    """
    with transaction() as connection:
        hold(connection, run)
        connection.execute(
            """UPDATE runs SET state = %(state)s, title = %(title)s, error = %(error)s,
                      superseded_by = coalesce(%(by)s, superseded_by), claim = NULL,
                      finished_at = now()
               WHERE id = %(id)s""",
            {
                "id": run.id,
                "state": state,
                "title": title,
                "error": Jsonb(error) if error else None,
                "by": superseded_by,
            },
        )


def requeue(run: Run, *, title: str | None, due_at: datetime | None, count: bool) -> None:
    """Give a run back to the queue: to be retried at `due_at`, or at once when that is None.

    Raises:
        LostClaim: the run is not this worker's any more.
    """
    with transaction() as connection:
        hold(connection, run)
        connection.execute(
            """UPDATE runs SET state = 'queued', claim = NULL, title = %(title)s,
                      due_at = coalesce(%(due_at)s, now()), retries = retries + %(count)s,
                      -- A hand-over that nobody is to blame for does not count as a death.
                      claims = claims - 1
               WHERE id = %(id)s""",
            {"id": run.id, "title": title, "due_at": due_at, "count": int(count)},
        )


def reap() -> tuple[list[int], list[int]]:
    """Take the runs of dead workers: put them back in the queue, or end them after too many deaths.

    While PostgreSQL was away nobody could send a heartbeat, so nobody is dead until it has been up
    for as long as a heartbeat may be missing.

    Returns:
        The ids that were queued again, and those that were ended.
    """
    lost = settings().heartbeat_lost
    with transaction() as connection:
        ended = connection.execute(
            """UPDATE runs SET state = 'failed', claim = NULL, finished_at = now(),
                      title = 'Sigil gave up: the worker died again and again', error = %(error)s,
                      revision = revision + 1
               WHERE state = 'running' AND heartbeat_at < now() - make_interval(secs => %(lost)s)
                 AND pg_postmaster_start_time() < now() - make_interval(secs => %(lost)s)
                 AND claims >= %(max)s RETURNING id""",
            {"lost": lost, "max": MAX_CLAIMS, "error": Jsonb(_DEATHS)},
        ).fetchall()
        queued = connection.execute(
            """UPDATE runs SET state = 'queued', claim = NULL, due_at = now(),
                      revision = revision + 1
               WHERE state = 'running' AND heartbeat_at < now() - make_interval(secs => %(lost)s)
                 AND pg_postmaster_start_time() < now() - make_interval(secs => %(lost)s)
               RETURNING id""",
            {"lost": lost},
        ).fetchall()
    return [row[0] for row in queued], [row[0] for row in ended]


_DEATHS: dict[str, Any] = {
    "stage": None,
    "title": "Sigil gave up: the worker died again and again",
    "detail": f"The worker was lost {MAX_CLAIMS} times while it worked on this run. The build may "
    "need more memory than there is. Re-run the check once the cause is found.",
    "fault": "ours",
    "annotations": [],
}
