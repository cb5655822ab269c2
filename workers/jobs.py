"""What RQ calls: thin entry points that hand over to the pipeline."""

import time

import structlog
from psycopg import OperationalError
from redis.exceptions import RedisError

from config.database import transaction
from config.settings import settings
from pipeline import deliveries
from pipeline.drain import Processed, process_next
from workers import queues

_log = structlog.stdlib.get_logger(__name__)

# After this many seconds of one drain the bell is rung again, so that other jobs get their turn.
_DRAIN_SECONDS = 20
_RETENTION_BATCH = 1000


def drain() -> None:
    """Process the deliveries that wait, and start the runs that come out of them."""
    queues.answer()
    try:
        with transaction() as connection:
            deliveries.mark_queued(connection)
        deadline = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < deadline:
            processed = process_next()
            if processed is None:
                return
            _start_runs(processed)
    except OperationalError as error:
        # Nothing is lost: the deliveries wait in PostgreSQL for the next sweep.
        _log.warning("PostgreSQL is away, the drain ends", error=type(error).__name__)
        return
    queues.ring()


def _start_runs(processed: Processed) -> None:
    if processed.outcome is None:
        return
    for run_id in processed.outcome.run_ids:
        try:
            queues.enqueue_run(run_id)
        except RedisError as error:
            _log.warning("run not enqueued, left to the sweep", run=run_id, error=str(error))


def sweep() -> None:
    """Ring for deliveries that nobody was rung for: Redis was away, or a worker died."""
    try:
        with transaction() as connection:
            due = deliveries.is_work_due(connection)
    except OperationalError as error:
        _log.warning("PostgreSQL is away, the sweep ends", error=type(error).__name__)
        return
    if due:
        queues.ring()


def delete_old() -> None:
    """Delete the deliveries that were finished long enough ago."""
    days, deleted = settings().retention_days, 0
    while True:
        with transaction() as connection:
            batch = deliveries.delete_finished(connection, days=days, limit=_RETENTION_BATCH)
        deleted += batch
        if batch < _RETENTION_BATCH:
            break
    _log.info("old deliveries deleted", count=deleted)
