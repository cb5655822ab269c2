"""Rings the workers' doorbell from a thread of its own, so that Redis never delays an answer."""

import threading
import time

import structlog
from redis.exceptions import RedisError

from workers import queues

_log = structlog.stdlib.get_logger(__name__)

# One ring in this time is enough: the worker that comes takes all that is there.
_CALM = 0.05
_AWAY = 1.0


class Doorbell:
    """Presses that come while it rings are one. It rings on until Redis has heard it."""

    def __init__(self) -> None:
        self._pressed = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def press(self) -> None:
        """Ask for the workers. Returns at once."""
        self._pressed.set()
        if self._thread is None or not self._thread.is_alive():
            with self._starting:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while True:
            self._pressed.wait()
            self._pressed.clear()
            self._ring()
            time.sleep(_CALM)

    def _ring(self) -> None:
        failures = 0
        while True:
            try:
                queues.ring()
            except RedisError as error:
                if failures == 0:
                    _log.warning("Redis is away, the doorbell waits", error=type(error).__name__)
                failures += 1
                time.sleep(_AWAY)
            else:
                return
