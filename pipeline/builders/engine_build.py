"""One build on the docker engine: sends the context, streams the log, and really stops.

Speaks the engine's own build call, because the client library's wrapper offers neither a
processor quota nor a way to end a build that prints nothing.
Source: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/ImageBuild
"""

import contextlib
import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import requests
import urllib3
from docker.utils.json_stream import json_stream

from pipeline.builders.build_log import BuildLog
from pipeline.engine import engine, engine_errors
from pipeline.stages.base import Log, StageError, Stop

# Seconds between two looks at `stop` while the engine prints nothing.
_POLL = 0.2
# The engine's period for processor quotas, in microseconds.
_CPU_PERIOD = 100_000


@dataclass(frozen=True)
class Limits:
    """What one build may use.

    Attributes:
        deadline: When it has to be finished, on the monotonic clock.
        seconds: The limit that the deadline came from, for messages.
        memory: Bytes.
        cpus: Processors.
    """

    deadline: float
    seconds: float
    memory: int
    cpus: float


@dataclass(frozen=True)
class EngineBuild:
    """What to build.

    Attributes:
        context: A tar archive; it is closed after the build.
        dockerfile: The Dockerfile's path in it.
        tag: Name and tag of the image.
        labels: Labels of the image.
        titles: A title for each step, where there is one.
        fresh: Whether to do every step anew, also one that is in the engine's cache.
    """

    context: IO[bytes]
    dockerfile: str
    tag: str
    labels: Mapping[str, str] = field(default_factory=dict)
    titles: Sequence[str | None] = ()
    fresh: bool = False


def run_build(build: EngineBuild, limits: Limits, *, log: Log, stop: Stop) -> str:
    """Build an image.

    Returns:
        The image's id, `sha256:…`.

    Raises:
        StageError: `yours` when a step fails or the build takes too long, `ours` when the engine
            goes away.
        RunStopped: when `stop` says so. The engine has ended the build and removed its container.
    """
    lines = BuildLog(log, build.titles)
    with build.context, engine_errors():
        response = _post(build, limits)
    image = ""
    try:
        for message in _until(response, limits.deadline, stop):
            lines.take(message)
            image = message.get("aux", {}).get("ID", image)
    except TimeoutError:
        raise StageError(
            title=f"The build took longer than {limits.seconds:g} seconds",
            detail=f"It was ended while at: {lines.where}. Make that step quicker, or ask the "
            "operator of this Sigil to raise `SIGIL_BUILD_TIMEOUT`.",
        ) from None
    finally:
        # The engine ends a build, and removes its container, when the connection closes.
        _hang_up(response)
    # Every stage of a build has an image, so an image alone does not mean success.
    if lines.failed or not image:
        raise lines.failure(limits.memory)
    return image


def _post(build: EngineBuild, limits: Limits) -> requests.Response:
    api = engine().api
    parameters: dict[str, str | int] = {
        "t": build.tag,
        "dockerfile": build.dockerfile,
        "labels": json.dumps(dict(build.labels)),
        "nocache": int(build.fresh),
        "rm": 1,
        "forcerm": 1,
        "memory": limits.memory,
        "memswap": limits.memory,
        "cpuperiod": _CPU_PERIOD,
        "cpuquota": int(limits.cpus * _CPU_PERIOD),
    }
    response = api.post(
        f"{api.base_url}/v{api.api_version}/build",
        params=parameters,
        data=build.context,
        headers={"Content-Type": "application/x-tar"},
        stream=True,
        timeout=(30, None),
    )
    if response.status_code >= 400:
        message = _error_text(response)
        response.close()
        # 400 is the engine's word for a Dockerfile that it cannot read.
        if response.status_code == 400:
            raise StageError(title="The Dockerfile cannot be read", detail=message)
        raise StageError(title="The docker engine refused the build", detail=message, fault="ours")
    return response


def _error_text(response: requests.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError):
        return response.text


_END = object()


def _until(response: requests.Response, deadline: float, stop: Stop) -> Iterator[dict[str, Any]]:
    """The engine's messages, until it has said all, `stop`, or the deadline.

    Raises:
        RunStopped, TimeoutError: as their names say.
        StageError: when the connection breaks.
    """
    messages: queue.Queue[Any] = queue.Queue()

    def read() -> None:
        try:
            for message in json_stream(response.iter_content(chunk_size=None)):
                messages.put(message)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            messages.put(error)
        messages.put(_END)

    threading.Thread(target=read, name="engine build", daemon=True).start()
    while True:
        stop.check()
        if time.monotonic() > deadline:
            raise TimeoutError
        try:
            message = messages.get(timeout=_POLL)
        except queue.Empty:
            continue
        if message is _END:
            return
        if isinstance(message, Exception):
            raise StageError(
                title="The docker engine went away in the middle of the build",
                detail=f"Sigil builds again by itself. {type(message).__name__}: {message}",
                fault="ours",
            )
        yield message


def _hang_up(response: requests.Response) -> None:
    # The engine may have closed the connection already.
    with contextlib.suppress(RuntimeError, ValueError, OSError):
        # A reader may be waiting in this response; only a shutdown of the socket wakes it.
        response.raw.shutdown()
    response.close()
