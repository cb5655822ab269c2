"""The lists behind the pages, on a real PostgreSQL: complete, in order, and cheap at size."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from config.database import Connection, transaction
from pipeline.overview import deliveries, runs, servers
from pipeline.overview.paging import Page, Window, reading
from pipeline.overview.totals import read_run_durations, read_stage_durations, read_totals
from tests import seed


def walk(read: Callable[[Connection, Window], Page[Any]], size: int) -> Iterator[list[int]]:
    """The ids of every page, from the newest to the oldest."""
    before = None
    while True:
        with reading() as connection:
            page = read(connection, Window(before=before, size=size))
        if page.rows:
            yield [row.id for row in page.rows]
        if page.older is None:
            return
        before = page.older


def fill_deliveries(number: int, *, public_of: int = 1) -> None:
    """Deliveries as a real ledger has them: nearly all done, some repositories, few events. One of
    `public_of` is public."""
    with transaction() as connection:
        connection.execute(
            """INSERT INTO deliveries (guid, event, state, repository, payload, private)
               SELECT gen_random_uuid(),
                      CASE WHEN n %% 1000 = 0 THEN 'installation' ELSE 'push' END,
                      CASE WHEN n %% 5000 = 7 THEN 'dead' WHEN n %% 3 = 0 THEN 'ignored'
                           ELSE 'done' END,
                      'octo/server-' || n %% 500, '\\x00', n %% %(public_of)s > 0
               FROM generate_series(1, %(number)s) n""",
            {"number": number, "public_of": public_of},
        )


def fill_runs(number: int, repositories: int = 50) -> None:
    with transaction() as connection:
        connection.execute(
            """INSERT INTO runs (repository_id, kind, environment, ref, sha, state, delivery_id,
                                 started_at, finished_at)
               SELECT 1 + n %% %(repositories)s, 'deploy', 'production', 'refs/heads/main',
                      md5(n::text) || '00000000',
                      CASE WHEN n %% 5000 = 7 THEN 'cancelled' WHEN n %% 10 = 0 THEN 'failed'
                           ELSE 'succeeded' END,
                      n, now() - n * interval '1 minute', now() - n * interval '1 minute'
                      + interval '30 seconds'
               FROM generate_series(1, %(number)s) n""",
            {"number": number, "repositories": repositories},
        )


def test_the_pages_of_the_ledger_hold_each_delivery_once_newest_first(database_url: str) -> None:
    fill_deliveries(1000)
    pages = list(walk(deliveries.list_deliveries, 37))
    everything = [id for page in pages for id in page]
    assert len(pages) == 28
    assert everything == sorted(everything, reverse=True)
    assert len(set(everything)) == 1000


def test_the_pages_of_the_runs_hold_each_run_once_newest_first(database_url: str) -> None:
    seed.repository()
    fill_runs(1000, repositories=1)
    everything = [id for page in walk(runs.list_runs, 100) for id in page]
    assert everything == sorted(everything, reverse=True)
    assert len(set(everything)) == 1000


def test_a_list_whose_size_is_a_multiple_of_the_page_has_no_empty_page_at_its_end(
    database_url: str,
) -> None:
    fill_deliveries(100)
    assert [len(page) for page in walk(deliveries.list_deliveries, 50)] == [50, 50]


def test_the_way_back_leads_over_the_same_pages(database_url: str) -> None:
    fill_deliveries(120)
    forth = list(walk(deliveries.list_deliveries, 40))
    with reading() as connection:
        back = deliveries.list_deliveries(connection, Window(after=forth[2][0], size=40))
        first = deliveries.list_deliveries(connection, Window(after=forth[1][0], size=40))
    assert [row.id for row in back.rows] == forth[1]
    assert [row.id for row in first.rows] == forth[0]
    assert (back.newer, first.newer) == (forth[1][0], None)
    assert (back.older, first.older) == (forth[1][-1], forth[0][-1])


def test_rows_that_arrive_meanwhile_move_nothing_on_later_pages(database_url: str) -> None:
    fill_deliveries(60)
    with reading() as connection:
        first = deliveries.list_deliveries(connection, Window(size=20))
    fill_deliveries(30)
    with reading() as connection:
        second = deliveries.list_deliveries(connection, Window(before=first.older, size=20))
    assert second.rows[0].id == first.rows[-1].id - 1


def test_a_page_never_changes_the_database(database_url: str) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), reading() as connection:
        connection.execute("DELETE FROM deliveries")


def test_deliveries_are_found_by_state_event_and_repository_in_any_case(database_url: str) -> None:
    wanted, _ = seed.delivery("push", state="ignored", repository="Octo/Weather")
    seed.delivery("push", state="done", repository="octo/weather")
    seed.delivery("release", state="ignored", repository="octo/weather")
    seed.delivery("push", state="ignored", repository="octo/other")
    with reading() as connection:
        page = deliveries.list_deliveries(
            connection, Window(), state="ignored", event="push", repository="octo/WEATHER"
        )
    assert [row.id for row in page.rows] == [wanted]


def test_a_delivery_names_its_runs_and_what_was_asked_of_github(database_url: str) -> None:
    seeded = seed.repository()
    id, guid = seed.delivery("installation", action="created")
    run = seed.run(seeded.repository_id, delivery_id=id)
    with transaction() as connection:
        connection.execute(
            """INSERT INTO errands (kind, repository_id, subject, delivery_id, state, reason) VALUES
               ('first_look', 1, '', %(id)s, 'done', 'main has no mcp.yaml'),
               ('push', 1, 'refs/heads/main', %(id)s, 'done', 'run 1 brings abc to production'),
               ('tag', 1, 'refs/tags/v1', %(id)s, 'waiting', NULL)""",
            {"id": id},
        )
    with reading() as connection:
        found = deliveries.get_delivery(connection, UUID(guid))
    assert found is not None
    assert found.name == "installation.created"
    assert found.run_ids == [run]
    assert found.errands == [
        "octo/weather: main has no mcp.yaml",
        "octo/weather: GitHub is asked",
    ]


def test_the_events_of_the_ledger_are_listed_once_each(database_url: str) -> None:
    for event in ("push", "release", "push", "installation"):
        seed.delivery(event)
    with reading() as connection:
        assert deliveries.list_events(connection) == ("installation", "push", "release")
    with transaction() as connection:
        connection.execute("DELETE FROM deliveries")
    with reading() as connection:
        assert deliveries.list_events(connection) == ()


def test_a_repositorys_name_means_the_one_that_has_it_now(database_url: str) -> None:
    seed.repository("octo", "weather", number=1)
    seed.repository("octo", "weather", number=2)
    with transaction() as connection:
        connection.execute("UPDATE repositories SET state = 'removed' WHERE id = 2")
    current = seed.run(1)
    seed.run(2)
    with reading() as connection:
        page = runs.list_runs(connection, Window(), repository="Octo/Weather")
        nobody = runs.list_runs(connection, Window(), repository="octo/nothing")
    assert [row.id for row in page.rows] == [current]
    assert nobody.rows == ()


def test_a_run_knows_its_parent_its_repetition_and_what_superseded_it(database_url: str) -> None:
    seed.repository()
    first = seed.run(1, state="superseded", commit=seed.sha(1), superseded_by=seed.sha(2))
    again = seed.run(1, state="succeeded", commit=seed.sha(1), attempt=2, parent_id=first)
    newer = seed.run(1, state="succeeded", commit=seed.sha(2))
    with reading() as connection:
        one, two = runs.get_run(connection, first), runs.get_run(connection, again)
    assert one is not None
    assert two is not None
    assert (one.latest_id, one.superseded_by_id) == (again, newer)
    assert (two.parent_id, two.latest_id) == (first, again)


def test_the_log_is_read_in_portions_that_meet(database_url: str) -> None:
    seed.repository()
    run, other = seed.run(), seed.run(commit=seed.sha(2))
    seed.log(run, "build", *[f"line {n}" for n in range(1234)])
    seed.log(other, "build", "not mine")
    lines, after = [], 0
    with reading() as connection:
        while portion := runs.read_log(connection, run, after=after):
            lines += [line.line for line in portion]
            after = portion[-1].id
        tail = runs.read_log_tail(connection, run, lines=3)
        assert runs.count_log(connection, run) == 1234
    assert lines == [f"line {n}" for n in range(1234)]
    assert [line.line for line in tail] == ["line 1231", "line 1232", "line 1233"]


def test_packages_are_paged_by_name_without_regard_to_case(database_url: str) -> None:
    seeded = seed.repository()
    run = seed.run()
    for name in ("io.github.octo/b", "io.github.octo/A", "io.github.octo/c"):
        seed.package(seeded, run, name)
    with reading() as connection:
        first = servers.list_packages(connection, size=2)
        second = servers.list_packages(connection, after=first.after or "", size=2)
    assert [row.name for row in first.rows] == ["io.github.octo/A", "io.github.octo/b"]
    assert [row.name for row in second.rows] == ["io.github.octo/c"]
    assert second.after is None


def test_a_live_server_whose_version_belongs_to_another_commit_has_none(database_url: str) -> None:
    seeded = seed.repository()
    published = seed.package(seeded, seed.run(), version="1.0.0")
    run = seed.run(commit=seed.sha(2))
    tools = (seed.tool("forecast"), seed.tool("alerts"))
    seed.deployment(seeded, run, published, tools=tools, published_as_version=False)
    with reading() as connection:
        (server,) = servers.list_live(connection)
        deployment = servers.get_deployment(connection, run)
    assert (server.version, server.sha, server.tools) == (None, seed.sha(2), 2)
    assert deployment is not None
    assert [tool.name for tool in deployment.tools] == ["forecast", "alerts"]
    assert all(tool.verified for tool in deployment.tools)


def test_the_totals_count_what_is_there(database_url: str) -> None:
    seed.repository()
    with reading() as connection:
        empty = read_totals(connection)
    assert (empty.waiting, empty.dead, empty.last_accepted, empty.oldest_waiting) == (0,) * 2 + (
        None,
    ) * 2
    seed.delivery(state="failed")
    seed.delivery(state="dead")
    seed.delivery(state="done")
    seed.run(state="failed", reported_revision=1)
    seed.run(state="queued", commit=seed.sha(2))
    with reading() as connection:
        totals = read_totals(connection)
        everything = read_totals(connection, finished=True)
    assert (totals.waiting, totals.dead, totals.unreported) == (1, 1, 1)
    assert totals.runs == {"queued": 1}
    assert everything.runs == {"failed": 1, "queued": 1}
    assert totals.deliveries == {"failed": 1, "dead": 1}
    assert everything.deliveries == {"failed": 1, "dead": 1, "done": 1}
    assert totals.oldest_waiting is not None
    assert totals.last_accepted is not None


def test_durations_come_from_the_runs_of_the_last_day(database_url: str) -> None:
    seed.repository()
    fill_runs(3000, repositories=1)
    with transaction() as connection:
        connection.execute(
            """INSERT INTO run_stages (run_id, stage, position, state, started_at, finished_at)
               SELECT id, 'build', 2, 'succeeded', started_at, started_at + interval '20 seconds'
               FROM runs"""
        )
    with reading() as connection:
        outcomes = {found.name: found for found in read_run_durations(connection)}
        (build,) = read_stage_durations(connection)
    # 1,440 minutes are a day; the fill has one run a minute.
    assert sum(found.count for found in outcomes.values()) == pytest.approx(1440, abs=2)
    assert outcomes["succeeded"].quantiles == [30.0, 30.0, 30.0]
    assert (build.name, build.quantiles) == ("build", [20.0, 20.0, 20.0])


def rows_read(sql: str, parameters: dict[str, Any], table: str) -> int:
    """How many rows of the table PostgreSQL looked at to answer the query."""
    with reading() as connection:
        row = connection.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql, parameters).fetchone()
    assert row is not None

    def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield plan
        for part in plan.get("Plans", ()):
            yield from nodes(part)

    scans = [node for node in nodes(row[0][0]["Plan"]) if node.get("Relation Name") == table]
    assert scans
    return sum(
        round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in scans
    )


LEDGERS = pytest.mark.parametrize(
    ("public_of", "private"),
    [(1, False), (1, True), (200, False), (200, True)],
    ids=[
        "all public",
        "all public, everything asked",
        "few public",
        "few public, everything asked",
    ],
)


def pages_too_dear(
    table: str, sql: Callable[..., str], wanted: list[dict[str, Any]], *, private: bool
) -> dict[str, int]:
    """How many rows of the table PostgreSQL reads for each page that takes more than it shows."""
    read = {}
    for page in wanted:
        window = Window(before=page.get("before"), after=page.get("after"))
        nothing = dict.fromkeys(("state", "event", "repository", "sha", "delivery"))
        parameters = nothing | page | {"private": private} | window.parameters()
        query = sql(private=private, oldest_first=window.after is not None)
        read[str(page)] = rows_read(query, parameters, table)
    return {page: rows for page, rows in read.items() if rows > 300}


@LEDGERS
def test_a_page_of_a_ledger_of_50000_reads_only_its_own_rows(
    database_url: str, public_of: int, private: bool
) -> None:
    fill_deliveries(50_000, public_of=public_of)
    with transaction() as connection:
        connection.execute("ANALYZE deliveries")
    wanted: list[dict[str, Any]] = [
        {},
        {"before": 25_000},
        {"after": 25_000},
        {"state": "dead"},
        {"state": "done", "before": 25_000},
        {"event": "installation"},
        {"repository": "OCTO/server-77"},
    ]
    assert pages_too_dear("deliveries", deliveries.list_sql, wanted, private=private) == {}


@LEDGERS
def test_a_page_of_20000_runs_reads_only_its_own_rows(
    database_url: str, public_of: int, private: bool
) -> None:
    for number in range(1, 52):
        seed.repository(
            "octo", f"server-{number}", number=number, private=public_of > 1 and number < 50
        )
    # The quiet repository's runs are the oldest: a walk from the newest would meet all others.
    for number in range(3):
        seed.run(51, commit=seed.sha(number))
    fill_runs(20_000)
    with transaction() as connection:
        connection.execute("ANALYZE runs")
    wanted: list[dict[str, Any]] = [
        {},
        {"before": 10_000},
        {"state": "cancelled"},
        {"repository": 51},
        {"sha": "0" * 40},
        {"delivery": 77},
    ]
    assert pages_too_dear("runs", runs.list_sql, wanted, private=private) == {}


@pytest.mark.parametrize("private", [False, True])
def test_a_page_of_packages_reads_only_its_own_rows(database_url: str, private: bool) -> None:
    hidden = seed.repository("acme", "hidden", number=1, private=True)
    seed.repository("octo", "weather", number=2)
    with transaction() as connection:
        connection.execute(
            """INSERT INTO mcp_packages (workspace_id, repository_id, name, title, description)
               SELECT %(workspace)s, CASE WHEN n <= 5000 THEN 1 ELSE 2 END,
                      'io.github.x/' || lpad(n::text, 5, '0'), 'A title', 'Words'
               FROM generate_series(1, 5100) n""",
            {"workspace": hidden.workspace_id},
        )
        connection.execute("ANALYZE mcp_packages")
    parameters = {"after": "", "limit": 51, "private": private}
    assert rows_read(servers.PACKAGES, parameters, "mcp_packages") <= 300


@pytest.mark.parametrize("sql", [runs.LOG_AFTER, runs.LOG_TAIL], ids=["after", "tail"])
def test_the_log_of_one_run_is_read_without_the_others(database_url: str, sql: str) -> None:
    seed.repository()
    ids = [seed.run(commit=seed.sha(number)) for number in range(50)]
    with transaction() as connection:
        for id in ids:
            connection.execute(
                """INSERT INTO run_logs (run_id, stage, line)
                   SELECT %(id)s, 'build', 'a line' FROM generate_series(1, 1000)""",
                {"id": id},
            )
        connection.execute("ANALYZE run_logs")
    parameters = {"id": ids[10], "after": 10_500, "lines": 100}
    assert rows_read(sql, parameters, "run_logs") <= 300
