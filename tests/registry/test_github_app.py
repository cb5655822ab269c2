"""The App from its variables or from the database: which counts, and what opens."""

import base64
import os
import time
from collections.abc import Iterator

import psycopg
import pytest

from config import database
from config.database import transaction
from config.logs import REDACTED, redact
from config.sealing import KeyRing
from config.settings import SettingsError, settings
from registry import github_app
from registry.github_app import Credentials, NewApp, NotSetUp

KEYS = {name: os.urandom(32) for name in ("old", "new")}
SECRET = "s3ntinel-webhook-secret"


def key_text(*names: str) -> str:
    return ",".join(f"{name}:{base64.b64encode(KEYS[name]).decode()}" for name in names)


def an_app(app_id: int = 7, secret: str = SECRET) -> NewApp:
    return NewApp(
        app_id,
        "sigil-of-octo",
        "Sigil of octo",
        "Iv23",
        "https://github.example/apps/sigil-of-octo",
        "octo",
        Credentials("s3ntinel-pem", secret, "s3ntinel-client-secret"),
    )


@pytest.fixture(autouse=True)
def _own_settings(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in ("GITHUB_APP_ID", "GITHUB_PRIVATE_KEY", "GITHUB_WEBHOOK_SECRETS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("GITHUB_PRIVATE_KEY_FILE", raising=False)
    use(monkeypatch, SIGIL_KEYS=key_text("old"))
    yield
    github_app.forget()


def use(monkeypatch: pytest.MonkeyPatch, **environ: str) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    github_app.forget()


def store(app: NewApp) -> None:
    with transaction() as connection:
        github_app.store(connection, app, settings().key_ring())


def test_without_an_app_both_ways_to_one_are_named() -> None:
    for ask in (github_app.identity, github_app.webhook_secrets):
        with pytest.raises(NotSetUp, match=r"/setup.*GITHUB_APP_ID"):
            ask()


def test_the_stored_app_is_what_is_signed_in_with() -> None:
    store(an_app())
    found = github_app.identity()
    assert (found.app_id, found.private_key) == ("7", "s3ntinel-pem")
    assert github_app.webhook_secrets() == (SECRET.encode(),)
    assert "s3ntinel" not in repr((an_app(), found))


def test_the_variables_win_over_what_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    store(an_app())
    use(
        monkeypatch,
        GITHUB_APP_ID="12",
        GITHUB_PRIVATE_KEY="from the variable",
        GITHUB_WEBHOOK_SECRETS="n" * 16 + "," + "o" * 16,
    )
    assert github_app.identity().app_id == "12"
    assert github_app.identity().private_key == "from the variable"
    assert github_app.webhook_secrets() == (b"n" * 16, b"o" * 16)


def test_half_of_the_variables_are_not_completed_from_what_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store(an_app())
    use(monkeypatch, GITHUB_APP_ID="12")
    with pytest.raises(SettingsError, match="GITHUB_WEBHOOK_SECRETS is not set"):
        github_app.webhook_secrets()
    with pytest.raises(SettingsError, match="GITHUB_PRIVATE_KEY"):
        github_app.identity()


def test_no_secret_lies_in_the_database_in_the_clear() -> None:
    store(an_app())
    with transaction() as connection:
        (row,) = connection.execute("SELECT github_app::text, sealed FROM github_app").fetchall()
    assert "s3ntinel" not in row[0]
    assert b"s3ntinel" not in bytes(row[1])


def test_a_newer_app_takes_the_place_of_the_older() -> None:
    store(an_app(7))
    store(an_app(8))
    with transaction() as connection:
        assert connection.execute("SELECT app_id FROM github_app").fetchall() == [(8,)]


def test_an_app_sealed_with_an_older_key_opens_and_can_be_sealed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store(an_app())
    use(monkeypatch, SIGIL_KEYS=key_text("new", "old"))
    assert github_app.identity().private_key == "s3ntinel-pem"
    with transaction() as connection:
        assert github_app.seal_again(connection, settings().key_ring())
        assert not github_app.seal_again(connection, settings().key_ring())
    use(monkeypatch, SIGIL_KEYS=key_text("new"))
    assert github_app.webhook_secrets() == (SECRET.encode(),)


def test_without_the_right_key_the_missing_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    store(an_app())
    use(monkeypatch, SIGIL_KEYS=key_text("new"))
    for ask in (github_app.identity, github_app.webhook_secrets):
        with pytest.raises(SettingsError, match="the key old, which SIGIL_KEYS does not hold"):
            ask()
    with pytest.raises(SettingsError), transaction() as connection:
        github_app.seal_again(connection, KeyRing.parse(key_text("new")))


def test_the_row_of_one_app_cannot_pass_for_another() -> None:
    store(an_app())
    with transaction() as connection:
        connection.execute("UPDATE github_app SET app_id = 8")
    with pytest.raises(SettingsError, match="does not open"):
        github_app.identity()


def test_the_secret_is_read_once_and_again_only_for_a_signature_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store(an_app())
    assert github_app.webhook_secrets() == (SECRET.encode(),)
    store(an_app(8, "s3ntinel-of-the-next-app"))
    assert github_app.webhook_secrets() == (SECRET.encode(),)
    # Just read: a flood of forged deliveries does not become a flood of queries.
    assert github_app.webhook_secrets(fresh=True) == (SECRET.encode(),)
    monkeypatch.setattr(github_app, "LOOK_AGAIN", 0)
    assert github_app.webhook_secrets() == (SECRET.encode(),)
    assert github_app.webhook_secrets(fresh=True) == (b"s3ntinel-of-the-next-app",)


def test_a_known_secret_outlasts_the_database(
    monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    store(an_app())
    assert github_app.webhook_secrets()
    database.close_pool()
    monkeypatch.setattr(github_app, "LOOK_AGAIN", 0)
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")
    settings.cache_clear()
    assert github_app.webhook_secrets(fresh=True) == (SECRET.encode(),)
    github_app.forget()
    with pytest.raises(psycopg.OperationalError):
        github_app.webhook_secrets()
    database.close_pool()


def test_the_secrets_of_the_stored_app_are_taken_out_of_logs() -> None:
    store(an_app())
    github_app.identity()
    line = f"{SECRET} and s3ntinel-client-secret"
    assert redact(line) == f"{REDACTED} and {REDACTED}"


def test_a_forked_process_looks_for_itself() -> None:
    store(an_app())
    github_app.webhook_secrets()
    store(an_app(8, "s3ntinel-of-the-next-app"))
    child = os.fork()
    if child == 0:
        ok = github_app.webhook_secrets() == (b"s3ntinel-of-the-next-app",)
        os._exit(0 if ok else 1)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.02)
    assert os.waitstatus_to_exitcode(status) == 0
