"""The docker engine: one client a process, and its failures in Sigil's words."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import requests
from docker.errors import DockerException

from pipeline.stages.base import StageError

# Seconds that the engine may take for one call; a build's stream has limits of its own.
_TIMEOUT = 60


@functools.cache
def engine() -> docker.DockerClient:
    """The client of the engine that `DOCKER_HOST`, or the local socket, names.

    Raises:
        StageError: `ours`, when no engine answers.
    """
    with engine_errors():
        client = docker.from_env(timeout=_TIMEOUT)
        client.ping()
        return client


def answers() -> bool:
    """Whether a docker engine answers."""
    try:
        with engine_errors():
            engine().ping()
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
