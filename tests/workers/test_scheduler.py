"""Real scheduler processes against a Redis that is stopped and emptied under them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.cron import CronScheduler

from sandbox.embedded import EmbeddedRedis
from tests.polling import eventually
from workers.queues import MAINTENANCE


@pytest.fixture
def own_redis(short_folder: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(short_folder / "redis-of-scheduler")
    server.start()
    yield server
    server.wipe()


@pytest.fixture
def scheduler(own_redis: EmbeddedRedis) -> Iterator["subprocess.Popen[bytes]"]:
    process = _start(own_redis)
    yield process
    process.kill()
    process.wait()


def _start(server: EmbeddedRedis) -> "subprocess.Popen[bytes]":
    environment = {"REDIS_URL": server.url, "SIGIL_SWEEP_INTERVAL": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "workers.scheduler"], env=os.environ | environment
    )


def _is_swept(server: EmbeddedRedis) -> bool:
    queue = Queue(MAINTENANCE, connection=Redis.from_url(server.url))
    return any(job.func_name == "workers.jobs.sweep" for job in queue.jobs)


def _is_swept_anew(server: EmbeddedRedis) -> bool:
    Redis.from_url(server.url).delete(f"rq:queue:{MAINTENANCE}")
    return eventually(lambda: _is_swept(server))


def test_the_schedule_goes_on_after_redis_was_stopped_and_came_back_empty(
    scheduler: "subprocess.Popen[bytes]", own_redis: EmbeddedRedis
) -> None:
    assert eventually(lambda: _is_swept(own_redis))
    own_redis.stop()
    own_redis.start()
    assert _is_swept_anew(own_redis)
    assert scheduler.poll() is None
    assert eventually(lambda: CronScheduler.all(connection=Redis.from_url(own_redis.url)))


def test_it_starts_while_redis_is_away(own_redis: EmbeddedRedis) -> None:
    own_redis.stop()
    process = _start(own_redis)
    try:
        own_redis.start()
        assert eventually(lambda: _is_swept(own_redis))
    finally:
        process.kill()
        process.wait()


def test_the_copies_of_a_dead_scheduler_go_on(
    scheduler: "subprocess.Popen[bytes]", own_redis: EmbeddedRedis
) -> None:
    copy = _start(own_redis)
    try:
        connection = Redis.from_url(own_redis.url)
        eventually(lambda: len(CronScheduler.all(connection=connection)) == 2)
        copy.kill()
        copy.wait()
        assert _is_swept_anew(own_redis)
    finally:
        copy.kill()
        copy.wait()


@pytest.mark.parametrize("redis_is_there", [True, False])
def test_it_ends_on_sigterm_with_or_without_redis(
    scheduler: "subprocess.Popen[bytes]", own_redis: EmbeddedRedis, redis_is_there: bool
) -> None:
    connection = Redis.from_url(own_redis.url)
    eventually(lambda: CronScheduler.all(connection=connection))
    if not redis_is_there:
        own_redis.stop()
    scheduler.send_signal(signal.SIGTERM)
    assert scheduler.wait(60) == 0
    if redis_is_there:
        assert CronScheduler.all(connection=connection) == []


def test_a_missing_setting_is_named_without_a_traceback() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    ended = subprocess.run(
        [sys.executable, "-m", "workers.scheduler"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert "REDIS_URL is not set" in ended.stderr
    assert "Traceback" not in ended.stderr
