"""Real worker processes against a Redis of their own, which is stopped and emptied under them."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis
from rq import Queue, Worker

from sandbox.embedded import EmbeddedRedis
from sandbox.secrets import make_secrets
from tests.polling import eventually

JOBS = "jobs_of_test_worker"


@pytest.fixture
def own_redis(short_folder: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(short_folder / "redis-of-worker")
    server.start()
    yield server
    server.wipe()


@pytest.fixture
def environ(own_redis: EmbeddedRedis, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "REDIS_URL": own_redis.url,
        "PYTHONPATH": str(Path(__file__).parent),
        # The jobs of these tests need neither, but no worker starts without.
        "DATABASE_URL": "postgresql:///none",
        "GITHUB_APP_ID": "1",
        "GITHUB_PRIVATE_KEY_FILE": str(make_secrets(tmp_path).private_key),
    }


@pytest.fixture
def pool(environ: dict[str, str], own_redis: EmbeddedRedis) -> Iterator[psutil.Popen]:
    """`python -m workers.worker maintenance runs`, with its workers registered."""
    process = psutil.Popen([sys.executable, "-m", "workers.worker", "runs"], env=environ)
    eventually(lambda: Worker.count(connection=Redis.from_url(own_redis.url)))
    yield process
    family = [process, *process.children(recursive=True)] if process.is_running() else []
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()


def enqueue(server: EmbeddedRedis, job: str, *paths: Path) -> None:
    queue = Queue("runs", connection=Redis.from_url(server.url))
    queue.enqueue(f"{JOBS}.{job}", *map(str, paths), job_timeout=-1)


def test_a_worker_goes_on_after_redis_was_stopped_and_started(
    pool: psutil.Popen, own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    own_redis.stop()
    eventually(lambda: not own_redis.answers())
    own_redis.start()
    enqueue(own_redis, "leave", tmp_path / "done")
    eventually((tmp_path / "done").exists)
    assert pool.is_running()


def test_a_worker_goes_on_after_redis_was_emptied(
    pool: psutil.Popen, own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    Redis.from_url(own_redis.url).flushall()
    enqueue(own_redis, "leave", tmp_path / "done")
    eventually((tmp_path / "done").exists)


def test_a_job_is_finished_when_redis_is_stopped_under_it(
    environ: dict[str, str], own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    started, go_on, done = (tmp_path / name for name in ("started", "go-on", "done"))
    log = tmp_path / "log"
    # A heartbeat a second, so that the test need not wait for RQ's thirty.
    program = (
        "from config.logs import configure_logs; from config.redis import redis;"
        "from workers.worker import SigilWorker; configure_logs();"
        "SigilWorker(['runs'], connection=redis(), job_monitoring_interval=1).work()"
    )
    with log.open("w") as stderr:
        worker = psutil.Popen([sys.executable, "-c", program], env=environ, stderr=stderr)
    try:
        enqueue(own_redis, "wait_for", started, go_on, done)
        eventually(started.exists)
        own_redis.stop()
        eventually(lambda: "Redis is away" in log.read_text())
        go_on.touch()
        eventually(done.exists)
    finally:
        for process in (*worker.children(recursive=True), worker):
            process.kill()
        worker.wait()


def test_sigterm_ends_an_idle_pool_and_its_workers(pool: psutil.Popen) -> None:
    workers = pool.children(recursive=True)
    pool.terminate()
    assert pool.wait() == 0
    assert not any(worker.is_running() for worker in workers)


def test_sigterm_ends_a_pool_while_redis_is_away(
    pool: psutil.Popen, own_redis: EmbeddedRedis
) -> None:
    workers = pool.children(recursive=True)
    own_redis.stop()
    pool.terminate()
    assert pool.wait() == 0
    assert not any(worker.is_running() for worker in workers)


def test_sigterm_asks_a_run_to_hand_itself_back(
    pool: psutil.Popen, own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    enqueue(own_redis, "hand_back", tmp_path / "started", tmp_path / "handed-back")
    eventually((tmp_path / "started").exists)
    pool.terminate()
    assert pool.wait() == 0
    assert (tmp_path / "handed-back").exists()


@pytest.mark.faults
def test_a_killed_pool_leaves_no_worker_and_no_job_behind(
    pool: psutil.Popen, own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    enqueue(own_redis, "hand_back", tmp_path / "started", tmp_path / "handed-back")
    eventually((tmp_path / "started").exists)
    family = pool.children(recursive=True)
    os.kill(pool.pid, signal.SIGKILL)
    gone, alive = psutil.wait_procs(family, timeout=60)
    assert gone
    assert not alive
    assert (tmp_path / "handed-back").exists()


@pytest.mark.faults
def test_a_killed_worker_is_replaced_and_its_job_ends(
    pool: psutil.Popen, own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    enqueue(own_redis, "hand_back", tmp_path / "started", tmp_path / "handed-back")
    eventually((tmp_path / "started").exists)
    (worker,) = pool.children()
    worker.kill()
    eventually((tmp_path / "handed-back").exists)
    enqueue(own_redis, "leave", tmp_path / "done")
    eventually((tmp_path / "done").exists)
