"""Runs as people and tools read them: lists, one run with what led to it, and its log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from psycopg.rows import class_row

from config.database import Connection
from pipeline.overview.paging import Page, Window, cut, newest_of
from pipeline.runs import FINAL, RunState

RUN_STATES: tuple[RunState, ...] = get_args(RunState)

LOG_LINES = 500
"""Most lines of a log in one answer."""


@dataclass(frozen=True)
class RunRow:
    """A run in a list. `repository` is `owner/name`."""

    id: int
    repository: str
    kind: str
    environment: str
    ref: str
    sha: str
    attempt: int
    state: RunState
    title: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def finished(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.state in FINAL


@dataclass(frozen=True)
class Run(RunRow):
    """One run with what led to it and what came of it.

    Attributes:
        error: The stored `StageError`, when it failed.
        remark: What happened to it after its end.
        actor: The login of the person who asked for it, when one did, or `OPERATOR`.
        pull_number: The pull request that it belongs to.
        parent_id: The run that this one repeats.
        latest_id: The newest repetition of the same target; its own id when it is that.
        superseded_by: The newer commit that took its place.
        superseded_by_id: The run of that commit for the same environment, when there is one.
        delivery: The GUID of the delivery that started it, while the ledger keeps it.
    """

    error: dict[str, Any] | None
    remark: str | None
    actor: str | None
    pull_number: int | None
    parent_id: int | None
    latest_id: int
    superseded_by: str | None
    superseded_by_id: int | None
    stop_requested: str | None
    retries: int
    due_at: datetime
    delivery: str | None
    check_run_id: int | None


@dataclass(frozen=True)
class LogLine:
    """One line of a run's log. Its id is the cursor to ask for the lines after it."""

    id: int
    stage: str
    at: datetime
    line: str


_ROW = """
    SELECT r.id, p.owner || '/' || p.name AS repository, r.kind, r.environment, r.ref, r.sha,
           r.attempt, r.state, r.title, r.created_at, r.started_at, r.finished_at"""

_WANTED = """
    SELECT * FROM runs
    WHERE (%(state)s::text IS NULL OR state = %(state)s)
      AND (%(sha)s::text IS NULL OR sha = %(sha)s)
      AND (%(delivery)s::bigint IS NULL OR delivery_id = %(delivery)s)
      AND (%(repository)s::bigint IS NULL OR repository_id = %(repository)s)
      AND (%(before)s::bigint IS NULL OR id < %(before)s)
      AND (%(after)s::bigint IS NULL OR id > %(after)s)"""


def list_sql(*, private: bool, oldest_first: bool) -> str:
    """The query of `list_runs`."""
    order = "r.id" if oldest_first else "r.id DESC"
    wanted = newest_of(_WANTED, private=private, oldest_first=oldest_first)
    return f"""{_ROW} FROM ({wanted}) r
               JOIN repositories p ON p.id = r.repository_id ORDER BY {order}"""


def list_runs(
    connection: Connection,
    window: Window,
    *,
    state: RunState | None = None,
    repository: str | None = None,
    sha: str | None = None,
    delivery: int | None = None,
    private: bool = False,
) -> Page[RunRow]:
    """Runs, newest first.

    Args:
        state: Only runs in this state.
        repository: Only runs of this `owner/name`, in any case.
        sha: Only runs of this commit, 40 hex digits.
        delivery: Only runs that this delivery (its row's id) started.
        private: Also runs of private repositories.
    """
    filters: dict[str, str | int | None] = {"state": state, "sha": sha, "delivery": delivery}
    filters["repository"] = None
    # Looked up first: PostgreSQL chooses a plan by how many runs this very repository has.
    if repository:
        filters["repository"] = find_repository(connection, repository, private=private)
        if filters["repository"] is None:
            return cut((), window)
    sql = list_sql(private=private, oldest_first=window.after is not None)
    with connection.cursor(row_factory=class_row(RunRow)) as cursor:
        rows = cursor.execute(sql, filters | window.parameters()).fetchall()
    return cut(rows, window)


def find_repository(connection: Connection, name: str, *, private: bool = False) -> int | None:
    """The id of the repository that is called `owner/name`, in any case.

    A name that was given to another repository later means the newer one, and one that nobody has
    any more the repository that had it.

    Args:
        private: Also when it is private.
    """
    row = (
        connection.execute(
            """SELECT id FROM repositories
           WHERE lower(owner || '/' || name) = lower(%(name)s) AND (%(private)s OR NOT private)
           ORDER BY state = 'active' DESC, id DESC LIMIT 1""",
            {"name": name, "private": private},
        ).fetchone()
        or connection.execute(
            """SELECT r.id FROM former_names f JOIN repositories r ON r.id = f.repository_id
           WHERE f.full_name = lower(%(name)s) AND (%(private)s OR NOT r.private)""",
            {"name": name, "private": private},
        ).fetchone()
    )
    return int(row[0]) if row else None


_ONE = (
    _ROW
    + """,
           r.error, r.remark, r.actor, r.pull_number, r.parent_id, r.superseded_by,
           r.stop_requested, r.retries, r.due_at,
           d.guid::text AS delivery, r.check_run_id,
           (SELECT id FROM runs
            WHERE repository_id = r.repository_id AND sha = r.sha AND kind = r.kind
              AND environment = r.environment
            ORDER BY attempt DESC LIMIT 1) AS latest_id,
           (SELECT id FROM runs
            WHERE repository_id = r.repository_id AND sha = r.superseded_by
              AND environment = r.environment
            ORDER BY id DESC LIMIT 1) AS superseded_by_id
    FROM runs r JOIN repositories p ON p.id = r.repository_id
    LEFT JOIN deliveries d ON d.id = r.delivery_id AND (%(private)s OR NOT d.private)
    WHERE r.id = %(id)s AND (%(private)s OR NOT p.private)
"""
)


def get_run(connection: Connection, run_id: int, *, private: bool = False) -> Run | None:
    """The run of that id, or None.

    Args:
        private: Also when its repository is private.
    """
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(_ONE, {"id": run_id, "private": private}).fetchone()


def read_log(
    connection: Connection, run_id: int, *, after: int = 0, lines: int = LOG_LINES
) -> Sequence[LogLine]:
    """The lines that follow the line of id `after`, oldest first, at most `lines` of them."""
    return _log(connection, LOG_AFTER, run_id, after, lines)


def read_log_tail(
    connection: Connection, run_id: int, *, lines: int = LOG_LINES
) -> Sequence[LogLine]:
    """The last lines of the log, oldest first, at most `lines` of them."""
    return _log(connection, LOG_TAIL, run_id, 0, lines)[::-1]


_LOG = """
    SELECT id, stage, at, line FROM run_logs WHERE run_id = %(id)s AND id > %(after)s"""
LOG_AFTER = _LOG + " ORDER BY id LIMIT %(lines)s"
LOG_TAIL = _LOG + " ORDER BY id DESC LIMIT %(lines)s"


def _log(connection: Connection, sql: str, run_id: int, after: int, lines: int) -> list[LogLine]:
    with connection.cursor(row_factory=class_row(LogLine)) as cursor:
        return cursor.execute(sql, {"id": run_id, "after": after, "lines": lines}).fetchall()


def count_log(connection: Connection, run_id: int) -> int:
    """How many lines the log has."""
    row = connection.execute(
        "SELECT count(*) FROM run_logs WHERE run_id = %(id)s", {"id": run_id}
    ).fetchone()
    return int(row[0]) if row else 0
