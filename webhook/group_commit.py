"""Stores deliveries in PostgreSQL, those that wait at the same moment in one commit.

A commit waits for the disk. While one is under way the next requests gather, and share the next:
the busier it gets, the larger the groups. The request threads wait until their group is durable.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeAlias
from uuid import UUID

import psycopg
import structlog

from config.database import Connection, connect
from pipeline.deliveries import NewDelivery, Recorded

_log = structlog.stdlib.get_logger(__name__)

# GitHub waits 10 s for an answer, so PostgreSQL gets less.
PATIENCE = 6.0
# One delivery may have 25 MB; a group is sent to PostgreSQL as one message of at most 1 GB.
_GROUP_BYTES = 32 * 1024 * 1024
_GROUP_LENGTH = 256
# After a group of several, more are on their way. Seconds that the next one waits for them: fewer,
# larger groups cost less. A single delivery never waits.
_GATHER = 0.002

_Waiting: TypeAlias = tuple[NewDelivery, Future[Recorded]]
_Record: TypeAlias = Callable[[Connection, Sequence[NewDelivery]], Mapping[UUID, Recorded]]


class NotStored(Exception):
    """PostgreSQL is away or too slow: the delivery was not stored, or not known to be stored."""


class GroupCommit:
    """The one writer of this process. Its thread starts with the first delivery, so that a forked
    process gets its own."""

    def __init__(self, record: _Record) -> None:
        self._record = record
        self._queue: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._writing_since: float | None = None

    def store(self, delivery: NewDelivery) -> Recorded:
        """Store one delivery; return when it is durable.

        Raises:
            NotStored: it could not be stored within `PATIENCE` seconds.
        """
        since = self._writing_since
        if since is not None and time.monotonic() - since > PATIENCE:
            # Do not let every thread of the process wait for a database that hangs.
            raise NotStored("PostgreSQL does not answer")
        self._ensure_thread()
        future: Future[Recorded] = Future()
        self._queue.put((delivery, future))
        try:
            return future.result(PATIENCE)
        except TimeoutError:
            future.cancel()
            raise NotStored("PostgreSQL took too long") from None

    def _ensure_thread(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._write_groups, name="group-commit", daemon=True
                )
                self._thread.start()

    def _write_groups(self) -> None:
        group: list[_Waiting] = []
        while True:
            if len(group) > 1:
                time.sleep(_GATHER)
            group = self._next_group()
            if not group:
                continue
            self._writing_since = time.monotonic()
            try:
                recorded = self._write([delivery for delivery, _ in group])
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are told
                _log.warning("deliveries not stored", deliveries=_guids(group), error=_cause(error))
                for _, future in group:
                    future.set_exception(NotStored(_cause(error)))
            else:
                for delivery, future in group:
                    future.set_result(recorded[delivery.guid])
            finally:
                self._writing_since = None

    def _next_group(self) -> list[_Waiting]:
        """Wait for a delivery, and take those that wait with it, but for given up ones."""
        group: list[_Waiting] = []
        size = 0
        waiting = self._queue.get()
        while True:
            if waiting[1].set_running_or_notify_cancel():
                group.append(waiting)
                size += len(waiting[0].payload)
            if len(group) == _GROUP_LENGTH or size > _GROUP_BYTES:
                return group
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return group

    def _write(self, deliveries: list[NewDelivery]) -> Mapping[UUID, Recorded]:
        try:
            return self._try_to_write(deliveries)
        except psycopg.OperationalError:
            if self._connection is None:
                raise
            # PostgreSQL may have been restarted since the last delivery, or two web processes got
            # the same redeliveries in another order. Should the first try have been stored after
            # all, the second is only counted as one more reception.
            self._disconnect()
            return self._try_to_write(deliveries)

    def _try_to_write(self, deliveries: list[NewDelivery]) -> Mapping[UUID, Recorded]:
        if self._connection is None:
            self._connection = connect(autocommit=True)
        return self._record(self._connection, deliveries)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _guids(group: list[_Waiting]) -> list[str]:
    return [str(delivery.guid) for delivery, _ in group]


def _cause(error: Exception) -> str:
    """The kind of an error. Its text may quote a payload."""
    return type(error).__name__
