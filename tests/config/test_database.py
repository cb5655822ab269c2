"""Migrations and transactions against a real PostgreSQL."""

import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from config.database import close_pool, connect, migrate, transaction
from config.settings import settings
from sandbox.embedded import Postgres


def test_a_second_migration_finds_nothing_to_do(database_url: str) -> None:
    assert migrate() == []


def test_an_error_rolls_the_transaction_back(database_url: str) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), transaction() as connection:
        connection.execute("INSERT INTO workspaces (account_id, login) VALUES (1, 'octo')")
        connection.execute("SELECT 1 / 0")
    with transaction() as connection:
        assert connection.execute("SELECT count(*) FROM workspaces").fetchone() == (0,)


@pytest.mark.usefixtures("impatient")
def test_a_long_outage_ends_when_postgresql_is_back(database_url: str, postgres: Postgres) -> None:
    with transaction() as connection:
        connection.execute("SELECT 1")
    postgres.stop()
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError), transaction() as connection:
            connection.execute("SELECT 1")
    postgres.start()
    with transaction() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_forked_child_uses_a_connection_of_its_own(database_url: str) -> None:
    with transaction() as connection:
        mine = connection.execute("SELECT pg_backend_pid()").fetchone()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with transaction() as connection:
            row = connection.execute("SELECT pg_backend_pid()").fetchone()
        os.write(writer, str(row[0]).encode() if row else b"none")
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reader, 20)) != (mine or (0,))[0]
    with transaction() as connection:
        assert connection.execute("SELECT pg_backend_pid()").fetchone() == mine


@pytest.fixture
def over_tcp(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings point at the database through a port of this machine."""
    where = conninfo_to_dict(database_url)
    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=_forward, args=(door, str(where["host"])), daemon=True).start()
        port = door.getsockname()[1]
        url = f"postgresql://postgres@127.0.0.1:{port}/{where['dbname']}"
        monkeypatch.setenv("DATABASE_URL", url)
        settings.cache_clear()
        yield
        close_pool()
        settings.cache_clear()


def _forward(door: socket.socket, folder: str) -> None:
    while True:
        try:
            near, _ = door.accept()
        except OSError:
            return
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{folder}/.s.PGSQL.5432")
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=_copy, args=(source, target), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    while data := source.recv(65_536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


def _option(connection: psycopg.Connection[Any], level: int, option: int) -> int:
    with socket.socket(fileno=os.dup(connection.fileno())) as same:
        return same.getsockopt(level, option)


@pytest.mark.usefixtures("over_tcp")
def test_the_kernel_gives_up_a_database_that_falls_silent() -> None:
    with transaction() as pooled, connect() as alone:
        for connection in (pooled, alone):
            assert connection.execute("SELECT 1").fetchone() == (1,)
            assert _option(connection, socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert _option(connection, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
            assert _option(connection, socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 5
            assert _option(connection, socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
            assert _option(connection, socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
