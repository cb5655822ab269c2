"""No secret reaches a log line or Sentry, however it got into the event."""

import gzip
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import sentry_sdk
import structlog

from config.logs import REDACTED, configure_logs, configure_sentry, redact
from config.settings import settings

SECRET = "sentinel-of-the-webhook"
PASSWORD = "sentinel-of-the-database"
TOKEN = "ghs_" + "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRETS", SECRET)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://sigil:{PASSWORD}@db/sigil")
    settings.cache_clear()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    settings.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        f"the secret is {SECRET}.",
        f"password {PASSWORD} refused",
        "postgresql://someone:else-pass@host/db",
        f"http://x-access-token:{TOKEN}@host/o/r.git",
        f"Authorization: Bearer {TOKEN}",
        "github_pat_11ABCDEFG0123456789_abcdefghijklmnop",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
        "X-Hub-Signature-256: sha256=" + "ab" * 32,
    ],
)
def test_secrets_are_taken_out_of_a_text(text: str) -> None:
    shown = redact(text)
    assert REDACTED in shown
    for secret in (SECRET, PASSWORD, TOKEN, "else-pass", "github_pat_11", "eyJ", "MIIE", "abab"):
        assert secret not in shown


def test_an_ordinary_text_stays_as_it_is() -> None:
    text = "built sha256:0a1b2c at http://127.0.0.1:8080/mcp for octocat/hello 0123456789abcdef"
    assert redact(text) == text


def test_a_log_line_has_ids_and_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    with structlog.contextvars.bound_contextvars(run=12, delivery="d-1"):
        structlog.get_logger("test").warning("hello", token=TOKEN, note=f"with {SECRET}")
        logging.getLogger("library").warning("from a library: %s", PASSWORD)
        try:
            raise RuntimeError(f"it said {SECRET}")
        except RuntimeError:
            structlog.get_logger("test").exception("failed")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["run"], line["delivery"]) for line in lines] == [(12, "d-1")] * 3
    text = json.dumps(lines)
    assert "RuntimeError" in text
    for secret in (TOKEN, SECRET, PASSWORD):
        assert secret not in text


class _Sentry(BaseHTTPRequestHandler):
    received: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        self.received.append(gzip.decompress(body) if packed else body)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def sentry(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    handler = type("Handler", (_Sentry,), {"received": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("SENTRY_DSN", f"http://key@127.0.0.1:{server.server_port}/1")
    settings.cache_clear()
    yield handler.received
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_bug_reaches_sentry_without_any_secret(sentry: list[bytes]) -> None:
    configure_sentry()
    structlog.get_logger("test").warning("breadcrumb", note=SECRET)
    logging.getLogger("library").warning("breadcrumb %s", TOKEN)
    local_with_a_secret = SECRET
    try:
        raise RuntimeError(f"connecting with {PASSWORD} and {local_with_a_secret}")
    except RuntimeError as error:
        sentry_sdk.capture_exception(error)
    sentry_sdk.flush()
    sent = b"".join(sentry)
    assert b"RuntimeError" in sent
    for secret in (SECRET, PASSWORD, TOKEN):
        assert secret.encode() not in sent


def test_without_a_dsn_nothing_is_sent() -> None:
    configure_sentry()
    assert not sentry_sdk.get_client().is_active()


def test_a_temporary_code_of_github_is_taken_out_of_an_address() -> None:
    assert redact("code=a180b1a3d263c81bc6441d7b&x=1") == f"code={REDACTED}&x=1"
    assert redact("it ended with code=137") == "it ended with code=137"
    line = '"GET /setup/callback?code=a180b1a3d263c81bc6441d7b&state=abc HTTP/1.1" 303'
    assert redact(line) == f'"GET /setup/callback?code={REDACTED}&state=abc HTTP/1.1" 303'
