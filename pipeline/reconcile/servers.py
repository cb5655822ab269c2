"""Compares the servers that should run with those that do, and starts again what is missing."""

from dataclasses import dataclass
from typing import Any

import structlog
from psycopg.rows import class_row

from config.database import transaction
from config.settings import settings
from pipeline import run_making, runs
from pipeline.builders.base import Artifact
from pipeline.hosts.base import Host
from pipeline.hosts.choose import choose_builder, choose_host
from pipeline.hosts.spec import server_labels, server_spec
from pipeline.manifest import from_json

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Live:
    """A deployment that should serve, and what it was started from."""

    run_id: int
    host_id: str
    artifact: dict[str, Any]
    manifest: dict[str, Any] | None
    environment: str
    repository: str
    instance: str


def reconcile_servers(*, revive_crashed: bool = False) -> list[int]:
    """Start what should serve and is not there; return the runs to ring for, of servers whose
    artifact is gone too and has to be built again.

    Args:
        revive_crashed: Also start again what the host has given up, after it crashed and crashed.

    Raises:
        StageError: the host is away.
    """
    host = choose_host(settings())
    wanted = _wanted(host)
    # Listed after the question what is wanted: a server that was stopped in between is not
    # missing, because its row is looked at again before it is started.
    there = {instance.name: instance.state for instance in host.list()}
    again: list[int] = []
    for live in wanted:
        state = there.get(live.host_id)
        if state is None or (state == "crashed" and revive_crashed):
            again += _bring_back(host, live, was=state)
    return again


def _wanted(host: Host) -> list[_Live]:
    with transaction() as connection, connection.cursor(row_factory=class_row(_Live)) as cursor:
        return cursor.execute(
            """SELECT d.run_id, d.host_id, d.artifact, m.result -> 'manifest' AS manifest,
                      d.environment, r.owner || '/' || r.name AS repository, i.name AS instance
               FROM mcp_deployments d JOIN repositories r ON r.id = d.repository_id
               CROSS JOIN sigil_instance i
               LEFT JOIN run_stages m ON m.run_id = d.run_id AND m.stage = 'manifest'
               WHERE d.state = 'live' AND d.host = %s""",
            (host.name,),
        ).fetchall()


def _bring_back(host: Host, live: _Live, *, was: str | None) -> list[int]:
    artifact = Artifact.model_validate(live.artifact)
    if live.manifest is None or not choose_builder(settings()).has(artifact):
        return _build_again(live)
    with transaction() as connection:
        row = connection.execute(
            """SELECT id FROM mcp_deployments WHERE run_id = %s AND state = 'live'
               FOR UPDATE SKIP LOCKED""",
            (live.run_id,),
        ).fetchone()
        if row is None:
            return []  # Replaced in the meantime, or another worker is at it.
        if was is not None:
            host.stop(live.host_id)
        labels = server_labels(
            instance=live.instance,
            repository=live.repository,
            environment=live.environment,
            run_id=live.run_id,
        )
        spec = server_spec(live.host_id, from_json(live.manifest), artifact, labels=labels)
        started = host.start(spec)
        connection.execute(
            "UPDATE mcp_deployments SET url = %s WHERE id = %s", (started.url, row[0])
        )
    log.warning("a server was missing and is started again", server=live.host_id, was=was)
    return []


def _build_again(live: _Live) -> list[int]:
    with transaction() as connection:
        run = runs.get(connection, live.run_id)
        if run is None:
            return []
        created = run_making.rerun(connection, run)
    if created.new:
        log.warning("a server and its artifact are gone; it is built again", server=live.host_id)
    return [created.run.id]
