"""Making runs: which commit gets one, which one overtakes which, and having one run again."""

from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from config.database import Connection
from pipeline.runs import FINAL, RUN_COLUMNS, Kind, Run, get


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
    pull_number: int | None = None
    trusted: bool = True
    actor: str | None = None
    target_id: int | None = None
    deploy_settings: dict[str, Any] | None = None


@dataclass(frozen=True)
class Created:
    """What `create` did. `new` is false when a run already answers for this commit."""

    run: Run
    new: bool


def words(created: Created) -> str:
    """The same for the ledger."""
    run = created.run
    where = f"{run.sha[:7]} to {run.environment}"
    if not created.new:
        return f"run {run.id} already answers for {where}"
    if run.state in ("superseded", "skipped"):
        return f"run {run.id}: {run.title}"
    return f"run {run.id} brings {where}"


def create(connection: Connection, wanted: Wanted) -> Created:
    """Queue a run, once per repository, commit, kind and environment.

    A commit that was run before gets a further attempt only when something else was brought to
    the environment since, as after a forced push back to an old commit. Older runs of the same
    ref and environment are superseded.
    """
    _one_at_a_time(connection, wanted.repository_id)
    last = _last_attempt(connection, wanted)
    if last is not None and not _overtaken(connection, last):
        return Created(run=last, new=False)
    run = _insert(connection, wanted, parent=last)
    newer = _known_newer(connection, run)
    if newer is not None:
        _end_superseded(connection, run.id, by=newer)
    elif run.kind in _ONE_OF_A_REF:
        supersede_older(connection, run)
    final = get(connection, run.id)
    assert final is not None
    return Created(run=final, new=True)


_ONE_OF_A_REF = ("deploy", "preview", "check")
"""Kinds of which a newer commit of the same ref makes the older one pointless."""


def _one_at_a_time(connection: Connection, repository_id: int) -> None:
    """Two workers may want something of one repository side by side; one goes first."""
    connection.execute("SELECT 1 FROM repositories WHERE id = %s FOR UPDATE", (repository_id,))


def skip(connection: Connection, wanted: Wanted, title: str) -> Created:
    """Note that a commit is not run, so that its check says why; a person may still run it."""
    _one_at_a_time(connection, wanted.repository_id)
    last = _last_attempt(connection, wanted)
    if last is not None:
        return Created(run=last, new=False)
    run = _insert(connection, wanted, parent=None)
    connection.execute(
        "UPDATE runs SET state = 'skipped', finished_at = now(), title = %s WHERE id = %s",
        (title, run.id),
    )
    final = get(connection, run.id)
    assert final is not None
    return Created(run=final, new=True)


def roll_back(
    connection: Connection, target_id: int, *, actor: str | None, delivery_id: int | None = None
) -> Created:
    """Queue the run that brings a deployment back which served before.

    It begins with what that deployment's run has fetched, read and built, so that the same artifact
    is started again.
    """
    row = connection.execute(
        """SELECT d.repository_id, d.environment, r.ref, r.sha, r.id, r.deploy_settings
           FROM mcp_deployments d JOIN runs r ON r.id = d.run_id WHERE d.id = %s""",
        (target_id,),
    ).fetchone()
    assert row is not None
    repository_id, environment, ref, sha, source, deploy_settings = row
    _one_at_a_time(connection, repository_id)
    wanted = Wanted(
        repository_id=repository_id,
        kind="rollback",
        environment=environment,
        ref=ref,
        sha=sha,
        delivery_id=delivery_id,
        requested=True,
        actor=actor,
        target_id=target_id,
        deploy_settings=deploy_settings,
    )
    last = _last_attempt(connection, wanted)
    if last is not None and (
        last.state not in FINAL or (delivery_id is not None and last.delivery_id == delivery_id)
    ):
        return Created(run=last, new=False)
    run = _insert(connection, wanted, parent=last)
    _take_over(connection, source, run.id)
    return Created(run=run, new=True)


def rollback_of(connection: Connection, delivery_id: int | None) -> Created | None:
    """The rollback that a delivery has asked for already."""
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        run = cursor.execute(
            f"""SELECT {RUN_COLUMNS} FROM runs
                WHERE delivery_id = %s AND kind = 'rollback' ORDER BY id DESC LIMIT 1""",
            (delivery_id,),
        ).fetchone()
    return Created(run=run, new=False) if run else None


def _take_over(connection: Connection, source: int, run_id: int) -> None:
    connection.execute(
        """INSERT INTO run_stages (run_id, stage, position, state, result, started_at, finished_at)
           SELECT %(run)s, stage, position, state, result, now(), now() FROM run_stages
           WHERE run_id = %(source)s AND stage IN ('source', 'manifest', 'build')
             AND state = 'succeeded'""",
        {"run": run_id, "source": source},
    )


def rollback_after(connection: Connection, run: Run) -> int | None:
    """The newest rollback in a run's environment that was asked for after that run."""
    row = connection.execute(
        """SELECT id FROM runs
           WHERE repository_id = %(repository_id)s AND environment = %(environment)s
             AND kind = 'rollback' AND id > %(id)s ORDER BY id DESC LIMIT 1""",
        vars(run),
    ).fetchone()
    return row[0] if row else None


def latest_attempt(connection: Connection, run: Run) -> int:
    """The newest run of the same commit, kind and environment; itself when it is that."""
    last = _last_attempt(connection, run)
    return last.id if last else run.id


def _last_attempt(connection: Connection, wanted: Wanted | Run) -> Run | None:
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(
            f"""SELECT {RUN_COLUMNS} FROM runs
                WHERE repository_id = %(repository_id)s AND sha = %(sha)s AND kind = %(kind)s
                  AND environment = %(environment)s
                  -- A second tag of one commit is another release.
                  AND (kind <> 'release' OR ref = %(ref)s)
                ORDER BY attempt DESC LIMIT 1""",
            vars(wanted),
        ).fetchone()


def _overtaken(connection: Connection, run: Run) -> bool:
    if run.state in ("cancelled", "superseded"):
        return True
    if _is_torn_down(connection, run):
        return True
    if run.kind == "release":
        return False  # Its release may be published long after its tag, and many pushes later.
    row = connection.execute(
        """SELECT 1 FROM runs
           WHERE repository_id = %s AND environment = %s AND id > %s AND sha <> %s
             AND state NOT IN ('superseded', 'cancelled') LIMIT 1""",
        (run.repository_id, run.environment, run.id, run.sha),
    ).fetchone()
    return row is not None


def _is_torn_down(connection: Connection, run: Run) -> bool:
    """Whether what served was taken away since, and nothing serves in its place: the pull request
    was closed, or the App lost the repository, and it is back."""
    row = connection.execute(
        """SELECT 1 FROM mcp_deployments AS stopped
           WHERE repository_id = %(repository_id)s AND environment = %(environment)s
             AND state = 'stopped' AND live_at IS NOT NULL
             AND NOT EXISTS (SELECT FROM mcp_deployments AS live
                             WHERE live.repository_id = stopped.repository_id
                               AND live.environment = stopped.environment
                               AND live.state = 'live') LIMIT 1""",
        vars(run),
    ).fetchone()
    return run.state == "succeeded" and run.kind != "check" and row is not None


def _insert(connection: Connection, wanted: Wanted, *, parent: Run | None) -> Run:
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        run = cursor.execute(
            f"""INSERT INTO runs (repository_id, kind, environment, ref, sha, before_sha, attempt,
                                  parent_id, requested, delivery_id, pull_number, trusted, actor,
                                  target_id, deploy_settings)
                VALUES (%(repository_id)s, %(kind)s, %(environment)s, %(ref)s, %(sha)s,
                        %(before_sha)s,
                        (SELECT coalesce(max(attempt), 0) + 1 FROM runs
                         WHERE repository_id = %(repository_id)s AND sha = %(sha)s
                           AND kind = %(kind)s AND environment = %(environment)s),
                        %(parent_id)s, %(requested)s, %(delivery_id)s, %(pull_number)s,
                        %(trusted)s, %(actor)s, %(target_id)s, %(settings)s)
                RETURNING {RUN_COLUMNS}""",
            vars(wanted)
            | {
                "parent_id": parent.id if parent else None,
                "settings": Jsonb(wanted.deploy_settings) if wanted.deploy_settings else None,
            },
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
    """End queued runs of other commits of the same target and ref that are older; ask running ones
    to stop.

    One that was asked already gives way to the newest commit, not to one in between.
    """
    scope = vars(run) | {"title": superseded_title(run.sha), "kinds": list(_ONE_OF_A_REF)}
    connection.execute(
        """UPDATE runs SET state = 'superseded', superseded_by = %(sha)s, finished_at = now(),
                  title = %(title)s, revision = revision + 1
           WHERE repository_id = %(repository_id)s AND environment = %(environment)s
             AND ref = %(ref)s AND kind = ANY(%(kinds)s) AND id < %(id)s AND sha <> %(sha)s
             AND state = 'queued'""",
        scope,
    )
    connection.execute(
        """UPDATE runs SET stop_requested = 'superseded', superseded_by = %(sha)s
           WHERE repository_id = %(repository_id)s AND environment = %(environment)s
             AND ref = %(ref)s AND kind = ANY(%(kinds)s) AND id < %(id)s AND sha <> %(sha)s
             AND state = 'running' AND coalesce(stop_requested, 'superseded') = 'superseded'""",
        scope,
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


def ensure(connection: Connection, wanted: Wanted) -> Created:
    """The run of a commit that a branch is known to point at; queued when its event was lost, or
    when its run does not stand any more.

    Unlike a push, this does not undo a rollback: the branch pointed there before it already.
    """
    _one_at_a_time(connection, wanted.repository_id)
    last = _last_attempt(connection, wanted)
    if last is not None and stands(connection, last) and not _is_torn_down(connection, last):
        return Created(run=last, new=False)
    return create(connection, wanted)


def stands(connection: Connection, run: Run) -> bool:
    """Whether the newest run of a branch's head still answers for it.

    It does not when the event of an older commit came late: that has superseded it, or was brought
    after it, as after a forced push back whose events came in the wrong order. Nor when it was
    cancelled because the App had lost the repository. A wish of a person's since then stands.
    """
    row = connection.execute(
        """SELECT state = 'superseded' OR state = 'cancelled' AND absent OR coalesce((
                      SELECT later.kind = 'deploy' AND NOT later.requested
                             AND later.ref = runs.ref AND later.sha <> runs.sha
                             -- GitHub's references may lag behind its events.
                             AND later.created_at < now() - make_interval(secs => %(lag)s)
                      FROM runs AS later
                      WHERE later.repository_id = runs.repository_id
                        AND later.environment = runs.environment AND later.id > runs.id
                        AND later.state NOT IN ('superseded', 'cancelled', 'skipped')
                      ORDER BY later.id DESC LIMIT 1), false)
           FROM runs WHERE id = %(id)s""",
        {"id": run.id, "lag": _LAG_SECONDS},
    ).fetchone()
    return row is None or not row[0]


_LAG_SECONDS = 30


def rerun(
    connection: Connection, run: Run, *, delivery_id: int | None = None, actor: str | None = None
) -> Created:
    """Queue a further attempt with the same inputs, linked to `run`.

    A run that has not ended yet is its own answer.
    """
    _one_at_a_time(connection, run.repository_id)
    wanted = Wanted(
        repository_id=run.repository_id,
        kind=run.kind,
        environment=run.environment,
        ref=run.ref,
        sha=run.sha,
        delivery_id=delivery_id,
        requested=True,
        pull_number=run.pull_number,
        trusted=run.trusted,
        actor=actor,
        target_id=run.target_id,
        deploy_settings=run.deploy_settings,
    )
    last = _last_attempt(connection, wanted)
    assert last is not None
    if last.state not in FINAL:
        return Created(run=last, new=False)
    # The ledger may process a delivery twice, when a worker dies in between.
    if delivery_id is not None and last.delivery_id == delivery_id:
        return Created(run=last, new=False)
    again = _insert(connection, wanted, parent=run)
    if run.kind == "rollback":
        _take_over(connection, run.id, again.id)
    return Created(run=again, new=True)
