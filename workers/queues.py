"""The RQ queues, and the doorbell that says "there are deliveries".

Jobs are named, not imported, so that ringing does not load what the jobs need. A job carries an id
at most: when it is lost, a sweep finds its row in PostgreSQL.
"""

from rq import Queue

from config.redis import redis

DELIVERIES = "deliveries"
REPORTS = "reports"
MAINTENANCE = "maintenance"
"""Sweeps and clearing up."""
RUNS = "runs"
"""Takes minutes a job, where the others take seconds: needs workers of its own."""

_BELL = "sigil:bell:deliveries"
# The bell rings until a worker comes. If it was lost between here and there, it can be rung again
# after this many seconds.
_BELL_EXPIRES = 30
_FAILURES_KEPT = 86_400
_RING_AGAIN = 300

REPORT_SECONDS = 55
"""A report that takes longer is ended; less than the lease it works under."""


def ring() -> bool:
    """Queue one job that drains the deliveries, unless one is waiting already.

    Returns:
        Whether a job was queued.

    Raises:
        redis.RedisError: Redis is away. The sweep rings again.
    """
    if not redis().set(_BELL, 1, nx=True, ex=_BELL_EXPIRES):
        return False
    enqueue(DELIVERIES, "workers.jobs.drain")
    return True


def answer() -> None:
    """Silence the bell. To be called before looking at the deliveries: one that comes in after the
    look rings anew."""
    redis().delete(_BELL)


def enqueue(queue: str, job: str, *arguments: int, timeout: int = 180) -> None:
    """Queue a job by its dotted name.

    Args:
        timeout: Seconds that it may take; -1 for no limit.

    Raises:
        redis.RedisError: Redis is away.
    """
    Queue(queue, connection=redis()).enqueue(
        job, *arguments, job_timeout=timeout, result_ttl=0, failure_ttl=_FAILURES_KEPT
    )


def is_quiet(queue: str) -> bool:
    """Whether no job waits in the queue.

    Raises:
        redis.RedisError: Redis is away.
    """
    return Queue(queue, connection=redis()).count == 0


def first_ring(what: str, row_id: int) -> bool:
    """Whether nobody asked the same in the last minutes.

    Raises:
        redis.RedisError: Redis is away.
    """
    return bool(redis().set(f"sigil:rung:{what}:{row_id}", 1, nx=True, ex=_RING_AGAIN))


def enqueue_run(run_id: int) -> None:
    """Queue a run. Its row tells everything else."""
    enqueue(RUNS, "workers.jobs.run", run_id, timeout=-1)


def enqueue_report(run_id: int) -> None:
    """Queue a report to GitHub. Its requests end long before its lease does."""
    enqueue(REPORTS, "workers.jobs.report", run_id, timeout=REPORT_SECONDS)


def enqueue_errand(errand_id: int) -> None:
    """Queue something to ask of GitHub, or to say there."""
    enqueue(REPORTS, "workers.jobs.errand", errand_id, timeout=REPORT_SECONDS)


def enqueue_recovery() -> None:
    """Queue what is left of a sweep for missed deliveries."""
    enqueue(MAINTENANCE, "workers.jobs.redeliver_missed", 0)
