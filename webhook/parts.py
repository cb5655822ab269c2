"""Looks whether the parts that Sigil is made of answer: cheaply, at once, and never raising."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import structlog
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.cron import CronScheduler

from config.redis import redis
from config.settings import SettingsError, settings
from pipeline.engine import answers
from pipeline.github.budget import Hold, holds
from pipeline.hosts.choose import host_name

log = structlog.get_logger(__name__)

# `rq cron` sleeps for 60 seconds at most between two heartbeats.
_SCHEDULER_SILENT = timedelta(seconds=90)
_DOCKER_TIMEOUT = 2

PartState = Literal["up", "down", "unknown"]


@dataclass(frozen=True)
class Part:
    """A part and how it is.

    Attributes:
        key: For metrics, such as `redis`.
        name: For people.
        text: One sentence: what was found.
        hint: What to do about it, when something is to be done.
    """

    key: str
    name: str
    state: PartState
    text: str
    hint: str = ""


@dataclass(frozen=True)
class Doorbell:
    """What Redis and RQ say. Everything is empty when Redis is away.

    Attributes:
        queues: Jobs waiting, per queue.
        workers: How many are registered.
        busy: How many of them have a job.
        schedulers: How many gave a heartbeat lately.
    """

    parts: tuple[Part, ...]
    queues: dict[str, int]
    workers: int = 0
    busy: int = 0
    schedulers: int = 0


def read_doorbell() -> Doorbell:
    """Ask Redis for itself, the workers, the scheduler and the queues."""
    try:
        return _ask_redis()
    except (RedisError, SettingsError) as error:
        log.warning("redis does not answer", error=type(error).__name__)
        return Doorbell(
            parts=(
                Part(
                    "redis",
                    "Redis",
                    "down",
                    "Does not answer. Deliveries are still accepted and kept.",
                    "Check REDIS_URL and that Redis runs; the sweep picks up what waits.",
                ),
                Part("workers", "Workers", "unknown", "Redis would know."),
                Part("scheduler", "Scheduler", "unknown", "Redis would know."),
            ),
            queues={},
        )


def _ask_redis() -> Doorbell:
    connection = redis()
    version = connection.info("server")["redis_version"]
    workers = Worker.all(connection=connection)
    busy = sum(worker.get_state() == "busy" for worker in workers)
    schedulers = _schedulers()
    queues = {queue.name: queue.count for queue in Queue.all(connection=connection)}
    return Doorbell(
        parts=(
            Part("redis", "Redis", "up", f"Version {version}."),
            _workers(len(workers), busy),
            _scheduler(schedulers),
        ),
        queues=dict(sorted(queues.items())),
        workers=len(workers),
        busy=busy,
        schedulers=schedulers,
    )


def _schedulers() -> int:
    silent = datetime.now(UTC) - _SCHEDULER_SILENT
    beats = [
        scheduler.last_heartbeat
        for scheduler in CronScheduler.all(connection=redis(), cleanup=False)
    ]
    return sum(beat is not None and beat > silent for beat in beats)


def _workers(number: int, busy: int) -> Part:
    if number == 0:
        return Part(
            "workers",
            "Workers",
            "down",
            "None is registered; deliveries and runs wait.",
            "Start the worker process of the Procfile.",
        )
    noun = "worker" if number == 1 else "workers"
    return Part("workers", "Workers", "up", f"{number} {noun}, {busy} busy.")


def _scheduler(number: int) -> Part:
    if number == 0:
        return Part(
            "scheduler",
            "Scheduler",
            "down",
            "No heartbeat; what was missed is not swept up.",
            "Start the scheduler process of the Procfile.",
        )
    return Part("scheduler", "Scheduler", "up", "Sweeps what waits and what was missed.")


def read_holds() -> tuple[Hold, ...] | None:
    """What GitHub's limits hold back; None when Redis, which knows it, is away."""
    try:
        return holds()
    except (RedisError, SettingsError) as error:
        log.warning("redis does not answer", error=type(error).__name__)
        return None


def read_host() -> Part:
    """The place where servers run, as far as this process can see it."""
    try:
        name = host_name(settings(), timeout=_DOCKER_TIMEOUT)
    except SettingsError as error:
        return Part("host", "Host", "down", str(error))
    if name == "process":
        return Part("host", "Host", "up", "Servers run as plain processes, not isolated.")
    # Asked for, docker is the host whether or not it answers.
    if settings().host == "docker" and not answers(timeout=_DOCKER_TIMEOUT):
        return Part(
            "host",
            "Host",
            "down",
            "The docker engine does not answer this process.",
            "Start docker, or set SIGIL_HOST=process for development.",
        )
    return Part("host", "Host", "up", "Docker answers; servers run in containers.")
