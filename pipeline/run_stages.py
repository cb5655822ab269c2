"""The stages of a run in the database: each result is stored before the next stage begins."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from config.database import Connection, transaction
from pipeline.run_claims import hold
from pipeline.runs import Run
from pipeline.stages.base import STAGES, Result, StageName


@dataclass(frozen=True)
class StageRow:
    """A stage that has begun."""

    stage: StageName
    state: str
    result: dict[str, Any] | None
    started_at: datetime
    finished_at: datetime | None


def of_run(connection: Connection, run_id: int) -> list[StageRow]:
    """The stages of a run that have begun, in their order."""
    with connection.cursor(row_factory=class_row(StageRow)) as cursor:
        return cursor.execute(
            """SELECT stage, state, result, started_at, finished_at FROM run_stages
               WHERE run_id = %s ORDER BY position""",
            (run_id,),
        ).fetchall()


def finished_results(run_id: int) -> dict[str, dict[str, Any]]:
    """The results of the stages that a resumed run need not repeat."""
    with transaction() as connection:
        return {
            row.stage: row.result or {}
            for row in of_run(connection, run_id)
            if row.state == "succeeded"
        }


def begin(run: Run, stage: StageName) -> None:
    """Note that a stage begins, again perhaps.

    Raises:
        LostClaim: the run is not this worker's any more.
    """
    with transaction() as connection:
        hold(connection, run)
        connection.execute(
            """INSERT INTO run_stages (run_id, stage, position, state)
               VALUES (%s, %s, %s, 'running')
               ON CONFLICT (run_id, stage) DO UPDATE
               SET state = 'running', started_at = now(), finished_at = NULL""",
            (run.id, stage, STAGES.index(stage)),
        )


def succeed(run: Run, stage: StageName, result: Result) -> None:
    """Store a stage's result.

    Raises:
        LostClaim: the run is not this worker's any more.
    """
    with transaction() as connection:
        hold(connection, run)
        connection.execute(
            """UPDATE run_stages SET state = 'succeeded', result = %s, finished_at = now()
               WHERE run_id = %s AND stage = %s""",
            (Jsonb(result.model_dump(mode="json")), run.id, stage),
        )


def end_unfinished(run: Run, state: str) -> None:
    """Mark the stage that was under way as `failed` or `cancelled`.

    Raises:
        LostClaim: the run is not this worker's any more.
    """
    with transaction() as connection:
        hold(connection, run)
        connection.execute(
            """UPDATE run_stages SET state = %s, finished_at = now()
               WHERE run_id = %s AND state = 'running'""",
            (state, run.id),
        )
