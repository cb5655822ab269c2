"""The operator's session: who gets in, which buttons there are, and what each of them does."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient, FlaskCliRunner
from redis import Redis
from rq import Queue
from werkzeug.test import TestResponse

from config import database
from config.database import transaction
from config.sealing import new_key
from config.settings import settings
from pipeline import runs
from sandbox.embedded import EmbeddedRedis, Postgres
from tests import seed
from tests.webhook.served import serve, sha
from webhook import signing
from webhook.app import build
from webhook.operator_session import COOKIE
from workers import queues

BUTTON = re.compile(r'<form method="post" action="/runs/\d+/(\w+)">')


@pytest.fixture
def client(database_url: str, redis_url: str, no_app: None) -> FlaskClient:
    return build().test_client()


@pytest.fixture
def runner(client: FlaskClient) -> FlaskCliRunner:
    return client.application.test_cli_runner()


def printed_key(runner: FlaskCliRunner) -> str:
    done = runner.invoke(args=["operator-link"])
    assert done.exit_code == 0, done.output
    return urlsplit(done.stdout.strip()).fragment


def enter(client: FlaskClient, key: str) -> TestResponse:
    return client.post("/operator/key", data={"key": key})


@pytest.fixture
def operator(client: FlaskClient, runner: FlaskCliRunner) -> FlaskClient:
    """A browser in a session."""
    assert enter(client, printed_key(runner)).status_code == 303
    return client


def is_in(client: FlaskClient) -> bool:
    return "You are the operator" in client.get("/operator").text


def buttons(client: FlaskClient, path: str) -> list[str]:
    page = client.get(path)
    assert page.status_code == 200
    return BUTTON.findall(page.text)


@dataclass(frozen=True)
class Button:
    """A form of a page, as a browser would send it."""

    path: str
    fields: dict[str, str]

    def press(self, client: FlaskClient, **headers: str) -> TestResponse:
        return client.post(self.path, data=self.fields, headers=headers)


def button(client: FlaskClient, page: str, verb: str) -> Button:
    text = client.get(page).text
    found = re.search(rf'<form method="post" action="([^"]+/{verb})">(.*?)</form>', text, re.DOTALL)
    assert found, text
    fields = re.findall(r'name="(\w+)" value="(\w+)"', found[2])
    return Button(found[1], dict(fields))


def shown_run(answer: TestResponse) -> int:
    assert answer.status_code == 303, answer.text
    return int(answer.location.rpartition("/")[2])


def read(run_id: int) -> runs.Run:
    with transaction() as connection:
        run = runs.get(connection, run_id)
    assert run is not None
    return run


def count() -> int:
    with transaction() as connection:
        row = connection.execute("SELECT count(*) FROM runs").fetchone()
    assert row is not None
    return int(row[0])


def queued(redis_url: str, queue: str) -> list[tuple[Any, ...]]:
    with Redis.from_url(redis_url) as connection:
        return [tuple(job.args) for job in Queue(queue, connection=connection).jobs]


def test_a_printed_key_opens_one_session_and_is_nowhere_else(
    client: FlaskClient, runner: FlaskCliRunner
) -> None:
    key = printed_key(runner)
    opened = enter(client, key)
    assert (opened.status_code, opened.location) == (303, "/operator")
    assert opened.headers["Cache-Control"] == "no-store"
    assert opened.headers["Referrer-Policy"] == "no-referrer"
    (cookie,) = opened.headers.getlist("Set-Cookie")
    assert key not in cookie
    for attribute in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"):
        assert attribute in cookie
    assert "Secure" not in cookie
    assert is_in(client)
    with transaction() as connection:
        stored = connection.execute(
            "SELECT operator_keys::text FROM operator_keys"
            " UNION ALL SELECT operator_sessions::text FROM operator_sessions"
        ).fetchall()
    (row,) = stored
    assert key not in row[0]


def test_a_key_is_good_once_and_for_an_hour(client: FlaskClient, runner: FlaskCliRunner) -> None:
    key = printed_key(runner)
    assert enter(client, key).status_code == 303
    assert enter(client, key).status_code == 303, "a double click stays in"
    other = client.application.test_client()
    refused = enter(other, key)
    assert refused.status_code == 403
    assert "opens no session" in refused.text
    assert not is_in(other)
    late = printed_key(runner)
    with transaction() as connection:
        connection.execute("UPDATE operator_keys SET expires_at = now()")
    assert enter(other, late).status_code == 403
    assert not other.get_cookie(COOKIE)


@pytest.mark.parametrize("key", ["", "wrong", "x" * 5000, "\0", "é"])
def test_a_wrong_key_opens_nothing(client: FlaskClient, runner: FlaskCliRunner, key: str) -> None:
    printed_key(runner)
    assert enter(client, key).status_code == 403
    assert not client.get_cookie(COOKIE)


def test_a_setup_key_makes_nobody_an_operator(client: FlaskClient, runner: FlaskCliRunner) -> None:
    link = runner.invoke(args=["setup-link"]).stdout.strip()
    assert enter(client, urlsplit(link).fragment).status_code == 403
    assert client.post("/setup/key", data={"key": printed_key(runner)}).status_code == 403


def test_a_key_from_another_site_is_not_taken(client: FlaskClient, runner: FlaskCliRunner) -> None:
    key = {"key": printed_key(runner)}
    for site in ("cross-site", "same-site"):
        answer = client.post("/operator/key", data=key, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403
    assert enter(client, key["key"]).status_code == 303


def test_the_cookie_is_for_https_where_the_pages_are(
    client: FlaskClient, runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGIL_PUBLIC_URL", "https://sigil.example.com")
    settings.cache_clear()
    assert "Secure" in enter(client, printed_key(runner)).headers["Set-Cookie"]


def test_a_forged_or_foreign_cookie_is_nobodys(operator: FlaskClient) -> None:
    cookie = operator.get_cookie(COOKIE)
    assert cookie is not None
    head, _, tail = cookie.value.partition(".")
    session = signing.read("operator cookie", cookie.value, seconds=60)
    forged = [
        f"{head}x.{tail}",
        f"{cookie.value[:-2]}AA",
        signing.sign("setup cookie", session),
        signing.sign("operator cookie", {"s": "of nobody"}),
        session["s"],
    ]
    for value in forged:
        stranger = operator.application.test_client()
        stranger.set_cookie(COOKIE, value)
        assert not is_in(stranger), value
    assert is_in(operator)


def test_a_session_goes_on_while_its_key_is_known(
    operator: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = settings().keys.get_secret_value()
    other = new_key().replace("k", "n", 1)
    for keys, stays in ((f"{other},{old}", True), (other, False)):
        monkeypatch.setenv("SIGIL_KEYS", keys)
        settings.cache_clear()
        assert is_in(operator) is stays


def test_a_session_lasts_twelve_hours(operator: FlaskClient) -> None:
    with transaction() as connection:
        row = connection.execute(
            "UPDATE operator_sessions SET expires_at = now() RETURNING began_at + '12 h', now()"
        ).fetchone()
        assert row is not None
        assert 43_000 < (row[0] - row[1]).total_seconds() <= 43_200
    assert not is_in(operator)


def test_signing_out_ends_the_session_for_a_copy_of_its_cookie_too(operator: FlaskClient) -> None:
    cookie = operator.get_cookie(COOKIE)
    assert cookie is not None
    token = re.search(r'name="form_token" value="(\w+)"', operator.get("/operator").text)
    assert token
    assert operator.post("/operator/leave", data={}).status_code == 403
    assert is_in(operator)
    left = operator.post("/operator/leave", data={"form_token": token[1]})
    assert (left.status_code, left.location) == (303, "/operator")
    assert operator.get_cookie(COOKIE) is None
    operator.set_cookie(COOKIE, cookie.value)
    assert not is_in(operator)


def test_revoking_ends_every_session_and_unused_links(
    operator: FlaskClient, runner: FlaskCliRunner
) -> None:
    second = operator.application.test_client()
    assert enter(second, printed_key(runner)).status_code == 303
    unused = printed_key(runner)
    done = runner.invoke(args=["operator-link", "--revoke"])
    assert done.exit_code == 0
    assert "2 sessions ended" in done.stdout
    assert not is_in(operator)
    assert not is_in(second)
    assert enter(second, unused).status_code == 403


def test_without_keys_to_sign_with_it_says_what_to_set(
    client: FlaskClient, runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = printed_key(runner)
    monkeypatch.setenv("SIGIL_KEYS", "")
    settings.cache_clear()
    refused = runner.invoke(args=["operator-link"])
    assert refused.exit_code == 1
    assert "SIGIL_KEYS is not set" in refused.output
    assert "config.sealing" in refused.output
    assert "SIGIL_KEYS" in client.get("/operator").text
    assert enter(client, key).status_code == 403


def test_a_stranger_sees_no_button_and_may_nothing(client: FlaskClient) -> None:
    weather = seed.repository()
    first = serve(weather, 1, version="1.0.0", state="replaced")
    live = serve(weather, 2, version="1.1.0", state="live")
    package = seed.package(weather, live)
    assert package
    failed = seed.run(state="failed", commit=seed.sha(3))
    waiting = seed.run(commit=seed.sha(4))
    for run in (first, live, failed, waiting):
        assert buttons(client, f"/runs/{run}") == []
    for run, verb in ((live, "rollback"), (failed, "retry"), (waiting, "cancel"), (99, "cancel")):
        answer = client.post(f"/runs/{run}/{verb}", data={"seen": run})
        assert answer.status_code == 403
        assert "flask --app webhook operator-link" in answer.text
    told = client.post(f"/runs/{waiting}/cancel", headers={"Accept": "application/json"})
    assert told.status_code == 403
    assert "operator-link" in told.json["detail"]
    assert count() == 4
    assert read(waiting).state == "queued"
    assert client.get("/runs").headers["Cache-Control"] == "no-cache"


def test_a_form_of_another_site_does_nothing(operator: FlaskClient) -> None:
    seed.repository()
    run = seed.run()
    cancel = button(operator, f"/runs/{run}", "cancel")
    for forged in (cancel.fields | {"form_token": "0" * 64}, {"seen": str(run)}):
        assert operator.post(cancel.path, data=forged).status_code == 403
    assert cancel.press(operator, **{"Sec-Fetch-Site": "same-site"}).status_code == 403
    assert operator.get(cancel.path).status_code == 405
    assert read(run).state == "queued"
    assert shown_run(cancel.press(operator, **{"Sec-Fetch-Site": "same-origin"})) == run
    assert read(run).state == "cancelled"


def test_the_token_of_another_session_is_not_taken(
    operator: FlaskClient, runner: FlaskCliRunner
) -> None:
    seed.repository()
    run = seed.run()
    cancel = button(operator, f"/runs/{run}", "cancel")
    second = operator.application.test_client()
    enter(second, printed_key(runner))
    assert cancel.press(second).status_code == 403


def test_a_run_is_cancelled_once(operator: FlaskClient, redis_url: str) -> None:
    seed.repository()
    run = seed.run(state="running")
    cancel = button(operator, f"/runs/{run}", "cancel")
    for _ in range(2):
        assert shown_run(cancel.press(operator)) == run
    assert read(run).stop_requested == "cancelled"
    assert queued(redis_url, queues.REPORTS) == [(run,)]
    assert buttons(operator, f"/runs/{run}") == []


def test_a_run_is_repeated_once_however_often_the_button_is_pressed(
    operator: FlaskClient, redis_url: str
) -> None:
    seed.repository()
    run = seed.run(state="failed")
    retry = button(operator, f"/runs/{run}", "retry")
    again = shown_run(retry.press(operator))
    assert shown_run(retry.press(operator)) == again
    with transaction() as connection:
        connection.execute("UPDATE runs SET state = 'failed' WHERE id = %s", (again,))
    assert shown_run(retry.press(operator)) == again, "not even after it has ended"
    made = read(again)
    assert (made.parent_id, made.attempt, made.actor) == (run, 2, runs.OPERATOR)
    assert queued(redis_url, queues.RUNS) == queued(redis_url, queues.REPORTS) == [(again,)]
    page = operator.get(f"/runs/{again}").text
    assert "Asked for by the operator" in page
    assert "@operator" not in page
    assert shown_run(button(operator, f"/runs/{run}", "retry").press(operator)) > again


def test_what_serves_is_rolled_back_once(operator: FlaskClient, redis_url: str) -> None:
    weather = seed.repository()
    serve(weather, 1, version="1.0.0", state="replaced")
    live = serve(weather, 2, version="1.1.0", state="live")
    page = f"/runs/{live}"
    assert "Roll back to 1111111, version 1.0.0" in operator.get(page).text
    rollback = button(operator, page, "rollback")
    back = shown_run(rollback.press(operator))
    assert shown_run(rollback.press(operator)) == back
    made = read(back)
    assert (made.kind, made.sha, made.actor) == ("rollback", sha(1), runs.OPERATOR)
    assert queued(redis_url, queues.RUNS) == [(back,)]
    # Once it serves, a late press leads to it, and does not go back one further.
    with transaction() as connection:
        connection.execute("UPDATE runs SET state = 'succeeded' WHERE id = %s", (back,))
        connection.execute("UPDATE mcp_deployments SET state = 'replaced', withdrawn = true")
    assert shown_run(rollback.press(operator)) == back
    assert count() == 3


def test_a_rollback_to_something_else_than_was_shown_is_not_done(operator: FlaskClient) -> None:
    weather = seed.repository()
    serve(weather, 1, version="1.0.0", state="replaced")
    middle = serve(weather, 2, version="1.1.0", state="replaced")
    live = serve(weather, 3, version="1.2.0", state="live")
    rollback = button(operator, f"/runs/{live}", "rollback")
    with transaction() as connection:
        connection.execute(
            "UPDATE mcp_deployments SET discarded = true WHERE run_id = %s", (middle,)
        )
    refused = rollback.press(operator)
    assert refused.status_code == 409
    assert "look at the run again" in refused.text
    assert count() == 3


def test_the_servers_page_rolls_each_environment_back(operator: FlaskClient) -> None:
    weather = seed.repository()
    package = seed.package(weather, seed.run(state="succeeded", commit=seed.sha(9)))
    for number, environment in ((1, "production"), (3, "staging")):
        serve(weather, number, version=f"{number}.0.0", state="replaced", environment=environment)
        serve(
            weather,
            number + 1,
            version=f"{number}.1.0",
            state="live",
            environment=environment,
            published=package,
        )
    page = operator.get("/servers/octo/weather").text
    assert "Roll back to 1111111, version 1.0.0" in page
    assert "Roll back to 3333333, version 3.0.0" in page
    back = shown_run(button(operator, "/servers/octo/weather", "rollback").press(operator))
    assert (read(back).environment, read(back).sha) == ("production", sha(1))
    assert buttons(operator.application.test_client(), "/servers/octo/weather") == []


def test_there_is_a_button_only_while_it_does_something(operator: FlaskClient) -> None:
    weather = seed.repository()
    states = {
        "queued": ["cancel"],
        "running": ["cancel"],
        "failed": ["retry"],
        "cancelled": ["retry"],
        "superseded": ["retry"],
        "skipped": ["retry"],
        "succeeded": [],
    }
    shown = {}
    for number, state in enumerate(states):
        run = seed.run(state=state, commit=seed.sha(number + 10), environment=state)
        shown[run] = state
        assert buttons(operator, f"/runs/{run}") == states[state], state
    first = serve(weather, 1, version="1.0.0", state="live")
    assert buttons(operator, f"/runs/{first}") == [], "nothing to go back to"
    with transaction() as connection:
        connection.execute("UPDATE repositories SET archived = true")
    for run, state in shown.items():
        assert buttons(operator, f"/runs/{run}") == [], state


def test_a_watching_page_notices_that_its_buttons_change(operator: FlaskClient) -> None:
    weather = seed.repository()
    serve(weather, 1, version="1.0.0", state="replaced")
    live = serve(weather, 2, version="1.1.0", state="live")
    before = operator.get(f"/runs/{live}/log").json["version"]
    assert operator.get(f"/runs/{live}/log").json["version"] == before
    with transaction() as connection:
        connection.execute("UPDATE mcp_deployments SET discarded = true WHERE state = 'replaced'")
    assert operator.get(f"/runs/{live}/log").json["version"] != before


def test_what_is_private_is_shown_in_the_session_only_and_not_kept(
    operator: FlaskClient,
) -> None:
    hidden = seed.repository("octo", "hidden", private=True)
    run = serve(hidden, 1, version="1.0.0", state="live")
    with transaction() as connection:
        connection.execute("UPDATE runs SET private = true")
    stranger = operator.application.test_client()
    for path in (f"/runs/{run}", f"/runs/{run}.json", f"/runs/{run}/log.txt"):
        shown = operator.get(path)
        assert shown.status_code == 200
        assert shown.headers["Cache-Control"] == "no-store"
        assert stranger.get(path).status_code == 404
    assert "octo/hidden" in operator.get("/runs").text
    assert "not shown here" not in operator.get("/runs").text
    assert "octo/hidden" not in stranger.get("/runs").text
    assert "operator-link" in stranger.get(f"/runs/{run}").text
    assert "immutable" in asset(operator).headers["Cache-Control"]


def asset(client: FlaskClient) -> TestResponse:
    found = re.search(r'href="(/assets/pages.css[^"]+)"', client.get("/runs").text)
    assert found
    return client.get(found[1])


def test_redis_away_a_button_works_and_the_sweep_does_the_rest(
    operator: FlaskClient, redis_server: EmbeddedRedis
) -> None:
    seed.repository()
    run = seed.run(state="failed")
    retry = button(operator, f"/runs/{run}", "retry")
    redis_server.stop()
    try:
        again = shown_run(retry.press(operator))
    finally:
        redis_server.start()
    assert read(again).state == "queued"


def test_postgresql_away_nothing_is_refused_for_a_lack_of_rights(
    impatient: None, operator: FlaskClient, postgres: Postgres
) -> None:
    seed.repository()
    run = seed.run()
    cancel = button(operator, f"/runs/{run}", "cancel")
    database.close_pool()
    postgres.stop()
    try:
        assert operator.get("/runs").status_code == 503
        assert cancel.press(operator).status_code == 503
    finally:
        database.close_pool()
        postgres.start()
    assert shown_run(cancel.press(operator)) == run


def test_github_is_told_that_it_was_the_operator() -> None:
    assert runs.by_whom(runs.OPERATOR) == " by the operator"
    assert runs.by_whom("mona") == " by @mona"
    assert runs.by_whom(None) == ""


def test_a_run_that_is_not_there_is_said(operator: FlaskClient) -> None:
    seed.repository()
    run = seed.run()
    fields = button(operator, f"/runs/{run}", "cancel").fields
    assert operator.post("/runs/4711/cancel", data=fields).status_code == 404
    assert operator.post(f"/runs/{run}/destroy", data=fields).status_code == 404
