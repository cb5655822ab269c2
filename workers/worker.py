"""The worker process: an RQ pool whose workers outlive Redis and hand their run back on SIGTERM.

`python -m workers.worker QUEUE…` starts it. What a job does is in `workers.jobs`.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq import Worker
from rq.job import Job
from rq.worker_pool import WorkerPool

from config.logs import configure_logs, configure_sentry
from config.redis import redis
from config.settings import SettingsError, settings
from workers.preload import preload
from workers.queues import RUNS
from workers.start import check

_log = structlog.stdlib.get_logger(__name__)

PARENT_CHECK = 1.0
"""Seconds between two looks whether the process that started this one still lives."""


class SigilWorker(Worker):
    """An RQ worker for which Redis is only a doorbell.

    RQ's own worker quits, and leaves its running job an orphan, when Redis is away at the moment
    of a heartbeat. Here the job goes on: PostgreSQL says what was done.
    """

    log_result_lifespan = False
    # Two seconds, not RQ's sixty, until a worker notices that Redis is back.
    max_connection_wait_time = 2.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # RQ waits for jobs this long less 15 s; a silent network failure is noticed after that.
        kwargs.setdefault("worker_ttl", 75)
        super().__init__(*args, **kwargs)

    def work(self, *args: Any, **kwargs: Any) -> bool:
        """Work as RQ does, without its scheduler: what is due later waits in PostgreSQL."""
        end_with_parent(os.getppid())
        kwargs["with_scheduler"] = False
        return super().work(*args, **kwargs)

    def maintain_heartbeats(self, *args: Any) -> None:
        """Tell Redis that the job goes on."""
        with _redis_may_be_away():
            super().maintain_heartbeats(*args)

    def set_shutdown_requested_date(self) -> None:
        """Tell Redis that this worker drains."""
        with _redis_may_be_away():
            super().set_shutdown_requested_date()  # type: ignore[no-untyped-call]

    def register_death(self) -> None:
        """Tell Redis that this worker ended."""
        with _redis_may_be_away():
            super().register_death()  # type: ignore[no-untyped-call]

    def handle_warm_shutdown_request(self) -> None:
        """Finish the current job; but a run may take long, and is asked to hand itself back."""
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]
        if self.horse_pid and RUNS in self.queue_names():
            # The process alone, not its group as RQ's `kill_horse` does: what the job started (a
            # build, git) is for the job to end in order.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGTERM)

    def main_work_horse(self, job: Job, queue: Any) -> None:
        """Perform one job in a forked process, which does not outlive its worker for long."""
        end_with_parent(os.getppid())
        super().main_work_horse(job, queue)


@contextlib.contextmanager
def _redis_may_be_away() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        _log.warning("Redis is away, the worker goes on", error=type(error).__name__)


def end_with_parent(parent: int) -> None:
    """Send this process SIGTERM when `parent` has died, so that it drains and leaves no orphan.

    Killed with SIGKILL, a pool cannot stop its workers, nor a worker its job.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def main() -> None:
    """Run a pool of workers until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("queues", nargs="+", help="in the order of their importance")
    parser.add_argument("--processes", type=int, default=1, help="jobs worked on at a time")
    arguments = parser.parse_args()
    try:
        configure_logs()
        check(settings())
    except SettingsError as error:
        sys.exit(f"The worker does not start:\n{error}")
    configure_sentry()
    preload()
    WorkerPool(
        arguments.queues,
        redis(),
        num_workers=arguments.processes,
        worker_class=SigilWorker,
    ).start()


if __name__ == "__main__":
    main()
