"""What RQ calls: thin entry points that hand over to the pipeline."""

import functools
import time
from collections.abc import Callable, Sequence

import structlog
from psycopg import OperationalError
from redis.exceptions import RedisError

from config.database import transaction
from config.settings import SettingsError, settings
from pipeline import deliveries, run_claims, runner, runs, tidy
from pipeline.drain import Processed, process_next
from pipeline.errands import handlers  # noqa: F401 - fills the table of handlers
from pipeline.errands import table as errands
from pipeline.github import missed, recovery
from pipeline.github import report as github_report
from pipeline.github.client import GitHubAway
from pipeline.hosts.choose import choose_host
from pipeline.reconcile import repositories
from pipeline.reconcile.installations import reconcile_installations
from pipeline.reconcile.previews import look_again_at_closed
from pipeline.reconcile.servers import reconcile_servers
from pipeline.stages.base import StageError
from workers import queues

_log = structlog.stdlib.get_logger(__name__)

# After this many seconds of one drain the bell is rung again, so that other jobs get their turn.
_DRAIN_SECONDS = 20
_RETENTION_BATCH = 1000
_BUSY_RINGS = 20
_RECONCILE_SECONDS = 600


def drain() -> None:
    """Process the deliveries that wait, and start the runs that come out of them."""
    _tell_the_bell(queues.answer)
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
    _tell_the_bell(queues.ring)


def _tell_the_bell(tell: Callable[[], object]) -> None:
    try:
        tell()
    except RedisError as error:
        _log.warning("Redis is away, the bell is left to the sweep", error=type(error).__name__)


def _start_runs(processed: Processed) -> None:
    if processed.outcome is None:
        return
    for run_id in processed.outcome.run_ids:
        # The report comes first: an author sees "queued" within a second, however long the queue.
        _ring(queues.enqueue_report, run_id)
        _ring(queues.enqueue_run, run_id)
    for errand_id in processed.outcome.errand_ids:
        _ring(queues.enqueue_errand, errand_id)


def _ring(enqueue: Callable[[int], None], row_id: int) -> None:
    try:
        enqueue(row_id)
    except RedisError as error:
        _log.warning("not enqueued, left to the sweep", id=row_id, error=type(error).__name__)


def _bind(run_id: int) -> None:
    """Put the ids of the run and of the delivery that started it on every line that follows."""
    structlog.contextvars.clear_contextvars()
    with transaction() as connection:
        delivery = runs.delivery_of(connection, run_id)
    structlog.contextvars.bind_contextvars(run=run_id, delivery=delivery)


def run(run_id: int) -> None:
    """Drive a run as far as it goes, then ring for what waited for it."""
    _bind(run_id)
    driven = runner.drive(run_id, changed=functools.partial(_ring, queues.enqueue_report))
    for waiting in driven.run_ids:
        _ring(queues.enqueue_report, waiting)
        _ring(queues.enqueue_run, waiting)


def report(run_id: int) -> None:
    """Bring GitHub up to date about a run."""
    _bind(run_id)
    github_report.report(run_id)


def errand(errand_id: int) -> None:
    """Ask GitHub something, or say something there, and ring for what comes of it."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(errand=errand_id)
    done = errands.work(errand_id)
    if done is None:
        return
    for run_id in done.run_ids:
        _ring(queues.enqueue_report, run_id)
        _ring(queues.enqueue_run, run_id)
    for following in done.errand_ids:
        _ring(queues.enqueue_errand, following)
    if done.clear_up:
        _tell_the_bell(lambda: queues.enqueue(queues.MAINTENANCE, "workers.jobs.clear_up"))


def sweep() -> None:
    """Ring for whatever nobody was rung for: Redis was away, or a worker died."""
    try:
        queued_again, ended = run_claims.reap()
        with transaction() as connection:
            deliveries_due = deliveries.is_work_due(connection)
            due = runs.due(connection)
            reports_due = github_report.due(connection)
            errands_due = errands.due(connection)
            recovery_due = missed.is_due(connection)
    except OperationalError as error:
        _log.warning("PostgreSQL is away, the sweep ends", error=type(error).__name__)
        return
    if queued_again or ended:
        _log.warning("runs taken from dead workers", queued=queued_again, ended=ended)
    if deliveries_due:
        queues.ring()
    _ring_for(queues.RUNS, queues.enqueue_run, due)
    _ring_for(queues.REPORTS, queues.enqueue_report, reports_due)
    _ring_for(queues.REPORTS, queues.enqueue_errand, errands_due)
    if recovery_due and queues.is_quiet(queues.MAINTENANCE):
        queues.enqueue_recovery()


def _ring_for(queue: str, enqueue: Callable[[int], None], due: Sequence[int]) -> None:
    """Ring for rows that are due.

    A queue with jobs rings already, and ringing for everything again and again would only fill
    Redis: then only the rows that wait longest are rung for, each once in a while.
    """
    if queues.is_quiet(queue):
        rows = due
    else:
        rows = [row for row in due[:_BUSY_RINGS] if queues.first_ring(enqueue.__name__, row)]
    for row_id in rows:
        _ring(enqueue, row_id)


def _start_all(run_ids: Sequence[int]) -> None:
    for run_id in run_ids:
        _ring(queues.enqueue_report, run_id)
        _ring(queues.enqueue_run, run_id)


def reconcile() -> None:
    """Compare GitHub, and the servers, with what we know, and ask for what is missing."""
    try:
        for errand_id in reconcile_installations():
            _ring(queues.enqueue_errand, errand_id)
        _reconcile_repositories()
        tidy.close_stale_runs()
        _start_all(reconcile_servers(revive_crashed=True))
    except GitHubAway as error:
        _log.warning("GitHub is away, reconciling waits", why=str(error))
    except StageError as error:
        _log.warning("the host is away, reconciling waits", why=str(error))


def sweep_previews() -> None:
    """Take down what is left of the previews of closed pull requests."""
    for errand_id in look_again_at_closed():
        _ring(queues.enqueue_errand, errand_id)


def _reconcile_repositories() -> None:
    """The repositories that were not compared for longest, as many as the time allows."""
    deadline = time.monotonic() + _RECONCILE_SECONDS
    pause = settings().recovery_interval * 0.9
    while time.monotonic() < deadline:
        with transaction() as connection:
            due = repositories.due(connection, older_than=pause, limit=1)
        if not due:
            return
        for errand_id in repositories.reconcile_repository(due[0]):
            _ring(queues.enqueue_errand, errand_id)


def redeliver_missed(start: int = 1) -> None:
    """Ask GitHub to deliver again what it could not deliver.

    Args:
        start: 0 only goes on with a sweep that was begun.
    """
    try:
        recovery.sweep(start=bool(start))
    except OperationalError as error:
        _log.warning("PostgreSQL is away, the sweep goes on later", error=type(error).__name__)
    except SettingsError:
        _log.info("there is no GitHub App yet that could have missed anything")


def clear_up() -> None:
    """Bring back servers that should run, stop those that nothing wants, and remove what old runs
    left behind."""
    try:
        choose_host(settings()).resume()
        tidy.tear_down_gone()
        tidy.stop_unwanted_servers()
        _start_all(reconcile_servers())
        discarded = tidy.discard_old_artifacts() + tidy.settle_artifacts()
        folders = tidy.remove_old_folders()
    except StageError as error:
        _log.warning("the host is away, clearing up waits", why=str(error))
        return
    if discarded or folders:
        _log.info("cleared up", artifacts=discarded, folders=folders)


def delete_old() -> None:
    """Delete the deliveries, errands and run logs that were finished long enough ago.

    Runs, their stages, deployments, pull requests and approvals stay: they are the history that
    GitHub's checks and deployments link to, a few rows for each push.
    """
    days, deleted = settings().retention_days, 0
    while True:
        with transaction() as connection:
            batch = deliveries.delete_finished(connection, days=days, limit=_RETENTION_BATCH)
        deleted += batch
        if batch < _RETENTION_BATCH:
            break
    while tidy.delete_old_logs(limit=_RETENTION_BATCH) == _RETENTION_BATCH:
        pass
    while _delete_old_errands(days) == _RETENTION_BATCH:
        pass
    _log.info("old deliveries deleted", count=deleted)


def _delete_old_errands(days: int) -> int:
    with transaction() as connection:
        return errands.delete_finished(connection, days=days, limit=_RETENTION_BATCH)
