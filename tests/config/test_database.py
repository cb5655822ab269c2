"""Migrations and transactions against a real PostgreSQL."""

import os

import psycopg
import pytest

from config.database import migrate, transaction
from sandbox.embedded import Postgres


def test_a_second_migration_finds_nothing_to_do(database_url: str) -> None:
    assert migrate() == []


def test_an_error_rolls_the_transaction_back(database_url: str) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), transaction() as connection:
        connection.execute("INSERT INTO workspaces (account_id, login) VALUES (1, 'octo')")
        connection.execute("SELECT 1 / 0")
    with transaction() as connection:
        assert connection.execute("SELECT count(*) FROM workspaces").fetchone() == (0,)


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
