"""Who gets into /setup, who does not, and what is asked before GitHub is."""

import json
import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient, FlaskCliRunner

from config.database import transaction
from config.sealing import new_key
from config.settings import SettingsError, load, settings
from pipeline.github.permissions import subscriptions, wanted
from registry import github_app
from registry.one_time_keys import hashed
from tests.hooks import encode, headers, push
from tests.registry.test_github_app import an_app
from webhook.app import build

FORM = {"name": "Sigil of octo", "public_url": "https://sigil.example.com", "account": "personal"}


@pytest.fixture
def client(database_url: str, redis_url: str, no_app: None) -> FlaskClient:
    return build().test_client()


@pytest.fixture
def runner(client: FlaskClient) -> FlaskCliRunner:
    return client.application.test_cli_runner()


def printed_link(runner: FlaskCliRunner, *options: str) -> str:
    done = runner.invoke(args=["setup-link", *options])
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def key_of(link: str) -> str:
    return urlsplit(link).fragment


def get_in(client: FlaskClient, runner: FlaskCliRunner, *options: str) -> str:
    """Open a printed link; return the token of the form behind it."""
    key = key_of(printed_link(runner, *options))
    opened = client.post("/setup/key", data={"key": key})
    assert (opened.status_code, opened.location) == (303, "/setup")
    page = client.get("/setup")
    assert page.status_code == 200
    return form_token(page.text)


def form_token(page: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page)
    assert found, page
    return found[1]


def test_a_stranger_is_asked_for_a_key_and_learns_nothing_else(client: FlaskClient) -> None:
    page = client.get("/setup")
    assert page.status_code == 200
    assert 'name="key"' in page.text
    assert "Create the App" not in page.text
    for path in ("/setup/new", "/setup/finish", "/setup/ping"):
        assert client.post(path, data=FORM).status_code == 403
    with transaction() as connection:
        assert connection.execute("SELECT count(*) FROM setup_journeys").fetchone() == (0,)


@pytest.mark.parametrize("key", ["", "wrong", "x" * 5000, "\0", "é"])
def test_a_wrong_key_does_not_open(client: FlaskClient, runner: FlaskCliRunner, key: str) -> None:
    printed_link(runner)
    answer = client.post("/setup/key", data={"key": key})
    assert answer.status_code == 403
    assert "does not open the setup" in answer.text
    assert not answer.headers.getlist("Set-Cookie")


def test_the_key_of_a_printed_link_opens_and_is_nowhere_else(
    client: FlaskClient, runner: FlaskCliRunner
) -> None:
    key = key_of(printed_link(runner))
    opened = client.post("/setup/key", data={"key": key})
    assert opened.location == "/setup"
    assert opened.headers["Cache-Control"] == "no-store"
    assert opened.headers["Referrer-Policy"] == "no-referrer"
    (cookie,) = opened.headers.getlist("Set-Cookie")
    assert key not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/setup" in cookie
    page = client.get("/setup")
    assert "Create the GitHub App" in page.text
    assert key not in page.text
    with transaction() as connection:
        (row,) = connection.execute("SELECT setup_tokens::text FROM setup_tokens").fetchall()
    assert key not in row[0]


def test_the_cookie_is_for_https_where_the_page_is(
    client: FlaskClient, runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGIL_PUBLIC_URL", "https://sigil.example.com")
    settings.cache_clear()
    link = printed_link(runner)
    assert link.startswith("https://sigil.example.com/setup#")
    form = {"key": key_of(link)}
    opened = client.post("/setup/key", data=form, base_url="http://sigil.example.com")
    assert "Secure" in opened.headers["Set-Cookie"]


def test_an_expired_or_forged_cookie_does_not_open(
    client: FlaskClient, runner: FlaskCliRunner
) -> None:
    get_in(client, runner)
    with transaction() as connection:
        connection.execute("UPDATE setup_tokens SET expires_at = now()")
    assert 'name="key"' in client.get("/setup").text
    client.set_cookie("sigil_setup", "eyJiIjoiYSIsImsiOiJiIn0.aaaa.bbbb", path="/setup")
    assert 'name="key"' in client.get("/setup").text


def test_a_key_of_the_operators_own_opens_while_there_is_no_app(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGIL_SETUP_TOKEN", "a token; of 20 characters, or more")
    settings.cache_clear()
    key = {"key": "a token; of 20 characters, or more"}
    assert client.post("/setup/key", data=key).status_code == 303
    assert "Create the GitHub App" in client.get("/setup").text
    store_an_app()
    assert client.get("/setup").status_code == 410
    assert client.post("/setup/key", data=key).status_code == 410


def test_a_short_token_is_refused() -> None:
    with pytest.raises(SettingsError, match="SIGIL_SETUP_TOKEN: needs at least 20"):
        load({"SIGIL_SETUP_TOKEN": "short"})


def store_an_app() -> None:
    with transaction() as connection:
        github_app.store(connection, an_app(), settings().key_ring())
    github_app.forget()


def test_with_an_app_the_setup_is_closed_and_says_how_to_redo_it(
    client: FlaskClient, runner: FlaskCliRunner
) -> None:
    token = get_in(client, runner)
    store_an_app()
    closed = client.get("/setup")
    assert closed.status_code == 410
    assert "setup-link --replace" in closed.text
    assert client.post("/setup/new", data=FORM | {"form_token": token}).status_code == 403
    assert client.post("/setup/finish", data={"form_token": token}).status_code == 403
    refused = runner.invoke(args=["setup-link"])
    assert refused.exit_code == 1
    assert "--replace" in refused.output


def test_a_key_that_replaces_opens_it_again(client: FlaskClient, runner: FlaskCliRunner) -> None:
    store_an_app()
    get_in(client, runner, "--replace")
    assert "Replace the GitHub App" in client.get("/setup").text


def test_with_an_app_of_variables_it_is_closed_for_every_key(
    client: FlaskClient, runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of(printed_link(runner, "--replace"))
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRETS", "a-secret-of-some-length")
    monkeypatch.setenv("SIGIL_KEYS", "")
    settings.cache_clear()
    for closed in (client.get("/setup"), client.post("/setup/key", data={"key": key})):
        assert closed.status_code == 410
        assert "GITHUB_APP_ID" in closed.text
    assert "GITHUB_APP_ID is not set" in client.get("/setup/app").text
    assert runner.invoke(args=["setup-link", "--replace"]).exit_code == 1


def test_a_form_of_another_site_is_refused(client: FlaskClient, runner: FlaskCliRunner) -> None:
    token = get_in(client, runner)
    forged = FORM | {"form_token": "0" * 64}
    assert client.post("/setup/new", data=forged).status_code == 403
    assert client.post("/setup/new", data=FORM).status_code == 403
    other = {"Sec-Fetch-Site": "cross-site"}
    good = FORM | {"form_token": token}
    assert client.post("/setup/new", data=good, headers=other).status_code == 403
    assert client.post("/setup/key", data={"key": "x"}, headers=other).status_code == 403


def test_what_is_filled_in_wrongly_is_said_at_its_field_and_kept(
    client: FlaskClient, runner: FlaskCliRunner
) -> None:
    token = get_in(client, runner)
    wrong = {
        "name": "n" * 35,
        "account": "organization",
        "organization": "not/one",
        "public_url": "http://127.0.0.1:8080",
        "form_token": token,
    }
    page = client.post("/setup/new", data=wrong)
    assert page.status_code == 422
    assert page.text.count('aria-invalid="true"') == 3
    assert "at most 34 characters" in page.text
    assert "Open a tunnel" in page.text
    assert 'value="not/one"' in page.text
    assert 'value="http://127.0.0.1:8080"' in page.text


def test_an_organization_without_a_name_does_not_become_a_personal_account(
    client: FlaskClient, runner: FlaskCliRunner
) -> None:
    token = get_in(client, runner)
    nameless = FORM | {"account": "organization", "organization": " ", "form_token": token}
    page = client.post("/setup/new", data=nameless)
    assert page.status_code == 422
    assert "Write the organization" in page.text


def test_the_manifest_asks_for_exactly_what_the_table_says(
    client: FlaskClient, runner: FlaskCliRunner
) -> None:
    token = get_in(client, runner)
    organization = {"account": "organization", "organization": "octo-org"}
    page = client.post("/setup/new", data=FORM | organization | {"form_token": token})
    assert page.status_code == 200
    action = unescape(re.search(r'action="([^"]*)" data-pass-on', page.text)[1])  # type: ignore[index]
    assert action.startswith("https://github.com/organizations/octo-org/settings/apps/new?state=")
    manifest = json.loads(unescape(re.search(r'name="manifest" value="([^"]*)"', page.text)[1]))  # type: ignore[index]
    assert manifest["default_permissions"] == wanted()
    assert manifest["default_events"] == list(subscriptions())
    assert manifest["hook_attributes"] == {
        "url": "https://sigil.example.com/webhook/github",
        "active": True,
    }
    # The browser comes back to where its cookie is, which need not be where GitHub delivers to.
    assert manifest["redirect_url"] == "http://localhost/setup/callback"
    assert manifest["public"] is False
    policy = page.headers["Content-Security-Policy"]
    assert "form-action https://github.com;" in policy
    assert page.headers["Referrer-Policy"] == "strict-origin"


def test_until_there_is_an_app_deliveries_are_refused_with_the_way_to_one(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(github_app, "_LOOK_FOR_THE_FIRST", 0)
    body = encode(push())
    sent = headers(body, secret=an_app().credentials.webhook_secret)
    refused = client.post("/webhook/github", data=body, headers=sent)
    assert refused.status_code == 503
    assert "/setup" in refused.get_json()["detail"]
    # Another process stores it; this one takes the next delivery without a restart.
    with transaction() as connection:
        github_app.store(connection, an_app(), settings().key_ring())
    assert client.post("/webhook/github", data=body, headers=sent).status_code == 202


def test_a_secret_of_a_new_app_is_noticed_when_a_signature_does_not_fit(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_an_app()
    body = encode(push())
    old, new = (headers(body, secret=name) for name in ("s3ntinel-webhook-secret", "s3ntinel-new"))
    assert client.post("/webhook/github", data=body, headers=old).status_code == 202
    with transaction() as connection:
        github_app.store(connection, an_app(8, "s3ntinel-new"), settings().key_ring())
    monkeypatch.setattr(github_app, "LOOK_AGAIN", 0)
    assert client.post("/webhook/github", data=body, headers=new).status_code == 202
    assert client.post("/webhook/github", data=body, headers=old).status_code == 401


def test_an_app_that_does_not_open_is_told_from_a_wrong_signature(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_an_app()
    monkeypatch.setenv("SIGIL_KEYS", new_key().replace("k", "other", 1))
    settings.cache_clear()
    github_app.forget()
    body = encode(push())
    refused = client.post("/webhook/github", data=body, headers=headers(body))
    assert refused.status_code == 503
    assert "which SIGIL_KEYS does not hold" in refused.get_json()["detail"]
    page = client.get("/setup/app").text
    assert "Not usable" in page
    assert "which SIGIL_KEYS does not hold" in page


def test_the_operator_seals_again_with_a_new_key(
    runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_an_app()
    old = settings().keys.get_secret_value()
    newer = new_key().replace("k", "newer", 1)
    monkeypatch.setenv("SIGIL_KEYS", f"{newer},{old}")
    settings.cache_clear()
    assert "Sealed with the first key" in runner.invoke(args=["seal-again"]).output
    assert "Nothing is sealed" in runner.invoke(args=["seal-again"]).output
    monkeypatch.setenv("SIGIL_KEYS", newer)
    settings.cache_clear()
    assert github_app.identity().app_id == "7"
    monkeypatch.setenv("SIGIL_KEYS", old)
    settings.cache_clear()
    assert "does not hold" in runner.invoke(args=["seal-again"]).output


def test_only_the_hash_of_a_key_is_kept(runner: FlaskCliRunner) -> None:
    key = key_of(printed_link(runner))
    with transaction() as connection:
        assert connection.execute("SELECT hash FROM setup_tokens").fetchall() == [(hashed(key),)]


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    github_app.forget()
