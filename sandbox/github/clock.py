"""The stand-in's clock, which tests may move forward, and GitHub's way of writing times."""

import threading
import time
from datetime import UTC, datetime


class Clock:
    """Real time plus what `advance` added. Safe to use from several threads."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds since the epoch."""
        with self._lock:
            return time.time() + self._offset

    def stamp(self) -> str:
        """Now, as GitHub writes it."""
        return stamp(self.now())

    def advance(self, seconds: float) -> None:
        """Move the clock forward, to see tokens expire and limits reset."""
        with self._lock:
            self._offset += seconds


def stamp(seconds: float) -> str:
    """`2026-01-31T12:00:00Z`: whole seconds in UTC, as in all of GitHub's answers."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def normalised(text: str) -> str:
    """A client's ISO 8601 time in GitHub's own form.

    Raises:
        ValueError: when it is not such a time.
    """
    moment = datetime.fromisoformat(text)
    return stamp(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


def epoch(text: str) -> int:
    """Seconds since the epoch of a time in GitHub's form."""
    return int(datetime.fromisoformat(text).timestamp())
