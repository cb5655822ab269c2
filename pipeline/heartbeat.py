"""Keeps a run alive while its stages work, and tells them when to stop."""

import threading
import time
from dataclasses import dataclass, field
from typing import Literal

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from config.settings import settings
from pipeline import run_claims, runs
from pipeline.stages.base import Stop

StopReason = Literal["cancelled", "superseded", "lost", "handed back"]

log = structlog.get_logger(__name__)


@dataclass
class Heartbeat:
    """Beats in a thread of its own for as long as the context lasts.

    Attributes:
        stop: Set when the run is to end early.
        reason: Why, once `stop` is set.
    """

    run: runs.Run
    stop: Stop = field(default_factory=Stop)
    reason: StopReason | None = None

    def __enter__(self) -> "Heartbeat":
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def end_early(self, reason: StopReason) -> None:
        """Ask the stage that is under way to stop. The first reason stands."""
        self.reason = self.reason or reason
        self.stop.event.set()

    def _beat(self) -> None:
        last_success = time.monotonic()
        while not self._ended.wait(settings().heartbeat):
            try:
                asked = run_claims.heartbeat(self.run)
                last_success = time.monotonic()
            except run_claims.LostClaim:
                self.end_early("lost")
                return
            except (psycopg.OperationalError, PoolTimeout) as error:
                log.warning("no heartbeat: PostgreSQL is away", error=type(error).__name__)
                # Another worker may own the run by now.
                if time.monotonic() - last_success > settings().heartbeat_lost:
                    self.end_early("lost")
                    return
                continue
            if asked is not None:
                self.end_early(asked)
                return
