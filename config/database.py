"""Connections to PostgreSQL, and the migrations.

Works behind a transaction pooler (Supabase, PgBouncer): no server-side prepared statements and no
session state that has to outlive a transaction.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool
from yoyo import get_backend, read_migrations

from config.settings import settings

Connection = psycopg.Connection[TupleRow]

MIGRATIONS = Path(__file__).parent.parent / "migrations"

# Any number that no other program takes in the same database.
_MIGRATION_LOCK = 0x5161_6C00
_CONNECT = {
    "prepare_threshold": None,
    "connect_timeout": 5,
    # PostgreSQL behind a broken network says nothing at all, and the kernel would wait for it for
    # a quarter of an hour while something is unacknowledged, and for hours when nothing is. Unix
    # sockets ignore these.
    "tcp_user_timeout": 20_000,  # milliseconds
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}

_pools: dict[int, ConnectionPool[Connection]] = {}


def database_url() -> str:
    """The connection string of `DATABASE_URL`.

    Raises:
        SettingsError: when it is not set.
    """
    settings().require("database_url")
    return settings().database_url.get_secret_value()


def connect(*, autocommit: bool = False) -> Connection:
    """A connection of one's own, outside the pool. The caller closes it."""
    return psycopg.connect(database_url(), autocommit=autocommit, **_CONNECT)  # type: ignore[arg-type]


def _pool() -> ConnectionPool[Connection]:
    # RQ forks a process per job, and a socket must not be shared between two processes: each
    # process that asks gets a pool of its own.
    process = os.getpid()
    if process not in _pools:
        _pools.clear()
        _pools[process] = ConnectionPool(
            database_url(),
            kwargs=dict(_CONNECT),
            min_size=0,
            max_size=8,
            timeout=settings().database_timeout,
            # Longer, and the pool's growing pauses would outlast an outage by minutes.
            reconnect_timeout=settings().database_timeout,
            max_idle=60,
            check=ConnectionPool.check_connection,
            open=True,
        )
    return _pools[process]


@contextmanager
def transaction() -> Iterator[Connection]:
    """A pooled connection inside one transaction: committed at the end, rolled back on an error.

    Raises:
        psycopg.OperationalError: when PostgreSQL is away (also raised as `PoolTimeout`).
    """
    with _pool().connection() as connection:
        yield connection


def close_pool() -> None:
    """Close this process's pooled connections; the next `transaction` opens new ones."""
    pool = _pools.pop(os.getpid(), None)
    if pool is not None:
        pool.close()


def migrate() -> list[str]:
    """Apply the migrations that this database has not seen; return their names.

    Safe to run from several machines at once: an advisory lock lets one in at a time, and goes
    away with the connection when that one dies.
    """
    url = database_url()
    scheme, rest = url.split("://", 1)
    assert scheme in ("postgres", "postgresql"), "DATABASE_URL must start with postgresql://"
    with psycopg.connect(url, autocommit=True) as lock:
        lock.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        backend = get_backend(f"postgresql+psycopg://{rest}")
        try:
            pending = backend.to_apply(read_migrations(str(MIGRATIONS)))
            names = [migration.id for migration in pending]
            backend.apply_migrations(pending)
        finally:
            backend.connection.close()
    return names


def _discard_inherited_pools() -> None:
    """Forget the parent's pools in a forked child, without closing the parent's sockets."""
    _inherited.extend(_pools.values())
    _pools.clear()


# The parent's pools are kept reachable in the child so that no destructor runs over their sockets.
_inherited: list[Any] = []
os.register_at_fork(after_in_child=_discard_inherited_pools)


if __name__ == "__main__":
    for name in migrate():
        print(f"applied {name}")
