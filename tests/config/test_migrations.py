"""Every migration meets a database in use: nothing is lost, and the code of today works on it."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from config import database
from config.database import MIGRATIONS, transaction
from config.settings import settings
from pipeline import deployments, run_claims, runs
from pipeline.errands import table as errands
from pipeline.github import task
from pipeline.github.checks import check_report, status_report
from tests.config.data_of_releases import DATA
from webhook.app import build

FILES = sorted(MIGRATIONS.glob("*.sql"))

Rows = dict[str, tuple[list[str], list[Any]]]


class Databases:
    """Databases of the test's PostgreSQL, made from one another and migrated a step at a time."""

    def __init__(self, server: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._server, self._folder, self._patch = server, folder, patch
        self._prefix = f"m_{uuid.uuid4().hex[:8]}"
        self._names: list[str] = []
        folder.mkdir()

    def create(self, name: str, *, like: str = "template0") -> str:
        """A copy of another database; its name."""
        self._names.append(f"{self._prefix}_{name}")
        self._on_server(f'CREATE DATABASE "{self._names[-1]}" TEMPLATE "{like}"')
        return self._names[-1]

    def url(self, name: str) -> str:
        return f"postgresql://postgres:@/{name}?host={conninfo_to_dict(self._server)['host']}"

    def migrate(self, name: str, files: list[Path]) -> list[str]:
        """Apply those of the files that the database has not seen."""
        for path in files:
            shutil.copy(path, self._folder)
        self._patch.setenv("DATABASE_URL", self.url(name))
        self._patch.setattr(database, "MIGRATIONS", self._folder)
        settings.cache_clear()
        return database.migrate()

    def drop(self) -> None:
        for name in self._names:
            self._on_server(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _on_server(self, sql: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(sql.encode())


@pytest.fixture(scope="module")
def steps(template: str, short_folder: Path) -> Iterator[tuple[Databases, list[str]]]:
    """A database in use for each migration, as it was before the next one came."""
    with pytest.MonkeyPatch.context() as patch:
        databases = Databases(template, short_folder / "migrations-so-far", patch)
        names: list[str] = []
        for number, path in enumerate(FILES, 1):
            like = names[-1] if names else "template0"
            names.append(databases.create(str(number), like=like))
            databases.migrate(names[-1], [path])
            with psycopg.connect(databases.url(names[-1])) as connection:
                for statement in DATA.get(number, ()):
                    connection.execute(statement.encode())
        yield databases, names
        databases.drop()
        shutil.rmtree(short_folder / "migrations-so-far")
    settings.cache_clear()


def everything(url: str, like: Rows | None = None) -> Rows:
    """The rows of all tables; of those columns only that `like` has."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            """SELECT table_name::text, array_agg(column_name::text ORDER BY column_name)
               FROM information_schema.columns
               WHERE table_schema = 'public' AND table_name NOT LIKE '%yoyo%'
                 -- Became errands, whose end was noted later.
                 AND (table_name, column_name)
                     NOT IN (('lookups', 'id'), ('errands', 'finished_at'))
               GROUP BY table_name"""
        ).fetchall()
        tables: dict[str, list[str]] = dict(found)
        if like is not None:
            tables = {table: columns for table, (columns, _) in like.items() if table in tables}
        return {
            table: (columns, _read(connection, table, columns)) for table, columns in tables.items()
        }


def _read(connection: database.Connection, table: str, columns: list[str]) -> list[Any]:
    names = ", ".join(columns)
    return connection.execute(f"SELECT {names} FROM {table} ORDER BY {names}".encode()).fetchall()


@pytest.fixture(params=range(1, len(FILES)), ids=[path.stem[:4] for path in FILES[:-1]])
def migrated(
    request: pytest.FixtureRequest,
    steps: tuple[Databases, list[str]],
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Rows, str]]:
    """A database in use that was at one migration and is at the newest: its rows then, its URL."""
    databases, names = steps
    name = databases.create(f"from_{request.param}", like=names[request.param - 1])
    before = everything(databases.url(name))
    assert len(databases.migrate(name, FILES)) == len(FILES) - request.param
    monkeypatch.setenv("SIGIL_HOST", "process")
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRETS", "a-webhook-secret-for-tests")
    monkeypatch.setenv("SIGIL_SHOW_PRIVATE", "true")
    settings.cache_clear()
    yield before, databases.url(name)
    database.close_pool()


def test_a_sigil_in_use_goes_on(migrated: tuple[Rows, str]) -> None:
    _nothing_is_lost(*migrated)
    _the_pages_show_it()
    _the_code_works_on_it()


def _nothing_is_lost(before: Rows, url: str) -> None:
    after = everything(url, like=before)
    lookups = before.pop("lookups", None)
    assert set(after) == set(before)
    for table, found in before.items():
        assert after[table] == found, table
    if lookups is not None:
        assert sorted(rows(AS_LOOKUPS), key=str) == sorted(lookups[1], key=str)


AS_LOOKUPS = """
    SELECT attempts, created_at, delivery_id, due_at, reason, nullif(subject, '') AS ref,
           repository_id, state FROM errands"""


def _the_code_works_on_it() -> None:
    waiting = rows("SELECT id FROM runs WHERE state = 'queued' AND repository_id = 1 ORDER BY id")
    assert (run_claims.claim(waiting[0][0]) is None) == bool(
        rows("SELECT FROM runs WHERE state = 'running' AND environment = 'production'")
    )
    with transaction() as connection:
        connection.execute(
            "UPDATE runs SET heartbeat_at = now() - interval '1 day' WHERE state = 'running'"
        )
        assert runs.due(connection) == [row[0] for row in waiting]
        good = deployments.last_good(connection, 1, "production")
        assert good is not None
        assert good.run_id == 1
    for (run_id,) in rows("SELECT id FROM runs WHERE repository_id <> 2"):
        _reports(run_id)
    for (errand_id,) in rows("SELECT id FROM errands WHERE state = 'waiting'"):
        taken = errands._take(errand_id)
        assert taken is None or taken.errand.repository.full_name == "octo/weather"
    with transaction() as connection:
        errands.delete_finished(connection, days=-1, limit=100)
    assert rows("SELECT FROM errands WHERE state <> 'waiting'") == []


def _reports(run_id: int) -> None:
    """A worker takes the run's report, and knows what to tell."""
    with transaction() as connection:
        connection.execute("UPDATE runs SET revision = revision + 1 WHERE id = %s", (run_id,))
    taken = task.lease(run_id)
    assert taken is not None
    assert check_report(taken.view).status
    assert status_report(taken.view).state
    if taken.view.run.state == "succeeded" and taken.view.run.kind != "check":
        assert taken.view.result("publish")["version"] == "1.0.0"


def _the_pages_show_it() -> None:
    browser = build().test_client()
    pages = ["/", "/runs", "/deliveries", "/servers", "/servers/octo/weather", "/metrics"]
    pages += [f"/runs/{row[0]}" for row in rows("SELECT id FROM runs")]
    assert {page: browser.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_migration_waits_for_no_lock_for_long(path: Path) -> None:
    """Whoever waits for an exclusive lock holds up everybody who comes after."""
    statements = [line for line in path.read_text().splitlines() if not line.startswith("--")]
    assert statements[0] == "SET LOCAL lock_timeout = '5s';"


def rows(sql: str) -> list[Any]:
    with transaction() as connection:
        return connection.execute(sql.encode()).fetchall()
