"""The pages as a browser without scripts, and tools, get them; real PostgreSQL and Redis."""

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from redis import Redis
from rq import Queue, Worker
from rq.cron import CronScheduler

from config import database
from config.settings import settings
from pipeline.manifest import parse
from registry.tool_diff import compare
from registry.tools import from_listing
from sandbox.embedded import EmbeddedRedis, Postgres
from tests import seed
from webhook import views
from webhook.app import build

HOSTILE = "<script>alert('sentinel')</script>"


@pytest.fixture
def client(
    database_url: str, redis_url: str, webhook_secret: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FlaskClient]:
    monkeypatch.setenv("SIGIL_HOST", "process")
    settings.cache_clear()
    yield build().test_client()
    settings.cache_clear()


@pytest.fixture
def without_postgres(
    impatient: None, client: FlaskClient, postgres: Postgres
) -> Iterator[FlaskClient]:
    """The pages while PostgreSQL is stopped."""
    database.close_pool()
    postgres.stop()
    try:
        yield client
    finally:
        database.close_pool()
        postgres.start()


@pytest.fixture
def without_redis(client: FlaskClient, redis_server: EmbeddedRedis) -> Iterator[FlaskClient]:
    """The pages while Redis is stopped."""
    redis_server.stop()
    try:
        yield client
    finally:
        redis_server.start()


# Status


def test_an_empty_system_says_how_to_begin(client: FlaskClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "No run yet." in page.text
    assert "No server is live." in page.text


def test_the_example_of_an_mcp_yaml_is_a_valid_one(client: FlaskClient) -> None:
    found = re.search(r"<code>(schema: 1.*?)</code>", client.get("/").text, re.DOTALL)
    assert found is not None
    assert parse(found[1].replace("&#34;", '"').encode()).name == "weather"


def test_the_status_page_shows_runs_servers_and_figures(client: FlaskClient) -> None:
    seeded = seed.repository()
    run = seed.run(state="succeeded", title="Live: 1 tool")
    tools = (seed.tool("forecast"),)
    seed.deployment(seeded, run, seed.package(seeded, run, tools=tools), tools=tools)
    seed.delivery(state="dead", reason="gave up")
    page = client.get("/").text
    assert "Live: 1 tool" in page
    assert "http://127.0.0.1:40001/mcp" in page
    assert "1 delivery was given up and can be replayed." in page


def test_workers_and_the_scheduler_are_seen_when_they_are_there(
    client: FlaskClient, redis_url: str
) -> None:
    assert "None is registered" in client.get("/").text
    connection = Redis.from_url(redis_url)
    worker = Worker([Queue("runs", connection=connection)], connection=connection)
    worker.register_birth()
    CronScheduler(connection=connection).register_birth()
    Queue("runs", connection=connection).enqueue("tests.nothing")
    page = client.get("/").text
    assert "1 worker, 0 busy." in page
    assert "Everything is running" in page
    assert re.search(r"<code>runs</code> 1", page)


def test_a_scheduler_without_a_heartbeat_is_down(client: FlaskClient, redis_url: str) -> None:
    connection = Redis.from_url(redis_url)
    CronScheduler(connection=connection, name="silent").register_birth()
    connection.zadd("rq:cron_schedulers", {"silent": 1_000_000_000})
    assert "No heartbeat" in client.get("/").text


def test_an_overdue_delivery_is_a_concern(client: FlaskClient) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=10)
    seed.delivery(state="queued", due_at=long_ago)
    assert "A delivery is overdue by 10 minutes." in client.get("/").text


# When parts are away


@pytest.mark.parametrize(
    "path", ["/", "/runs", "/runs/1", "/deliveries", f"/deliveries/{uuid.UUID(int=7)}", "/servers"]
)
def test_without_postgresql_each_page_is_a_503_that_says_so(
    without_postgres: FlaskClient, path: str
) -> None:
    page = without_postgres.get(path)
    assert page.status_code == 503
    assert "PostgreSQL" in page.text
    assert "Does not answer." in page.text
    assert "Traceback" not in page.text


def test_without_postgresql_the_status_page_still_shows_redis(
    without_postgres: FlaskClient,
) -> None:
    assert "Version 6" in without_postgres.get("/").text


def test_without_postgresql_a_tool_gets_json_and_healthz_is_503(
    without_postgres: FlaskClient,
) -> None:
    answer = without_postgres.get("/runs/1.json")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert answer.json is not None
    assert "away" in answer.json["error"]
    health = without_postgres.get("/healthz")
    assert health.status_code == 503
    assert health.json == {
        "status": "unavailable",
        "postgresql": "down",
        "redis": "up",
        "workers": "down",
        "scheduler": "down",
        "reason": "Does not answer.",
    }


def test_without_redis_the_pages_work_and_the_status_page_says_so(
    without_redis: FlaskClient,
) -> None:
    page = without_redis.get("/")
    assert page.status_code == 200
    assert "Deliveries are still accepted and kept." in page.text
    assert without_redis.get("/runs").status_code == 200


def test_without_redis_healthz_stays_green_because_deliveries_are_still_accepted(
    without_redis: FlaskClient,
) -> None:
    health = without_redis.get("/healthz")
    assert health.status_code == 200
    assert health.json is not None
    assert (health.json["status"], health.json["redis"]) == ("ok", "down")


def test_a_database_that_was_not_migrated_is_a_503_that_says_so(client: FlaskClient) -> None:
    with database.transaction() as connection:
        connection.execute("DROP TABLE deliveries CASCADE")
    assert client.get("/healthz").status_code == 503
    assert "has not been migrated" in client.get("/deliveries").text


# Runs


def test_the_runs_are_paged_and_filtered(client: FlaskClient) -> None:
    seed.repository("octo", "weather", number=1)
    seed.repository("octo", "time", number=2)
    for number in range(60):
        seed.run(1, state="succeeded", commit=seed.sha(number))
    other = seed.run(2, state="failed", title="It fell over")
    first = client.get("/runs").text
    assert f"/runs/{other}" in first
    older = re.search(r'href="(/runs\?before=\d+)"', first)
    assert older is not None
    second = client.get(older[1])
    assert second.text.count('class="row-link"') == 11
    only = client.get("/runs?repository=octo/time&state=failed").text
    assert only.count('class="row-link"') == 1
    assert "It fell over" in only
    assert "No run matches." in client.get("/runs?state=cancelled").text


def test_the_runs_of_a_commit_are_found_by_tools(client: FlaskClient) -> None:
    seed.repository()
    run = seed.run(commit=seed.sha(5))
    seed.run(commit=seed.sha(6))
    answer = client.get(f"/runs.json?sha={seed.sha(5)}").json
    assert answer is not None
    assert [found["id"] for found in answer["runs"]] == [run]
    assert answer["runs"][0]["repository"] == "octo/weather"
    assert client.get("/runs.json?sha=main").status_code == 400


def test_a_run_in_progress_shows_its_stages(client: FlaskClient) -> None:
    seed.repository()
    run = seed.run(state="running", started_at=datetime.now(UTC))
    now = datetime.now(UTC)
    seed.stage(run, "source", 0, state="succeeded", finished_at=now)
    seed.stage(run, "manifest", 1)
    page = client.get(f"/runs/{run}").text
    assert re.search(r'class="stage is-succeeded"[^>]*>.{0,400}?source', page, re.DOTALL)
    assert re.search(r'class="stage is-running" aria-current="step"', page)
    assert page.count("Not started") == 4
    assert "<noscript>" in page


def test_a_failed_run_shows_why_and_where(client: FlaskClient) -> None:
    seed.repository()
    run = seed.run(
        state="failed",
        title="mcp.yaml has 1 problem",
        finished_at=datetime.now(UTC),
        error={
            "stage": "manifest",
            "title": "mcp.yaml has 1 problem",
            "detail": "Correct **it** and [push](https://example.com/again).",
            "fault": "yours",
            "annotations": [
                {"path": "mcp.yaml", "line": 7, "column": 3, "message": "unknown key `x`"}
            ],
        },
    )
    seed.stage(run, "source", 0, state="succeeded", finished_at=datetime.now(UTC))
    seed.stage(run, "manifest", 1, state="failed", finished_at=datetime.now(UTC))
    page = client.get(f"/runs/{run}").text
    assert "Correct <strong>it</strong>" in page
    assert f"https://github.com/octo/weather/blob/{seed.SHA}/mcp.yaml#L7" in page
    assert "unknown key <code>x</code>" in page
    assert page.count("Not reached") == 4


def test_a_published_run_shows_url_tools_and_a_client_snippet(client: FlaskClient) -> None:
    seeded = seed.repository()
    run = seed.run(state="succeeded", finished_at=datetime.now(UTC))
    tools = (seed.tool("forecast", "For a place", place={"type": "string"}),)
    seed.deployment(seeded, run, seed.package(seeded, run, tools=tools), tools=tools)
    seed.stage(run, "publish", 5, state="succeeded", result={"notices": ["Raise `version`."]})
    page = client.get(f"/runs/{run}").text
    assert "For a place" in page
    assert "Raise <code>version</code>." in page
    snippet = re.search(r"<code>(\{.*?mcpServers.*?)</code>", page, re.DOTALL)
    assert snippet is not None
    assert json.loads(snippet[1].replace("&#34;", '"')) == {
        "mcpServers": {"weather": {"type": "http", "url": "http://127.0.0.1:40001/mcp"}}
    }


def test_a_candidate_is_not_called_live(client: FlaskClient) -> None:
    seeded = seed.repository()
    run = seed.run(state="running")
    seed.deployment(seeded, run, state="candidate")
    assert "Not proved yet" in client.get(f"/runs/{run}").text
    answer = client.get(f"/runs/{run}.json").json
    assert answer is not None
    assert (answer["url"], answer["deployment"]) == (None, "candidate")


def test_tools_get_the_whole_run_as_json(client: FlaskClient) -> None:
    seeded = seed.repository()
    run = seed.run(state="succeeded", title="Live: 1 tool", check_run_id=77)
    tools = (seed.tool("forecast", place={"type": "string"}),)
    seed.deployment(seeded, run, seed.package(seeded, run, tools=tools), tools=tools)
    seed.stage(run, "source", 0, state="succeeded", finished_at=datetime.now(UTC))
    seed.log(run, "source", "fetched")
    answer = client.get(f"/runs/{run}.json").json
    assert answer is not None
    assert answer["id"] == run
    assert answer["state"] == "succeeded"
    assert answer["finished"] is True
    assert answer["title"] == "Live: 1 tool"
    assert answer["url"] == "http://127.0.0.1:40001/mcp"
    assert answer["check_run_id"] == 77
    assert [tool["name"] for tool in answer["tools"]] == ["forecast"]
    assert [stage["state"] for stage in answer["stages"]] == ["succeeded"] + ["skipped"] * 5
    assert answer["stages"][0]["finished_at"].endswith("Z")
    log = client.get(f"/runs/{run}/log?after=0").json
    assert log is not None
    assert answer["log_cursor"] == log["cursor"]


def test_the_parts_of_a_runs_history_link_to_each_other(client: FlaskClient) -> None:
    seed.repository()
    id, guid = seed.delivery(repository="octo/weather")
    old = seed.run(
        state="superseded", commit=seed.sha(1), superseded_by=seed.sha(2), delivery_id=id
    )
    new = seed.run(state="running", commit=seed.sha(2))
    again = seed.run(commit=seed.sha(1), attempt=2, parent_id=old)
    page = client.get(f"/runs/{old}").text
    assert f'/runs/{new}">run #{new}' in page
    assert f'Repeated by <a href="/runs/{again}"' in page
    assert f"/deliveries/{guid}" in page
    assert f'Repeats <a href="/runs/{old}"' in client.get(f"/runs/{again}").text


def test_the_log_is_given_after_a_cursor_in_bounded_portions(client: FlaskClient) -> None:
    seed.repository()
    run = seed.run(state="running")
    seed.log(run, "build", *[f"line {n}" for n in range(700)])
    first = client.get(f"/runs/{run}/log").json
    assert first is not None
    assert (len(first["lines"]), first["more"], first["finished"]) == (500, True, False)
    second = client.get(f"/runs/{run}/log?after={first['cursor']}").json
    assert second is not None
    assert [line["text"] for line in second["lines"]] == [f"line {n}" for n in range(500, 700)]
    third = client.get(f"/runs/{run}/log?after={second['cursor']}").json
    assert third is not None
    assert (third["lines"], third["cursor"], third["more"]) == ([], second["cursor"], False)


def test_the_version_in_the_log_answer_changes_with_the_stages(client: FlaskClient) -> None:
    seed.repository()
    run = seed.run(state="running")
    before = client.get(f"/runs/{run}/log").json
    seed.stage(run, "source", 0)
    after = client.get(f"/runs/{run}/log").json
    assert before is not None
    assert after is not None
    assert before["version"] != after["version"]
    assert f'data-version="{after["version"]}"' in client.get(f"/runs/{run}").text


def test_the_page_of_a_long_log_shows_its_end_and_links_to_the_whole(client: FlaskClient) -> None:
    seed.repository()
    run = seed.run(state="running")
    seed.log(run, "build", *[f"line {n}." for n in range(2600)])
    page = client.get(f"/runs/{run}").text
    assert "line 2599." in page
    assert "line 2099." not in page
    assert "2,100 earlier lines" in page
    whole = client.get(f"/runs/{run}/log.txt")
    assert whole.mimetype == "text/plain"
    assert [line.split()[-1] for line in whole.text.splitlines()] == [f"{n}." for n in range(2600)]


# Deliveries


def test_the_ledger_says_why_nothing_happened(client: FlaskClient) -> None:
    seed.delivery("push", state="ignored", repository="octo/x", reason="docs maps to nothing")
    page = client.get("/deliveries").text
    assert "docs maps to nothing" in page
    assert "Ignored" in page
    assert client.get("/deliveries?event=release").text.count('class="row-link"') == 0
    assert "docs maps to nothing" in client.get("/deliveries?repository=OCTO/X").text


def test_a_delivery_shows_its_facts_but_never_its_payload(client: FlaskClient) -> None:
    seed.repository()
    id, guid = seed.delivery(
        "push", payload=b'{"secret": "sentinel-payload"}', receptions=3, hook_id=42
    )
    run = seed.run(delivery_id=id)
    page = client.get(f"/deliveries/{guid}").text
    assert "sentinel-payload" not in page
    assert f"/runs/{run}" in page
    assert "3 times" in page
    assert "30 Bytes" in page


def test_a_delivery_that_was_given_up_tells_how_to_replay_it(client: FlaskClient) -> None:
    _, guid = seed.delivery(state="dead", attempts=8, reason="GitHub answered 502")
    assert f"deliveries replay {guid}" in client.get(f"/deliveries/{guid}").text


# Servers


def test_the_servers_are_listed_with_their_live_deployments(client: FlaskClient) -> None:
    assert "No server is published yet." in client.get("/servers").text
    seeded = seed.repository()
    run = seed.run(state="succeeded")
    tools = (seed.tool("forecast"), seed.tool("alerts"))
    seed.deployment(seeded, run, seed.package(seeded, run, tools=tools), tools=tools)
    page = client.get("/servers").text
    assert "/servers/octo/weather" in page
    assert "production 1.4.0 · 2 tools" in page


def test_a_server_shows_the_tools_of_the_version_that_is_asked_for(client: FlaskClient) -> None:
    seeded = seed.repository()
    run = seed.run(state="succeeded")
    published = seed.package(seeded, run, version="1.0.0", tools=(seed.tool("old_tool"),))
    seed.publish(published.package_id, run, version="2.0.0", tools=(seed.tool("new_tool"),))
    latest = client.get("/servers/Octo/weather").text
    assert "new_tool" in latest
    assert "old_tool" not in latest
    assert "old_tool" in client.get("/servers/octo/weather?version=1.0.0").text
    assert client.get("/servers/octo/weather?version=3.0.0").status_code == 404


# Hostile text, wrong addresses, headers


def test_hostile_text_is_shown_as_text_everywhere(client: FlaskClient) -> None:
    seeded = seed.repository(name="weather")
    _, guid = seed.delivery(
        "push", action=HOSTILE, reason=HOSTILE, repository=HOSTILE, state="failed"
    )
    note = {"path": HOSTILE, "line": 1, "message": HOSTILE, "title": HOSTILE}
    detail = f"{HOSTILE}\n\n[x](javascript:alert(1)) ![p](https://example.com/p.png)"
    error = {"stage": "build", "title": HOSTILE, "detail": detail, "annotations": [note]}
    run = seed.run(state="failed", title=f"{HOSTILE}!", error=error, ref=f"refs/heads/{HOSTILE}")
    tools = (seed.tool(HOSTILE, HOSTILE, **{HOSTILE: {"type": "string"}}),)
    package = seed.package(
        seeded, run, tools=tools, title=HOSTILE, description=HOSTILE, tags=[HOSTILE]
    )
    seed.deployment(seeded, run, package, tools=tools, url=f"http://{HOSTILE}")
    seed.log(run, "build", HOSTILE)
    paths = ["/", "/runs", f"/runs/{run}", "/deliveries", f"/deliveries/{guid}", "/servers"]
    for path in [*paths, "/servers/octo/weather", f"/runs?repository={HOSTILE}"]:
        page = client.get(path).text
        assert "sentinel" in page, path
        assert "<script>" not in page, path
        assert 'href="javascript:' not in page, path
        assert "<img" not in page, path


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/nothing", 404),
        ("/runs/77", 404),
        ("/runs/77.json", 404),
        ("/runs/77/log", 404),
        ("/runs/77/log.txt", 404),
        ("/runs/99999999999999999999", 404),
        ("/deliveries/not-a-guid", 404),
        (f"/deliveries/{uuid.UUID(int=1)}", 404),
        ("/servers/octo/nothing", 404),
        ("/servers/oc%00to/nothing", 404),
        ("/runs?state=flying", 400),
        ("/runs?before=-1", 400),
        ("/runs?before=99999999999999999999", 400),
        ("/runs?before=٣", 400),
        ("/runs?repository=a%00b", 400),
        ("/deliveries?state=flying", 400),
    ],
)
def test_a_wrong_address_gets_a_page_that_says_so(
    client: FlaskClient, path: str, code: int
) -> None:
    page = client.get(path)
    assert page.status_code == code
    if path.endswith(".json"):
        assert page.json is not None
        assert page.json["error"]
    else:
        assert "How Sigil is doing" in page.text


def test_a_bug_gets_a_page_of_its_own(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    seed.repository()
    run = seed.run()
    with database.transaction() as connection:
        connection.execute("""UPDATE runs SET error = '{"annotations": 7}'""")
    page = client.get(f"/runs/{run}")
    assert page.status_code == 500
    assert "This is a bug in Sigil" in page.text


def test_pages_carry_headers_that_forbid_what_they_do_not_need(client: FlaskClient) -> None:
    for path in ("/", "/nothing", "/healthz", "/assets/pages.css"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


def test_no_page_has_anything_inline_that_the_policy_would_block(client: FlaskClient) -> None:
    seeded = seed.repository()
    run = seed.run(state="succeeded")
    seed.deployment(seeded, run, seed.package(seeded, run))
    for path in ("/", "/runs", f"/runs/{run}", "/deliveries", "/servers", "/servers/octo/weather"):
        page = client.get(path).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=)", page), path


def test_static_files_are_kept_by_browsers_and_change_their_address(client: FlaskClient) -> None:
    found = re.search(r'href="(/assets/pages\.css\?v=[0-9a-f]{12})"', client.get("/").text)
    assert found is not None
    styles = client.get(found[1])
    assert "immutable" in styles.headers["Cache-Control"]
    again = client.get("/assets/pages.css", headers={"If-None-Match": styles.headers["ETag"]})
    assert again.status_code == 304


# Words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (84, "1 min 24 s"),
        (7385, "2 h 3 min"),
        (-1, "0.0 s"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert views.duration(seconds) == words


def test_a_run_of_a_pull_request_links_to_it_and_shows_what_changed(client: FlaskClient) -> None:
    seeded = seed.repository()
    old = [from_listing({"name": "gone", "inputSchema": {"type": "object"}})]
    new = [from_listing({"name": "<b>new</b>", "inputSchema": {"type": "object"}})]
    live = {"environment": "production", "sha": seed.SHA, "url": "http://h/mcp", "version": "1.0.0"}
    run = seed.run(
        kind="preview", environment="preview/pr-7", pull_number=7, actor="mona", state="succeeded"
    )
    seed.deployment(seeded, run, environment="preview/pr-7")
    comparison = {"diff": compare(old, new).to_json(), "live": live}
    seed.stage(run, "verify", 4, state="succeeded", result={"comparison": comparison})
    published = {"package": "io.github.octo/weather"}
    seed.stage(run, "publish", 5, state="succeeded", result=published)
    page = client.get(f"/runs/{run}").text
    assert 'href="https://github.com/octo/weather/pull/7"' in page
    assert "@mona" in page
    assert "<code>gone</code>" in page
    assert "<code>tool-removed</code>" in page
    assert "<b>new</b>" not in page
    assert "mcpServers" in page, "what is not listed can be tried too"


def test_a_remark_and_a_skip_are_shown(client: FlaskClient) -> None:
    seed.repository()
    run = seed.run(state="succeeded", remark="Rolled back to 0123456 by @mona")
    assert "Rolled back to 0123456 by @mona" in client.get(f"/runs/{run}").text
    seed.run(state="skipped", commit=seed.sha(3), title="Skipped: the message asks for it")
    assert re.search(r"badge is-skipped.{0,400}Skipped</span>", client.get("/runs").text, re.DOTALL)


def test_what_github_refuses_is_listed_by_repository(client: FlaskClient) -> None:
    seed.repository()
    problem = "GitHub refuses check runs and commit statuses: the App lacks the permissions "
    problem += "`checks: write` and `statuses: write`"
    seed.run(state="succeeded", report_error="GitHub answered 502: Bad Gateway")
    assert "Refused" not in client.get("/").text
    run = seed.run(state="succeeded", commit=seed.sha(2), report_error=problem)
    page = client.get("/").text
    assert "<code>checks: write</code> and <code>statuses: write</code>" in page
    assert f'href="/runs/{run}"' in page
    seed.repository(name="hidden", number=2, private=True)
    seed.run(2, state="succeeded", report_error=problem)
    page = client.get("/").text
    assert "A private repository:" in page
    assert "hidden" not in re.sub(r"\bhidden(?=[ >=])", "", page)
