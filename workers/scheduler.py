"""The scheduler process: RQ's cron, kept alive while Redis is away.

`python -m workers.scheduler` starts it; `rq cron` itself would end when Redis does. Any number of
copies may run.
"""

import signal
import sys
import threading

import structlog
from redis.exceptions import RedisError
from rq.cron import CronScheduler

from config.logs import configure_logs, configure_sentry
from config.redis import redis
from config.settings import SettingsError

_log = structlog.stdlib.get_logger(__name__)

# How long to wait until Redis is asked again, and how long at most between two heartbeats.
_AWAY_SECONDS = 2.0
_HEARTBEAT_SECONDS = 30.0


def keep_schedule(stop: threading.Event) -> None:
    """Enqueue what is due until `stop` is set."""
    scheduler = CronScheduler(connection=redis())
    scheduler.load_config_from_file("workers.schedule")
    born = False
    while not stop.is_set():
        try:
            if not born:
                scheduler.register_birth()
                born = True
            if scheduler.enqueue_jobs():
                scheduler.save()
            scheduler.heartbeat()
            pause = min(scheduler.calculate_sleep_interval(), _HEARTBEAT_SECONDS)
        except RedisError as error:
            _log.warning("Redis is away, the schedule waits", error=type(error).__name__)
            pause = _AWAY_SECONDS
        stop.wait(pause)
    try:
        scheduler.register_death()
    except RedisError:
        _log.info("Redis is away, and forgets this scheduler by itself")


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    try:
        configure_logs()
        configure_sentry()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        keep_schedule(stop)
    except SettingsError as error:
        sys.exit(f"The scheduler does not start:\n{error}")


if __name__ == "__main__":
    main()
