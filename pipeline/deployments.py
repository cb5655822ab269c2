"""Deployments in the database: which server of which run is candidate, live or gone."""

from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from config.database import Connection, transaction
from pipeline.builders.base import Artifact
from pipeline.hosts.base import Instance
from pipeline.run_claims import hold
from pipeline.runs import Run, by_whom


@dataclass(frozen=True)
class Deployment:
    """A row of `mcp_deployments`. `host_id` is the server's name on its host."""

    id: int
    run_id: int
    repository_id: int
    environment: str
    host: str
    host_id: str
    url: str
    artifact: dict[str, Any]
    state: str


_COLUMNS = "id, run_id, repository_id, environment, host, host_id, url, artifact, state"


def announce(run: Run, *, host: str, name: str, artifact: Artifact) -> None:
    """Note that a run is about to start a server, so that nothing that runs is unknown.

    Raises:
        LostClaim: the run is not this worker's any more.
    """
    with transaction() as connection:
        hold(connection, run)
        connection.execute(
            """INSERT INTO mcp_deployments
                 (repository_id, run_id, environment, host, host_id, url, artifact)
               VALUES (%(repository_id)s, %(run_id)s, %(environment)s, %(host)s, %(name)s, '',
                       %(artifact)s)
               ON CONFLICT (run_id) DO UPDATE SET artifact = excluded.artifact""",
            {
                "repository_id": run.repository_id,
                "run_id": run.id,
                "environment": run.environment,
                "host": host,
                "name": name,
                "artifact": Jsonb(artifact.model_dump(mode="json")),
            },
        )


def started(run: Run, instance: Instance) -> None:
    """Note where the server that was announced answers."""
    with transaction() as connection:
        connection.execute(
            "UPDATE mcp_deployments SET url = %s WHERE run_id = %s", (instance.url, run.id)
        )


def of_run(connection: Connection, run_id: int) -> Deployment | None:
    """The deployment that a run made."""
    with connection.cursor(row_factory=class_row(Deployment)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM mcp_deployments WHERE run_id = %s", (run_id,)
        ).fetchone()


def end_candidate(run: Run, state: str) -> None:
    """Note that a run's candidate was stopped (`stopped`) or did not prove itself (`failed`)."""
    with transaction() as connection:
        connection.execute(
            """UPDATE mcp_deployments SET state = %s, ended_at = now()
               WHERE run_id = %s AND state = 'candidate'""",
            (state, run.id),
        )


def promote(
    connection: Connection,
    run: Run,
    *,
    package_id: int | None,
    version_id: int | None,
    handshake: dict[str, Any],
) -> None:
    """Make the run's candidate the live deployment of its environment; the old one is replaced."""
    # Whoever rolled back does not want what served until then, whichever run brought it: the next
    # rollback goes further. Its run's check loses the buttons that only a live deployment has.
    connection.execute(
        """WITH replaced AS (
               UPDATE mcp_deployments
               SET state = 'replaced', ended_at = now(), withdrawn = withdrawn OR %(back)s
               WHERE repository_id = %(repository)s AND environment = %(environment)s
                 AND state = 'live' AND run_id <> %(run)s
               RETURNING run_id, artifact ->> 'digest' AS digest),
           same AS (
               UPDATE mcp_deployments SET withdrawn = true
               WHERE %(back)s AND repository_id = %(repository)s
                 AND environment = %(environment)s AND state = 'replaced'
                 AND artifact ->> 'digest' IN (SELECT digest FROM replaced))
           UPDATE runs SET revision = revision + 1,
                  remark = CASE WHEN %(back)s THEN %(remark)s ELSE remark END
           WHERE id IN (SELECT run_id FROM replaced)""",
        {
            "repository": run.repository_id,
            "environment": run.environment,
            "run": run.id,
            "back": run.kind == "rollback",
            "remark": f"Rolled back to {run.sha[:7]}{by_whom(run.actor)}",
        },
    )
    connection.execute(
        """UPDATE mcp_deployments
           SET state = 'live', live_at = coalesce(live_at, now()), package_id = %s,
               version_id = %s, handshake = %s
           WHERE run_id = %s AND state IN ('candidate', 'live')""",
        (package_id, version_id, Jsonb(handshake), run.id),
    )


def wanted_names(connection: Connection, host: str) -> set[str]:
    """The servers that should run on a host: the live ones and the candidates of open runs."""
    rows = connection.execute(
        """SELECT d.host_id FROM mcp_deployments d JOIN runs r ON r.id = d.run_id
           WHERE d.host = %s AND (d.state = 'live'
                 OR (d.state = 'candidate' AND r.state IN ('queued', 'running')))""",
        (host,),
    ).fetchall()
    return {row[0] for row in rows}


def live(connection: Connection, repository_id: int, environment: str) -> Deployment | None:
    """What serves in an environment."""
    with connection.cursor(row_factory=class_row(Deployment)) as cursor:
        return cursor.execute(
            f"""SELECT {_COLUMNS} FROM mcp_deployments
                WHERE repository_id = %s AND environment = %s AND state = 'live'""",
            (repository_id, environment),
        ).fetchone()


def serving_in(connection: Connection, repository_id: int) -> list[str]:
    """The environments of a repository in which something serves."""
    rows = connection.execute(
        """SELECT environment FROM mcp_deployments
           WHERE repository_id = %s AND state = 'live' ORDER BY environment""",
        (repository_id,),
    ).fetchall()
    return [row[0] for row in rows]


def last_good(connection: Connection, repository_id: int, environment: str) -> Deployment | None:
    """What served before the live deployment, was another artifact, and can be started again. A
    preview has none: it follows its pull request, and a rollback would outlive that."""
    with connection.cursor(row_factory=class_row(Deployment)) as cursor:
        return cursor.execute(
            f"""SELECT {_COLUMNS} FROM mcp_deployments AS old
                WHERE repository_id = %(repository)s AND environment = %(environment)s
                  AND state = 'replaced' AND NOT withdrawn AND NOT discarded
                  AND environment NOT LIKE 'preview/%%'
                  AND NOT EXISTS (
                      SELECT FROM mcp_deployments AS live
                      WHERE live.repository_id = old.repository_id
                        AND live.environment = old.environment AND live.state = 'live'
                        AND (live.artifact ->> 'digest' = old.artifact ->> 'digest'
                             OR live.live_at < old.live_at))
                ORDER BY live_at DESC LIMIT 1""",
            {"repository": repository_id, "environment": environment},
        ).fetchone()


def stop(connection: Connection, repository_id: int, environment: str) -> int:
    """Note that nothing is wanted in an environment any more; return how many servers that ends.
    The checks of their runs are shown anew, without address and buttons."""
    return connection.execute(
        """WITH ended AS (
               UPDATE mcp_deployments SET state = 'stopped', ended_at = now()
               WHERE repository_id = %s AND environment = %s AND state IN ('live', 'candidate')
               RETURNING run_id)
           UPDATE runs SET revision = revision + 1 WHERE id IN (SELECT run_id FROM ended)""",
        (repository_id, environment),
    ).rowcount


def discarded(connection: Connection, deployment_id: int) -> None:
    """Note that a deployment's artifact was removed. When that leaves nothing to go back to, the
    check of what is live loses its button."""
    row = connection.execute(
        "SELECT repository_id, environment FROM mcp_deployments WHERE id = %s", (deployment_id,)
    ).fetchone()
    assert row is not None
    could = last_good(connection, *row) is not None
    connection.execute(
        "UPDATE mcp_deployments SET discarded = true WHERE id = %s", (deployment_id,)
    )
    if could and last_good(connection, *row) is None:
        connection.execute(
            """UPDATE runs SET revision = revision + 1 WHERE id IN (
                   SELECT run_id FROM mcp_deployments
                   WHERE repository_id = %s AND environment = %s AND state = 'live')""",
            row,
        )


def stop_all(connection: Connection, repository_id: int) -> None:
    """Note that nothing of a repository is wanted any more, in any environment."""
    connection.execute(
        """UPDATE mcp_deployments SET state = 'stopped', ended_at = now()
           WHERE repository_id = %s AND state IN ('live', 'candidate')""",
        (repository_id,),
    )
