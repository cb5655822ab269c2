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
    """Remove what was built for deployments that are too old to go back to; return how many."""
    builder = choose_builder(settings())
    with transaction() as connection:
        rows = connection.execute(
            """SELECT id, artifact FROM (
                   SELECT id, artifact, state, row_number() OVER (
                       PARTITION BY repository_id, environment ORDER BY id DESC) AS age
                   FROM mcp_deployments WHERE state <> 'live' AND host = %s AND NOT discarded) old
               WHERE age > %s AND state <> 'candidate'
                 AND NOT EXISTS (SELECT 1 FROM mcp_deployments kept
                                 WHERE kept.artifact = old.artifact
                                   AND kept.state IN ('candidate', 'live'))""",
            (choose_host(settings()).name, KEPT_ARTIFACTS),
        ).fetchall()
    for deployment_id, artifact in rows:
        builder.discard(Artifact.model_validate(artifact))
        with transaction() as connection:
            connection.execute(
                "UPDATE mcp_deployments SET discarded = true WHERE id = %s", (deployment_id,)
            )
    return len(rows)


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
