"""Figures over the whole system, for the status page and for Prometheus."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from config.database import Connection


@dataclass(frozen=True)
class Totals:
    """The figures of one moment. Ages are seconds, None when there is nothing to be that old.

    Attributes:
        deliveries: How many per state; the states that are an end may be left out.
        runs: As `deliveries`.
        oldest_waiting: Age of the oldest delivery that is due and not processed.
        last_accepted: Seconds since the newest delivery came.
        unreported: Runs with a change that GitHub has not been told.
        oldest_unreported: Seconds since the oldest of those was due to be told.
        live: Serving deployments per host.
    """

    deliveries: dict[str, int]
    runs: dict[str, int]
    oldest_waiting: float | None
    last_accepted: float | None
    last_accepted_at: datetime | None
    unreported: int
    oldest_unreported: float | None
    live: dict[str, int]

    @property
    def waiting(self) -> int:
        """Deliveries that will be processed (again)."""
        return sum(self.deliveries.get(state, 0) for state in ("received", "queued", "failed"))

    @property
    def dead(self) -> int:
        """Deliveries that were given up and wait for a person."""
        return self.deliveries.get("dead", 0)


def read_totals(connection: Connection, *, finished: bool = False) -> Totals:
    """The figures, as of one moment when called inside `reading()`.

    Args:
        finished: Also count what has come to an end, which takes longer the longer Sigil runs.
    """
    states = None if finished else _OPEN
    row = connection.execute(
        """
        SELECT (SELECT extract(epoch FROM now() - min(due_at)) FROM deliveries
                WHERE state IN ('received', 'queued', 'failed') AND due_at <= now()),
               (SELECT received_at FROM deliveries ORDER BY id DESC LIMIT 1),
               (SELECT count(*) FROM runs WHERE reported_revision < revision),
               (SELECT extract(epoch FROM now() - min(report_due_at)) FROM runs
                WHERE reported_revision < revision AND report_due_at <= now()),
               now()
        """
    ).fetchone()
    assert row is not None, "a SELECT without FROM has one row"
    waiting, last, unreported, oldest, now = row
    return Totals(
        deliveries=_count(connection, _DELIVERIES, states),
        runs=_count(connection, _RUNS, states),
        oldest_waiting=None if waiting is None else float(waiting),
        last_accepted=None if last is None else (now - last).total_seconds(),
        last_accepted_at=last,
        unreported=unreported,
        oldest_unreported=None if oldest is None else float(oldest),
        live=_count(connection, _LIVE, states),
    )


_OPEN = ["received", "queued", "failed", "dead", "running"]
_DELIVERIES = """
    SELECT state, count(*) FROM deliveries
    WHERE %(states)s::text[] IS NULL OR state = ANY(%(states)s) GROUP BY state"""
# A run that failed has come to an end, a delivery that failed has not.
_RUNS = """
    SELECT state, count(*) FROM runs
    WHERE %(states)s::text[] IS NULL OR state IN ('queued', 'running') GROUP BY state"""
_LIVE = "SELECT host, count(*) FROM mcp_deployments WHERE state = 'live' GROUP BY host"


def _count(connection: Connection, sql: str, states: list[str] | None) -> dict[str, int]:
    rows = connection.execute(sql, {"states": states}).fetchall()
    return {name: int(number) for name, number in rows}


@dataclass(frozen=True)
class Durations:
    """How long the newest finished runs, or their stages, took.

    Attributes:
        name: The run's outcome, or the stage.
        count: How many were looked at.
        quantiles: Seconds at 0.5, 0.9 and 0.99.
    """

    name: str
    count: int
    quantiles: list[float]


QUANTILES = (0.5, 0.9, 0.99)

# The window has two ends, so that a scrape costs the same on a busy day: the last 24 hours, and
# of those the last 2,000 runs.
RECENT_RUNS = """
    SELECT id, state, started_at, finished_at FROM runs
    WHERE finished_at > now() - interval '24 hours' AND started_at IS NOT NULL
    ORDER BY finished_at DESC LIMIT 2000
"""


def read_run_durations(connection: Connection) -> tuple[Durations, ...]:
    """Per outcome, from the first claim to the end."""
    return _durations(
        connection,
        f"""
        WITH recent AS ({RECENT_RUNS}),
        took AS (SELECT state AS name, extract(epoch FROM finished_at - started_at) AS seconds
                 FROM recent)""",
    )


def read_stage_durations(connection: Connection) -> tuple[Durations, ...]:
    """Per stage, those that succeeded."""
    return _durations(
        connection,
        f"""
        WITH recent AS ({RECENT_RUNS}),
        took AS (SELECT s.stage AS name, extract(epoch FROM s.finished_at - s.started_at) AS seconds
                 FROM recent JOIN run_stages s ON s.run_id = recent.id
                 WHERE s.state = 'succeeded')""",
    )


def _durations(connection: Connection, took: str) -> tuple[Durations, ...]:
    sql = f"""{took}
        SELECT name, count(*) AS count,
               percentile_cont(%(quantiles)s::float8[]) WITHIN GROUP (ORDER BY seconds::float8)
                   AS quantiles
        FROM took GROUP BY name ORDER BY name"""
    with connection.cursor(row_factory=class_row(Durations)) as cursor:
        return tuple(cursor.execute(sql, {"quantiles": list(QUANTILES)}).fetchall())
