"""The docker engine: one client a process, and its failures in Sigil's words."""

import contextlib
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import requests
from docker.errors import DockerException

from pipeline.stages.base import StageError

# Seconds that the engine may take for one call; a build's stream has limits of its own.
_TIMEOUT = 60


def engine() -> docker.DockerClient:
    """The client of the engine that `DOCKER_HOST`, or the local socket, names.

    Raises:
        StageError: `ours`, when no engine answers.
    """
    # RQ forks a process per job, and two processes must not share the client's open connections.
    return _engine_of(os.getpid())


@functools.lru_cache(maxsize=1)
def _engine_of(_process: int) -> docker.DockerClient:
    with engine_errors():
        client = docker.from_env(timeout=_TIMEOUT)
        client.ping()
        return client


def forget_engine() -> None:
    """Make the next `engine` look for the engine anew."""
    _engine_of.cache_clear()


def answers(*, timeout: int | None = None) -> bool:
    """Whether a docker engine answers.

    Args:
        timeout: Seconds to wait for each of its answers, if less than for the engine's work.
    """
    try:
        with engine_errors():
            if timeout is None:
                engine().ping()
            else:
                with contextlib.closing(docker.from_env(timeout=timeout)) as client:
                    client.ping()
    except StageError:
        return False
    return True


@contextmanager
def engine_errors() -> Iterator[None]:
    """Turn what the engine's client raises into a `StageError` of ours."""
    try:
        yield
    except (DockerException, requests.RequestException) as error:
        raise StageError(
            title="The docker engine did not do its part",
            detail=f"Sigil tries again by itself. The engine's client says: {error}",
            fault="ours",
        ) from error
