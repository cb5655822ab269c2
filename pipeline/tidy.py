"""Clears up after runs: servers that nothing wants any more, folders and artifacts, old logs.

Compares what is there with what the tables want, so that whatever died in the middle is cleared up
the next time.
"""

import shutil
import time
from datetime import timedelta
from pathlib import Path

import structlog

from config.database import transaction
from config.settings import settings
from pipeline import deployments
from pipeline.builders.base import Artifact
from pipeline.hosts.choose import choose_builder, choose_host
from registry import packages

KEPT_ARTIFACTS = 3
"""Artifacts kept per repository and environment besides the live one, to go back to."""

_FOLDER_AGE = timedelta(hours=1)

log = structlog.get_logger(__name__)


def stop_unwanted_servers() -> list[str]:
    """Stop the servers of this Sigil that are neither live nor a candidate of an open run.

    Raises:
        StageError: the host is away.
    """
    host = choose_host(settings())
    # The host is listed first: a server that is started after that is not looked at.
    running = [instance.name for instance in host.list()]
    with transaction() as connection:
        row = connection.execute("SELECT name FROM sigil_instance").fetchone()
        wanted = deployments.wanted_names(connection, host.name)
    assert row is not None
    ours = [name for name in running if name.startswith(f"sigil-{row[0]}-")]
    stopped = [name for name in ours if name not in wanted]
    for name in stopped:
        host.stop(name)
        log.info("stopped a server that nothing wants", server=name)
    return stopped


def discard_old_artifacts() -> int:
    """Remove what was built for deployments that are too old to go back to, or of a pull request
    that is over; return how many. What another deployment still needs stays."""
    builder = choose_builder(settings())
    with transaction() as connection:
        rows = connection.execute(
            _NOT_KEPT, {"host": choose_host(settings()).name, "kept": KEPT_ARTIFACTS}
        ).fetchall()
    for deployment_id, artifact in rows:
        builder.discard(Artifact.model_validate(artifact))
        with transaction() as connection:
            deployments.discarded(connection, deployment_id)
    return len(rows)


_NOT_KEPT = """
    WITH known AS (
        SELECT d.id, d.artifact, d.state IN ('live', 'candidate')
               OR (d.age <= %(kept)s AND p.retired_at IS NULL) AS kept
        FROM (SELECT id, run_id, artifact, state, row_number() OVER (
                         PARTITION BY repository_id, environment, state = 'live'
                         ORDER BY id DESC) AS age
              FROM mcp_deployments WHERE host = %(host)s AND NOT discarded) d
        JOIN runs r ON r.id = d.run_id
        LEFT JOIN pull_requests p
          ON p.repository_id = r.repository_id AND p.number = r.pull_number)
    SELECT id, artifact FROM known
    WHERE NOT kept AND artifact NOT IN (SELECT artifact FROM known WHERE kept)"""


def settle_artifacts(*, limit: int = 100) -> int:
    """Remove what runs have built that never became a deployment, such as the check of a fork, a
    day after they ended; return how many. Each run is looked at once."""
    builder = choose_builder(settings())
    with transaction() as connection:
        rows = connection.execute(
            """SELECT r.id, b.result -> 'artifact', EXISTS (
                       SELECT FROM mcp_deployments d
                       WHERE d.artifact = b.result -> 'artifact' AND NOT d.discarded)
               FROM runs r LEFT JOIN run_stages b ON b.run_id = r.id AND b.stage = 'build'
                    AND b.state = 'succeeded'
               WHERE NOT r.artifact_settled AND r.finished_at < now() - interval '1 day'
               ORDER BY r.finished_at LIMIT %s""",
            (limit,),
        ).fetchall()
    discarded = 0
    for run_id, artifact, deployed in rows:
        if artifact is not None and not deployed:
            builder.discard(Artifact.model_validate(artifact))
            discarded += 1
        with transaction() as connection:
            connection.execute("UPDATE runs SET artifact_settled = true WHERE id = %s", (run_id,))
    return discarded


_STALE_DAYS = 13
"""GitHub turns a check run that was open for 14 days into `stale` by itself, without a word why."""


def close_stale_runs() -> int:
    """Cancel runs that nothing has taken for almost two weeks, such as those of an installation
    that stays suspended, and say again what GitHub would not hear; return how many."""
    with transaction() as connection:
        ended = connection.execute(
            """UPDATE runs SET state = 'cancelled', finished_at = now(), revision = revision + 1,
                      title = 'Cancelled: it waited for too long', report_due_at = now()
               WHERE state = 'queued' AND created_at < now() - make_interval(days => %(days)s)""",
            {"days": _STALE_DAYS},
        ).rowcount
        again = connection.execute(
            """UPDATE runs SET revision = revision + 1, report_due_at = now(), report_attempts = 0
               WHERE report_error IS NOT NULL AND finished_at IS NOT NULL
                 AND reported_revision >= revision AND report_due_at < now() - interval '1 day'
                 AND finished_at > now() - make_interval(days => %(days)s)""",
            {"days": _STALE_DAYS},
        ).rowcount
    return ended + again


def tear_down_gone() -> list[str]:
    """End what belongs to repositories that were lost longer ago than the grace period; return
    their names. Their servers are not wanted any more, and their packages not listed."""
    with transaction() as connection:
        rows = connection.execute(
            """UPDATE repositories SET torn_down_at = now()
               WHERE gone_at < now() - make_interval(secs => %s) AND torn_down_at IS NULL
               RETURNING id, owner || '/' || name""",
            (settings().grace_days * 86_400,),
        ).fetchall()
        for repository_id, name in rows:
            deployments.stop_all(connection, repository_id)
            packages.mark_deleted(connection, repository_id)
            log.info("torn down after the grace period", repository=name)
    return [row[1] for row in rows]


def remove_old_folders() -> int:
    """Remove the work folders and build leftovers of runs that have ended; return how many."""
    with transaction() as connection:
        rows = connection.execute(
            "SELECT id FROM runs WHERE state IN ('queued', 'running')"
        ).fetchall()
        kept = connection.execute(
            "SELECT artifact ->> 'reference' FROM mcp_deployments WHERE NOT discarded"
        ).fetchall()
    open_runs = {str(row[0]) for row in rows}
    references = {row[0] for row in kept}
    removed = 0
    for folder in (*_children("work"), *_children("builds")):
        run_id = folder.name.split("-")[1]
        young = time.time() - folder.stat().st_mtime < _FOLDER_AGE.total_seconds()
        if run_id in open_runs or str(folder) in references or young:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        removed += 1
    return removed


def _children(name: str) -> list[Path]:
    folder = settings().var / name
    return [child for child in folder.glob("run-*") if child.is_dir()] if folder.exists() else []


def delete_old_logs(*, limit: int = 1000) -> int:
    """Delete a batch of log lines of runs that ended long ago; return how many."""
    with transaction() as connection:
        deleted = connection.execute(
            """DELETE FROM run_logs WHERE id IN (
                   SELECT l.id FROM run_logs l JOIN runs r ON r.id = l.run_id
                   WHERE r.finished_at < now() - make_interval(days => %s)
                   ORDER BY l.id LIMIT %s)""",
            (settings().retention_days, limit),
        )
    return deleted.rowcount
