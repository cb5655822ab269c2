"""A run: one attempt to bring one commit to one environment. Its states, and who may change them.

    queued ──▶ running ──▶ succeeded | failed | cancelled | superseded      (skipped: never queued)
      ▲           │
      └───────────┘  retried later, handed back, or taken from a dead worker

Each change that GitHub should see raises `revision`. Making runs is in `run_making`, owning them in
`run_claims`.
"""

import uuid
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, LiteralString

from psycopg.rows import class_row

from config.database import Connection

RunState = Literal["queued", "running", "succeeded", "failed", "cancelled", "superseded", "skipped"]
Kind = Literal["deploy", "release", "preview", "check", "rollback"]
"""deploy: a branch's commit. release: a tag's. preview, check: a pull request's, of which only the
first starts a server. rollback: a deployment that served before."""

OPERATOR = "operator"
"""The `actor` of what was asked for with a command or on a page, by whoever runs this Sigil."""

PRODUCTION = "production"
"""The environment whose deployments are listed, unless `deploy:` of mcp.yaml says otherwise."""

FINAL: frozenset[RunState] = frozenset(
    {"succeeded", "failed", "cancelled", "superseded", "skipped"}
)


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
    archived: bool
    state: str

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True)
class Run:
    """A row of `runs`, without its reporting columns.

    Attributes:
        trusted: False for a commit of a fork that nobody has approved: it gets no secret, and
            nothing of it is started.
        actor: The login of the person who asked for it, when one did, or `OPERATOR`.
        target_id: The deployment that a rollback brings back.
        deploy_settings: The `deploy:` that holds; for a pull request that of its base branch.
        remark: What happened to it after its end.
    """

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
    pull_number: int | None
    trusted: bool
    actor: str | None
    target_id: int | None
    deploy_settings: dict[str, Any] | None
    delivery_id: int | None
    state: RunState
    superseded_by: str | None
    stop_requested: Literal["cancelled", "superseded"] | None
    title: str | None
    remark: str | None
    error: dict[str, Any] | None
    due_at: datetime
    claim: uuid.UUID | None
    claims: int
    retries: int
    heartbeat_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def by_whom(actor: str | None) -> str:
    """Who asked for it, as a sentence goes on: ` by @octocat`; empty when nobody did."""
    if actor is None:
        return ""
    return " by the operator" if actor == OPERATOR else f" by @{actor}"


def _columns(model: type) -> LiteralString:
    names = [field.name for field in fields(model)]
    return ", ".join(names)


RUN_COLUMNS = _columns(Run)
_REPOSITORY = _columns(Repository)


def get(connection: Connection, run_id: int) -> Run | None:
    """The run of that id."""
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(f"SELECT {RUN_COLUMNS} FROM runs WHERE id = %s", (run_id,)).fetchone()


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
            f"""SELECT DISTINCT ON (kind, environment) {RUN_COLUMNS} FROM runs
                WHERE repository_id = %s AND sha = %s ORDER BY kind, environment, attempt DESC""",
            (repository_id, sha),
        ).fetchall()


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


def due(connection: Connection, *, limit: int = 500) -> list[int]:
    """Queued runs that could be claimed now, the longest due first."""
    rows = connection.execute(
        """SELECT u.id FROM runs u JOIN repositories r ON r.id = u.repository_id
           JOIN installations i ON i.id = r.installation_id
           WHERE u.state = 'queued' AND u.due_at <= now() AND r.state = 'active'
             AND NOT r.archived AND i.state = 'active' ORDER BY u.due_at LIMIT %s""",
        (limit,),
    ).fetchall()
    return [row[0] for row in rows]


def latest_of_pull(connection: Connection, repository_id: int, number: int) -> Run | None:
    """The newest run of a pull request."""
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(
            f"""SELECT {RUN_COLUMNS} FROM runs WHERE repository_id = %s AND pull_number = %s
                ORDER BY id DESC LIMIT 1""",
            (repository_id, number),
        ).fetchone()


def open_of_pull(connection: Connection, repository_id: int, number: int) -> list[int]:
    """The runs of a pull request that wait or run."""
    rows = connection.execute(
        """SELECT id FROM runs WHERE repository_id = %s AND pull_number = %s
             AND state IN ('queued', 'running') ORDER BY id""",
        (repository_id, number),
    ).fetchall()
    return [row[0] for row in rows]


def show_approval(connection: Connection, repository_id: int, number: int, sha: str) -> None:
    """Have the checks of a commit that was just approved shown anew."""
    connection.execute(
        """UPDATE runs SET revision = revision + 1
           WHERE repository_id = %s AND pull_number = %s AND sha = %s AND NOT trusted""",
        (repository_id, number, sha),
    )


def show_again(connection: Connection, repository_id: int, number: int, sha: str) -> None:
    """Have the checks of a pull request's commit shown anew: it was closed, is open again, or has a
    newer commit, so that other buttons apply. One whose server runs is shown when that stops."""
    connection.execute(
        """UPDATE runs SET revision = revision + 1
           WHERE repository_id = %s AND pull_number = %s AND sha = %s
             AND state NOT IN ('queued', 'running')
             AND NOT EXISTS (SELECT FROM mcp_deployments d
                             WHERE d.run_id = runs.id AND d.state = 'live')""",
        (repository_id, number, sha),
    )


def waiting_for(connection: Connection, run: Run) -> list[int]:
    """The runs that can go on once `run` has ended: the next of its repository and environment, and
    those of the same commit, which waited for its build."""
    rows = connection.execute(
        """(SELECT id FROM runs WHERE repository_id = %(repository_id)s
              AND environment = %(environment)s AND state = 'queued' AND due_at <= now()
            ORDER BY id LIMIT 1)
           UNION
           SELECT id FROM runs WHERE repository_id = %(repository_id)s AND sha = %(sha)s
              AND state = 'queued' AND due_at <= now()""",
        vars(run),
    ).fetchall()
    return sorted(row[0] for row in rows)
