"""Faults on demand: the nth call of an operation goes wrong in one of the ways networks know."""

import fnmatch
import itertools
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from flask import Response, request

from sandbox.github.clock import Clock
from sandbox.github.errors import GitHubError
from sandbox.github.limits import primary_exceeded, secondary_exceeded

Kind = Literal["status", "rate-limited", "secondary", "hang", "reset", "truncated", "html"]

_WORDS = {
    401: "Bad credentials",
    403: "Resource not accessible by integration",
    404: "Not Found",
    409: "Conflict",
    422: "Validation Failed",
    429: "Too many requests",
    500: "Server Error",
    502: "Server Error",
    503: "Service unavailable",
}
_UNICORN = "<!DOCTYPE html><html><head><title>Unicorn! &middot; GitHub</title></head><body>" + (
    "<p><strong>We had issues producing the response to your request.</strong></p></body></html>"
)


@dataclass
class Fault:
    """One fault.

    Args:
        method: the HTTP method, or `*`.
        path: an operation's path as GitHub's description writes it, or a pattern with `*` that
            real paths are compared with.
        kind: what goes wrong. `hang` waits `seconds`, `reset` breaks the connection,
            `truncated` sends half of the true answer, `html` an HTML page with `status`.
        status: the status code of `status`, `html` and `rate-limited`.
        skip: so many calls pass first.
        times: so many calls fail then; None for all of them.
        applied: whether the operation is carried out nevertheless.
        seconds: how long `hang` waits; what `Retry-After` of `secondary` says.
    """

    method: str
    path: str
    kind: Kind
    status: int = 502
    skip: int = 0
    times: int | None = 1
    applied: bool = False
    seconds: float = 60
    id: int = 0
    hits: int = 0

    def matches(self, method: str, path: str, template: str) -> bool:
        """Whether a call is one of those that this fault counts."""
        return self.method in ("*", method) and (
            self.path == template or fnmatch.fnmatchcase(path, self.path)
        )


class Faults:
    """The faults that wait for their call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ids = itertools.count(1)
        self._all: list[Fault] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def add(self, fault: Fault) -> Fault:
        """Let `fault` wait for its call."""
        with self._lock:
            fault.id = next(self._ids)
            self._all.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults, and let go of calls that hang."""
        with self._lock:
            self._all.clear()
            self._closed.set()
            self._closed = threading.Event()

    def listing(self) -> list[dict[str, Any]]:
        """All faults with the number of calls each has hit."""
        with self._lock:
            return [asdict(fault) for fault in self._all]

    def take(self, method: str, path: str, template: str) -> Fault | None:
        """The fault that this call meets. Counts the call for every fault that it matches."""
        met = None
        with self._lock:
            for fault in self._all:
                if not fault.matches(method, path, template):
                    continue
                if fault.skip:
                    fault.skip -= 1
                elif met is None and (fault.times is None or fault.times > 0):
                    fault.times = None if fault.times is None else fault.times - 1
                    fault.hits += 1
                    met = fault
        return met

    def strike(self, fault: Fault, budget: str, answer: Response | None) -> Response:
        """The answer that the client gets instead.

        Args:
            fault: what goes wrong.
            budget: whose rate limit `rate-limited` talks about.
            answer: the true answer, when the operation was carried out.

        Raises:
            GitHubError: for the faults that are GitHub's own refusals.
        """
        match fault.kind:
            case "hang":
                self._closed.wait(fault.seconds)
                return _broken()
            case "reset":
                return _broken()
            case "truncated":
                return _truncated(answer or Response("{}"))
            case "html":
                return Response(_UNICORN, fault.status, mimetype="text/html")
            case "secondary":
                raise secondary_exceeded(int(fault.seconds))
            case "rate-limited":
                refusal = primary_exceeded(budget, self._clock.now())
                refusal.status = 403 if fault.status == 502 else fault.status
                raise refusal
            case "status":
                raise GitHubError(fault.status, _WORDS.get(fault.status, "Server Error"))


def _abort() -> None:
    """Break the connection under the request. Nothing that is written afterwards arrives."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RDWR)


def _broken() -> Response:
    _abort()
    return Response(status=502)


def _truncated(answer: Response) -> Response:
    whole = answer.get_data()
    connection: socket.socket = request.environ["werkzeug.socket"]

    def half() -> Iterator[bytes]:
        yield whole[: len(whole) // 2]
        connection.shutdown(socket.SHUT_RDWR)

    headers = {"Content-Length": str(max(2, len(whole))), "Content-Type": answer.content_type}
    return Response(half(), answer.status_code, headers=headers)
