"""A run: one attempt to bring one commit to one environment. Its states, and who may change them.

    queued ──▶ running ──▶ succeeded | failed | cancelled | superseded
      ▲           │
      └───────────┘  retried later, handed back, or taken from a dead worker

A worker owns a run by its claim; every write names it, so that a worker that lost its run cannot
change it any more. Each change that GitHub should see raises `revision`.
"""

import uuid
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, LiteralString

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from config.database import Connection, transaction
from config.settings import settings

RunState = Literal["queued", "running", "succeeded", "failed", "cancelled", "superseded"]
Kind = Literal["deploy", "release"]
FINAL: frozenset[RunState] = frozenset({"succeeded", "failed", "cancelled", "superseded"})

MAX_CLAIMS = 6
"""A run whose worker died this often is given up: the run itself is likely what kills it."""


class LostClaim(Exception):
    """The run belongs to another worker now, or has ended. Nothing more may be written."""


@dataclass(frozen=True)
class Repository:
    """A repository that the App may see."""

    id: int
    installation_id: int
    workspace_id: int
    owner: str
    name: str
    default_branch: str
    private: bool
    state: str

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True)
class Run:
    """A row of `runs`, without its reporting columns."""

    id: int
    repository_id: int
    kind: Kind
    environment: str
    ref: str
    sha: str
    before_sha: str | None
    attempt: int
    parent_id: int | None
    requested: bool
    delivery_id: int | None
    state: RunState
    superseded_by: str | None
    stop_requested: Literal["cancelled", "superseded"] | None
    title: str | None
    error: dict[str, Any] | None
    due_at: datetime
    claim: uuid.UUID | None
    claims: int
    retries: int
    heartbeat_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def _columns(model: type) -> LiteralString:
    names = [field.name for field in fields(model)]
    return ", ".join(names)


_RUN = _columns(Run)
_REPOSITORY = _columns(Repository)


def get(connection: Connection, run_id: int) -> Run | None:
    """The run of that id."""
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(f"SELECT {_RUN} FROM runs WHERE id = %s", (run_id,)).fetchone()


def delivery_of(connection: Connection, run_id: int) -> str | None:
    """GitHub's GUID of the delivery that started a run, while the ledger keeps it."""
    row = connection.execute(
        """SELECT d.guid::text FROM runs r JOIN deliveries d ON d.id = r.delivery_id
           WHERE r.id = %s""",
        (run_id,),
    ).fetchone()
    return row[0] if row else None


def repository(connection: Connection, repository_id: int) -> Repository | None:
    """The repository of that id, removed ones too."""
    with connection.cursor(row_factory=class_row(Repository)) as cursor:
        return cursor.execute(
            f"SELECT {_REPOSITORY} FROM repositories WHERE id = %s", (repository_id,)
        ).fetchone()


def latest_of_commit(connection: Connection, repository_id: int, sha: str) -> list[Run]:
    """The last attempt of each kind and environment that this commit was run for."""
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(
            f"""SELECT DISTINCT ON (kind, environment) {_RUN} FROM runs
                WHERE repository_id = %s AND sha = %s ORDER BY kind, environment, attempt DESC""",
            (repository_id, sha),
        ).fetchall()


@dataclass(frozen=True)
class Wanted:
    """What `create` is asked for."""

    repository_id: int
    kind: Kind
    environment: str
    ref: str
    sha: str
    before_sha: str | None = None
    delivery_id: int | None = None
    requested: bool = False


@dataclass(frozen=True)
class Created:
    """What `create` did. `new` is false when a run already answers for this commit."""

    run: Run
    new: bool


def create(connection: Connection, wanted: Wanted) -> Created:
    """Queue a run, once per repository, commit, kind and environment.

    A commit that was run before gets a further attempt only when something else was brought to
    the environment since, as after a forced push back to an old commit. Older runs of the same
    ref and environment are superseded.
    """
    # Two deliveries of one repository may be processed side by side; creation is one at a time.
    connection.execute(
        "SELECT 1 FROM repositories WHERE id = %s FOR UPDATE", (wanted.repository_id,)
    )
    last = _last_attempt(connection, wanted)
    if last is not None and not _overtaken(connection, last):
        return Created(run=last, new=False)
    run = _insert(connection, wanted, attempt=last.attempt + 1 if last else 1, parent=last)
    newer = _known_newer(connection, run)
    if newer is not None:
        _end_superseded(connection, run.id, by=newer)
    elif run.kind == "deploy":
        supersede_older(connection, run)
    final = get(connection, run.id)
    assert final is not None
    return Created(run=final, new=True)


def _last_attempt(connection: Connection, wanted: Wanted) -> Run | None:
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(
            f"""SELECT {_RUN} FROM runs
                WHERE repository_id = %s AND sha = %s AND kind = %s AND environment = %s
                ORDER BY attempt DESC LIMIT 1""",
            (wanted.repository_id, wanted.sha, wanted.kind, wanted.environment),
        ).fetchone()


def _overtaken(connection: Connection, run: Run) -> bool:
    if run.state in ("cancelled", "superseded"):
        return True
    row = connection.execute(
        """SELECT 1 FROM runs
           WHERE repository_id = %s AND environment = %s AND id > %s AND sha <> %s
             AND state NOT IN ('superseded', 'cancelled') LIMIT 1""",
        (run.repository_id, run.environment, run.id, run.sha),
    ).fetchone()
    return row is not None


def _insert(connection: Connection, wanted: Wanted, *, attempt: int, parent: Run | None) -> Run:
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        run = cursor.execute(
            f"""INSERT INTO runs (repository_id, kind, environment, ref, sha, before_sha, attempt,
                                  parent_id, requested, delivery_id)
                VALUES (%(repository_id)s, %(kind)s, %(environment)s, %(ref)s, %(sha)s,
                        %(before_sha)s, %(attempt)s, %(parent_id)s, %(requested)s,
                        %(delivery_id)s)
                RETURNING {_RUN}""",
            vars(wanted) | {"attempt": attempt, "parent_id": parent.id if parent else None},
        ).fetchone()
    assert run is not None
    return run


def _known_newer(connection: Connection, run: Run) -> str | None:
    """The commit that was pushed right after this one, when its delivery came first.

    A push back to an old commit is not a late one: it comes from the commit that followed it.
    """
    if run.kind != "deploy" or run.requested or run.before_sha is None:
        return None
    row = connection.execute(
        """SELECT sha FROM runs
           WHERE repository_id = %(repository_id)s AND environment = %(environment)s
             AND ref = %(ref)s AND kind = 'deploy' AND before_sha = %(sha)s
             AND sha <> %(before_sha)s AND id < %(id)s
           ORDER BY id DESC LIMIT 1""",
        vars(run),
    ).fetchone()
    return row[0] if row else None


def supersede_older(connection: Connection, run: Run) -> None:
    """End queued runs of the same target and ref that are older; ask running ones to stop.

    One that was asked already gives way to the newest commit, not to one in between.
    """
    connection.execute(
        """UPDATE runs SET state = 'superseded', superseded_by = %(sha)s, finished_at = now(),
                  title = %(title)s, revision = revision + 1
           WHERE repository_id = %(repository_id)s AND environment = %(environment)s
             AND ref = %(ref)s AND kind = %(kind)s AND id < %(id)s AND state = 'queued'""",
        vars(run) | {"title": superseded_title(run.sha)},
    )
    connection.execute(
        """UPDATE runs SET stop_requested = 'superseded', superseded_by = %(sha)s
           WHERE repository_id = %(repository_id)s AND environment = %(environment)s
             AND ref = %(ref)s AND kind = %(kind)s AND id < %(id)s AND state = 'running'
             AND coalesce(stop_requested, 'superseded') = 'superseded'""",
        vars(run),
    )


def superseded_title(sha: str) -> str:
    """What a superseded run's check says."""
    return f"Superseded by {sha[:7]}, a newer commit"


def _end_superseded(connection: Connection, run_id: int, *, by: str) -> None:
    connection.execute(
        """UPDATE runs SET state = 'superseded', superseded_by = %s, finished_at = now(), title = %s
           WHERE id = %s""",
        (by, superseded_title(by), run_id),
    )


def ensure(connection: Connection, wanted: Wanted) -> Run:
    """The run of a commit that a branch is known to point at; queued when its event was lost, or
    when a late event of an older commit has superseded it."""
    last = _last_attempt(connection, wanted)
    if last is not None and last.state != "superseded":
        return last
    return create(connection, wanted).run


def rerun(connection: Connection, run: Run, *, delivery_id: int | None = None) -> Created:
    """Queue a further attempt with the same inputs, linked to `run`.

    A run that has not ended yet is its own answer.
    """
    connection.execute("SELECT 1 FROM repositories WHERE id = %s FOR UPDATE", (run.repository_id,))
    wanted = Wanted(
        repository_id=run.repository_id,
        kind=run.kind,
        environment=run.environment,
        ref=run.ref,
        sha=run.sha,
        delivery_id=delivery_id,
        requested=True,
    )
    last = _last_attempt(connection, wanted)
    assert last is not None
    if last.state not in FINAL:
        return Created(run=last, new=False)
    # The ledger may process a delivery twice, when a worker dies in between.
    if delivery_id is not None and last.delivery_id == delivery_id:
        return Created(run=last, new=False)
    return Created(run=_insert(connection, wanted, attempt=last.attempt + 1, parent=run), new=True)


def cancel(connection: Connection, run_id: int) -> RunState | None:
    """Cancel a run: at once when it waits, at its next step when it runs.

    Returns:
        The state it was in, or None when there is no such run.
    """
    run = get(connection, run_id)
    if run is None:
        return None
    connection.execute(
        """UPDATE runs SET state = 'cancelled', finished_at = now(), title = 'Cancelled',
                  revision = revision + 1
           WHERE id = %s AND state = 'queued'""",
        (run_id,),
    )
    connection.execute(
        "UPDATE runs SET stop_requested = 'cancelled' WHERE id = %s AND state = 'running'",
        (run_id,),
    )
    return run.state


def claim(run_id: int) -> Run | None:
    """Take a queued run that is due, or None when it is not to be had now.

    Not to be had are a run of a target that is busy, of a repository that was removed, and of an
    installation that is suspended.
    """
    try:
        with transaction() as connection, connection.cursor(row_factory=class_row(Run)) as cursor:
            return cursor.execute(
                f"""UPDATE runs SET state = 'running', claim = %(claim)s, claims = claims + 1,
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
                            AND i.state = 'active')
                    RETURNING {_RUN}""",
                {"id": run_id, "claim": uuid.uuid4()},
            ).fetchone()
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


def due(connection: Connection, *, limit: int = 500) -> list[int]:
    """Queued runs that could be claimed now, the longest due first."""
    rows = connection.execute(
        """SELECT u.id FROM runs u JOIN repositories r ON r.id = u.repository_id
           JOIN installations i ON i.id = r.installation_id
           WHERE u.state = 'queued' AND u.due_at <= now() AND r.state = 'active'
             AND i.state = 'active' ORDER BY u.due_at LIMIT %s""",
        (limit,),
    ).fetchall()
    return [row[0] for row in rows]


def next_of_target(connection: Connection, run: Run) -> int | None:
    """The run that waits for the same repository and environment, once `run` has ended."""
    row = connection.execute(
        """SELECT id FROM runs WHERE repository_id = %s AND environment = %s AND state = 'queued'
             AND due_at <= now() ORDER BY id LIMIT 1""",
        (run.repository_id, run.environment),
    ).fetchone()
    return row[0] if row else None
