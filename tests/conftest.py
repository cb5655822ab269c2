"""Real PostgreSQL and Redis for every test that asks for them, each test with a fresh database."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from redis import Redis

from config import database
from config import redis as redis_module
from config.settings import settings
from sandbox.embedded import EmbeddedRedis, Postgres

# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("sigil", deadline=None)
hypothesis.settings.load_profile("sigil")

pytest_plugins = [
    "tests.github_fixture",
    "tests.requirements_plugin",
    "tests.servers_fixture",
    "tests.setup_fixture",
    "tests.stack_fixture",
]

WEBHOOK_SECRET = "a-webhook-secret-for-tests"


@pytest.fixture(autouse=True)
def _logs_end_with_the_test() -> Iterator[None]:
    """An application that a test builds logs to that test's captured stream, which is closed
    afterwards: its handler must not outlive the test."""
    yield
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler:
            root.removeHandler(handler)


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder with a path short enough for Unix sockets, readable to the database's own user."""
    folder = Path(tempfile.mkdtemp(prefix="sigil-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(short_folder: Path) -> Iterator[Postgres]:
    """The test run's own PostgreSQL."""
    server = Postgres(short_folder / "pg")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    """The URL of a migrated database; tests get copies of it."""
    url = postgres.start()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE template_sigil")
    migrated = _with_name(url, "template_sigil")
    patch = pytest.MonkeyPatch()
    patch.setenv("DATABASE_URL", migrated)
    settings.cache_clear()
    database.migrate()
    patch.undo()
    settings.cache_clear()
    return url


def _with_name(url: str, name: str) -> str:
    socket_folder = conninfo_to_dict(url)["host"]
    return f"postgresql://postgres:@/{name}?host={socket_folder}"


@pytest.fixture
def database_url(
    template: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A fresh, migrated database, and the settings that point at it."""
    name = f"t_{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**10}"
    with psycopg.connect(template, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template_sigil')
    url = _with_name(template, name)
    monkeypatch.setenv("DATABASE_URL", url)
    settings.cache_clear()
    yield url
    database.close_pool()
    settings.cache_clear()
    with psycopg.connect(make_conninfo(template), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def impatient(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wait for a PostgreSQL that is away one second instead of five."""
    monkeypatch.setenv("DATABASE_TIMEOUT", "1")
    settings.cache_clear()
    database.close_pool()
    yield
    database.close_pool()
    settings.cache_clear()


@pytest.fixture(scope="session")
def redis_server(short_folder: Path) -> Iterator[EmbeddedRedis]:
    """The test run's own Redis."""
    server = EmbeddedRedis(short_folder / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty Redis, and the settings that point at it."""
    url = redis_server.start()
    Redis.from_url(url).flushall()
    monkeypatch.setenv("REDIS_URL", url)
    settings.cache_clear()
    redis_module.redis.cache_clear()
    yield url
    settings.cache_clear()
    redis_module.redis.cache_clear()


@pytest.fixture
def webhook_secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The webhook secret that the settings hold."""
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRETS", WEBHOOK_SECRET)
    settings.cache_clear()
    yield WEBHOOK_SECRET
    settings.cache_clear()
