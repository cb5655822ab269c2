"""The log of a run: lines are collected and written in batches, so that a chatty build costs few
round trips and a page that watches still sees them within half a second."""

import re
import threading
from dataclasses import dataclass, field

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from config.database import Connection, transaction
from config.logs import redact

MAX_LINES = 20_000
"""Lines kept of one run. A build that prints more is cut, and says so."""
MAX_LINE = 4_000
"""Characters kept of one line."""

_FLUSH_EVERY = 0.3
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")

log = structlog.get_logger(__name__)


def clean(line: str) -> str:
    """A line as it is stored: secrets out, terminal codes out, not too long.

    A carriage return redraws a line on a terminal (progress bars): only what stands last is kept.
    """
    text = _ESCAPES.sub("", line).rstrip("\r\n").rsplit("\r", 1)[-1]
    text = "".join(char for char in text if char == "\t" or char.isprintable())
    return redact(text[:MAX_LINE])


@dataclass
class RunLog:
    """Writes one run's log. Use as a context manager; call it with (stage, line)."""

    run_id: int
    _waiting: list[tuple[int, str, str]] = field(default_factory=list)
    _written: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "RunLog":
        with transaction() as connection:
            row = connection.execute(
                "SELECT count(*) FROM run_logs WHERE run_id = %s", (self.run_id,)
            ).fetchone()
        self._written = row[0] if row else 0
        self._thread = threading.Thread(target=self._flush_regularly, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.flush()

    def __call__(self, stage: str, line: str) -> None:
        text = clean(line)
        with self._lock:
            self._written += 1
            if self._written < MAX_LINES:
                self._waiting.append((self.run_id, stage, text))
            elif self._written == MAX_LINES:
                self._waiting.append((self.run_id, stage, "… the rest of this log is not kept"))

    def _flush_regularly(self) -> None:
        while not self._done.wait(_FLUSH_EVERY):
            self.flush()

    def flush(self) -> None:
        """Write what waits. While PostgreSQL is away the lines go on waiting."""
        with self._lock:
            batch, self._waiting = self._waiting, []
        if not batch:
            return
        try:
            with transaction() as connection, connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO run_logs (run_id, stage, line) VALUES (%s, %s, %s)", batch
                )
        except (psycopg.OperationalError, PoolTimeout) as error:
            log.warning("the run's log waits for PostgreSQL", error=type(error).__name__)
            with self._lock:
                self._waiting = batch + self._waiting


def tail(connection: Connection, run_id: int, stage: str | None, *, lines: int) -> list[str]:
    """The last lines of a run's log, or of one of its stages."""
    rows = connection.execute(
        """SELECT line FROM run_logs WHERE run_id = %(run)s
             AND (%(stage)s::text IS NULL OR stage = %(stage)s)
           ORDER BY id DESC LIMIT %(lines)s""",
        {"run": run_id, "stage": stage, "lines": lines},
    ).fetchall()
    return [row[0] for row in reversed(rows)]
