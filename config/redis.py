"""The connection to Redis. It is a doorbell: what it forgets, a sweep finds in PostgreSQL."""

import functools

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from config.settings import settings


@functools.cache
def redis() -> "Redis":
    """The Redis client of this process.

    Raises:
        SettingsError: when `REDIS_URL` is not set.
    """
    settings().require("redis_url")
    return Redis.from_url(
        settings().redis_url.get_secret_value(),
        socket_connect_timeout=2,
        socket_timeout=5,
        # One quick second try survives a connection that was closed while idle; a server that is
        # away is reported at once, because callers fall back on the sweep.
        retry=Retry(ExponentialBackoff(base=0.05, cap=0.1), retries=1),
        health_check_interval=30,
        # Its own name and version, which the client would tell Redis on each connection, cost more
        # to find out than all that a job says to Redis.
        driver_info=None,
    )
