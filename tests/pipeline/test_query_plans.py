"""What is asked again and again stays cheap after years: it reads the rows that it is about.

Each statement of the code that is tried here is explained with what it really read, in a database
with a long history, most of it of one busy repository.
"""

import functools
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from config import database
from config.database import Connection, transaction
from config.settings import settings
from pipeline import deployments, pull_requests, run_claims, run_making, runs, tidy
from pipeline.errands import table as errands
from pipeline.github import missed, task, view
from pipeline.overview import arrival, refusals
from pipeline.overview import runs as overview_runs
from pipeline.reconcile import repositories
from tests import seed
from tests.pipeline.history import fill

ROWS = 6_000
MOST = 500
"""Rows of one table that a statement may read; a walk over the busy repository reads thousands."""


class Explained(psycopg.Cursor[Any]):
    """Explains what it is given before it does it, and keeps what read too many rows."""

    seen = 0
    dear: list[str] = []  # noqa: RUF012 - of all cursors

    def execute(self, query: Any, params: Any = None, **options: Any) -> "Explained":
        text = query if isinstance(query, str) else query.decode()
        if text.lstrip(" \n(").startswith(("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")):
            Explained.seen += 1
            for table, rows in self._read(text, params).items():
                if rows > MOST:
                    self.dear.append(f"{rows} rows of {table} were read for: {text}")
        super().execute(query, params, **options)
        return self

    def _read(self, text: str, params: Any) -> Counter[str]:
        with psycopg.Cursor(self.connection) as other:
            other.execute("SAVEPOINT explained")
            other.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}".encode(), params)
            row = other.fetchone()
            other.execute("ROLLBACK TO SAVEPOINT explained")
        assert row is not None
        return rows_by_table(row[0][0]["Plan"])


def rows_by_table(plan: dict[str, Any]) -> Counter[str]:
    """How many rows of each table were looked at, whether they fitted or not."""
    found: Counter[str] = Counter()
    if "Relation Name" in plan and plan["Node Type"] != "ModifyTable":
        looked = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
        each = sum(plan.get(key, 0) for key in looked)
        found[plan["Relation Name"]] = round(each * plan["Actual Loops"])
    for part in plan.get("Plans", ()):
        found.update(rows_by_table(part))
    return found


@pytest.fixture(scope="module")
def long_history(template: str) -> Iterator[str]:
    """The URL of a database with years behind it."""
    name = f"years_{uuid.uuid4().hex[:8]}"
    url = f"postgresql://postgres:@/{name}?host={conninfo_to_dict(template)['host']}"
    with psycopg.connect(template, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template_sigil'.encode())
        fill(url, ROWS)
        yield url
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(autouse=True)
def explained(long_history: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every statement goes to that database, and is explained."""
    monkeypatch.setenv("DATABASE_URL", long_history)
    monkeypatch.setenv("SIGIL_VAR", str(tmp_path))
    monkeypatch.setenv("SIGIL_HOST", "process")
    monkeypatch.setattr(database, "_CONNECT", database._CONNECT | {"cursor_factory": Explained})
    settings.cache_clear()
    Explained.seen, Explained.dear = 0, []
    yield
    database.close_pool()
    settings.cache_clear()


def of_busy(ask: Callable[[Connection, runs.Repository], object]) -> Callable[[Connection], object]:
    """Ask about the busy repository."""

    @functools.wraps(ask)
    def asked(connection: Connection) -> object:
        repository = runs.repository(connection, 1)
        assert repository is not None
        return ask(connection, repository)

    return asked


def newest(connection: Connection, kind: runs.Kind = "deploy") -> runs.Run:
    row = connection.execute(
        "SELECT id FROM runs WHERE repository_id = 1 AND kind = %s ORDER BY id DESC LIMIT 1",
        (kind,),
    ).fetchone()
    assert row is not None
    run = runs.get(connection, row[0])
    assert run is not None
    return run


def pushed(connection: Connection) -> run_making.Created:
    """A commit that nobody has seen, pushed on top of the newest."""
    head = newest(connection).sha
    return run_making.create(
        connection,
        run_making.Wanted(1, "deploy", "production", "refs/heads/main", "f" * 40, before_sha=head),
    )


def _unknown_tags(connection: Connection, repository: runs.Repository) -> object:
    return repositories._ask_for_tags(connection, repository, [("v1.0.0", "e" * 40, None)])


def _promoted(connection: Connection) -> None:
    run = newest(connection)
    deployments.promote(connection, run, package_id=None, version_id=None, handshake={})


ASKED: dict[str, Callable[[Connection], object]] = {
    "due errands": errands.due,
    "an errand": lambda c: errands.ask(c, "push", repository_id=1, subject="refs/heads/main"),
    "due runs": runs.due,
    "due reports": task.due,
    "what is said of a run": lambda c: view.read_view(c, newest(c).id),
    "what is said of a preview": lambda c: view.read_view(c, newest(c, "preview").id),
    "a push": pushed,
    "a head that is known": lambda c: run_making.ensure(
        c, run_making.Wanted(1, "deploy", "production", "refs/heads/main", newest(c).sha)
    ),
    "a re-run": lambda c: run_making.rerun(c, newest(c)),
    "what waits for a run": lambda c: runs.waiting_for(c, newest(c)),
    "what of a pull request is open": lambda c: runs.open_of_pull(c, 1, 7),
    "a pull request": lambda c: pull_requests.get(c, 1, 7),
    "an approval": lambda c: pull_requests.approver(c, 1, 7, seed.SHA),
    "a pull request that is closed": lambda c: runs.show_again(c, 1, 7, newest(c).sha),
    "the end of a preview": lambda c: deployments.stop(c, 1, "preview/pr-7"),
    "what was good before": lambda c: deployments.last_good(c, 1, "production"),
    "what serves": lambda c: deployments.serving_in(c, 1),
    "a new server": _promoted,
    "a repository that is gone": lambda c: deployments.stop_all(c, 1),
    "repositories to compare": lambda c: repositories.due(c, older_than=3600, limit=1),
    "tracked branches": of_busy(repositories._tracked),
    "a head that no run has": of_busy(
        lambda c, repository: repositories._is_known(c, repository, "main", "e" * 40)
    ),
    "a tag that no run has": of_busy(_unknown_tags),
    "missed deliveries": missed.progress,
    "a sweep": lambda c: missed.take(c, start=True, look_back=timedelta(hours=3)),
    "what has arrived": lambda c: arrival.read_arrival(c, since=None),
    "what GitHub refuses": refusals.list_refusals,
    "the servers of a host": lambda c: deployments.wanted_names(c, "process"),
    "a former name": lambda c: overview_runs.find_repository(c, "nobody/nothing"),
}


@pytest.mark.parametrize("what", ASKED)
def test_it_reads_what_it_is_about(what: str) -> None:
    with transaction() as connection:
        ASKED[what](connection)
        connection.rollback()
    assert Explained.seen > 0
    assert Explained.dear == []


@pytest.mark.parametrize(
    "job",
    [
        tidy.tear_down_gone,
        tidy.close_stale_runs,
        tidy.settle_artifacts,
        tidy.remove_old_folders,
        run_claims.reap,
    ],
    ids=lambda job: job.__name__,
)
def test_a_job_that_has_nothing_to_do_reads_nothing(job: Callable[[], object]) -> None:
    job()
    assert Explained.seen > 0
    assert Explained.dear == []


def test_a_run_and_an_errand_are_taken_without_a_walk() -> None:
    with transaction() as connection:
        run = pushed(connection).run
        errand = errands.ask(connection, "push", repository_id=1, subject="refs/heads/new")
    assert run_claims.claim(run.id) is not None
    assert errands._take(errand) is not None
    assert Explained.dear == []
