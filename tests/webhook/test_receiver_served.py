"""The receiver as gunicorn serves it: odd bodies, a database that goes away, SIGTERM."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
import requests
from redis import Redis

from config.database import transaction
from sandbox.embedded import EmbeddedRedis, Postgres
from tests.hooks import encode, headers, push
from tests.polling import eventually
from webhook.receiver import MAX_BODY
from workers import queues

pytestmark = pytest.mark.faults


@dataclass
class Web:
    """A gunicorn of one's own."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def send(self, body: bytes, sent: dict[str, str] | None = None) -> requests.Response:
        return requests.post(
            f"http://127.0.0.1:{self.port}/webhook/github",
            data=body,
            headers=sent or headers(body),
            timeout=60,
        )

    def is_listening(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0


def start(log: Path, port: int, **environment: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "gunicorn", "--config", "webhook/gunicorn.py"]
    with log.open("wb") as output:
        return subprocess.Popen(
            [*command, "webhook:create_app()"],
            stderr=output,
            stdout=output,
            env=os.environ | {"PORT": str(port)} | environment,
        )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def web(database_url: str, redis_url: str, webhook_secret: str, tmp_path: Path) -> Iterator[Web]:
    port = free_port()
    log = tmp_path / "gunicorn.log"
    running = Web(start(log, port), port, log)
    try:
        eventually(running.is_listening)
        yield running
    finally:
        running.process.terminate()
        running.process.wait(60)


def stored() -> list[str]:
    with transaction() as connection:
        rows = connection.execute("SELECT guid::text FROM deliveries").fetchall()
    return [row[0] for row in rows]


class Sender(threading.Thread):
    """Sends deliveries one after the other until told to stop, and notes what was answered."""

    def __init__(self, web: Web) -> None:
        super().__init__()
        self.web = web
        self.accepted: list[str] = []
        self.statuses: list[int | None] = []
        self.end = threading.Event()
        self.start()

    def run(self) -> None:
        body = encode(push())
        while not self.end.is_set():
            sent = headers(body)
            try:
                status = self.web.send(body, sent).status_code
            except requests.ConnectionError:
                status = None
            self.statuses.append(status)
            if status == 202:
                self.accepted.append(sent["X-GitHub-Delivery"])


def stop(senders: list[Sender]) -> list[str]:
    for sender in senders:
        sender.end.set()
    for sender in senders:
        sender.join()
    return [guid for sender in senders for guid in sender.accepted]


def test_all_that_was_accepted_before_sigterm_is_stored(web: Web) -> None:
    senders = [Sender(web) for _ in range(8)]
    eventually(lambda: all(len(sender.accepted) > 20 for sender in senders))
    web.process.send_signal(signal.SIGTERM)
    assert web.process.wait(60) == 0
    accepted = stop(senders)
    assert set(accepted) <= set(stored())
    # A request that had begun was answered: nothing but refused connections came afterwards.
    for sender in senders:
        assert set(sender.statuses) <= {202, None}
        assert sender.statuses.index(None) == sender.statuses.count(202)


def test_a_killed_web_process_has_stored_all_that_it_accepted(web: Web) -> None:
    senders = [Sender(web) for _ in range(8)]
    eventually(lambda: all(len(sender.accepted) > 20 for sender in senders))
    for child in psutil.Process(web.process.pid).children():
        child.kill()
    eventually(lambda: all(None in sender.statuses for sender in senders) or web.is_listening())
    accepted = stop(senders)
    assert set(accepted) <= set(stored())


def test_postgresql_stopped_is_503_and_started_again_is_202(web: Web, postgres: Postgres) -> None:
    senders = [Sender(web) for _ in range(4)]
    eventually(lambda: all(sender.accepted for sender in senders))
    postgres.stop()
    try:
        eventually(lambda: all(503 in sender.statuses for sender in senders))
        body = encode(push())
        answer = web.send(body)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"].isdecimal()
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "could not be stored" in answer.json()["title"]
    finally:
        postgres.start()
    eventually(lambda: all(sender.statuses[-1] == 202 for sender in senders))
    accepted = stop(senders)
    assert set(accepted) <= set(stored())
    assert {status for sender in senders for status in sender.statuses} == {202, 503}


def test_postgresql_that_hangs_is_503_in_less_time_than_github_waits(
    web: Web, database_url: str
) -> None:
    body = encode(push())
    assert web.send(body).status_code == 202
    with psycopg.connect(database_url) as blocker:
        blocker.execute("LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE")
        # GitHub gives up after 10 s, and so does this client.
        answer = requests.post(
            f"http://127.0.0.1:{web.port}/webhook/github",
            data=body,
            headers=headers(body),
            timeout=10,
        )
        assert answer.status_code == 503
    eventually(lambda: web.send(body).status_code == 202)


def test_redis_that_hangs_does_not_delay_an_answer(
    web: Web, redis_server: EmbeddedRedis, redis_url: str
) -> None:
    process = psutil.Process(int((redis_server.folder / "redis.pid").read_text()))
    body = encode(push())
    assert web.send(body).status_code == 202
    Redis.from_url(redis_url).flushall()
    process.suspend()
    try:
        # More than there are threads: were one of them waiting for Redis, these would not come back
        # before Redis does.
        for _ in range(100):
            assert web.send(body).status_code == 202
    finally:
        process.resume()
    assert len(stored()) == 101
    with Redis.from_url(redis_url) as redis:
        eventually(lambda: redis.llen(f"rq:queue:{queues.DELIVERIES}"))


def test_a_body_that_trickles_in_is_waited_for(web: Web) -> None:
    body = encode(push())
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
    connection.putrequest("POST", "/webhook/github")
    for name, value in headers(body).items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:10])
    # Others are served meanwhile.
    assert web.send(body).status_code == 202
    for byte in body[10:]:
        connection.send(bytes([byte]))
    assert connection.getresponse().status == 202
    assert len(stored()) == 2


def test_a_body_that_ends_early_is_not_stored(web: Web) -> None:
    body = encode(push())
    with socket.create_connection(("127.0.0.1", web.port)) as client:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers(body).items())
        client.sendall(
            f"POST /webhook/github HTTP/1.1\r\nHost: x\r\n{lines}"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body[:-1]
        )
        client.shutdown(socket.SHUT_WR)
        assert b" 202 " not in client.recv(65536)
    assert web.send(body).status_code == 202
    assert len(stored()) == 1


def test_a_chunked_body_is_accepted(web: Web) -> None:
    body = encode(push())
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
    pieces = iter([body[:100], body[100:]])
    connection.request("POST", "/webhook/github", pieces, headers(body), encode_chunked=True)
    assert connection.getresponse().status == 202
    assert len(stored()) == 1


def test_an_endless_chunked_body_is_413_without_being_read_to_its_end(web: Web) -> None:
    sent = headers(b"") | {"Transfer-Encoding": "chunked"}
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
    connection.putrequest("POST", "/webhook/github")
    for name, value in sent.items():
        connection.putheader(name, value)
    connection.endheaders()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    sendable = 2 * MAX_BODY // 0x10000
    try:
        for _ in range(sendable):
            connection.send(chunk)
    except (BrokenPipeError, ConnectionResetError):
        pass  # Sigil has closed the connection: it will not have any more of this.
    assert connection.getresponse().status == 413
    assert stored() == []


def test_a_huge_announced_body_is_413_before_any_of_it_is_sent(web: Web) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
    connection.putrequest("POST", "/webhook/github")
    for name, value in (headers(b"") | {"Content-Length": str(10 * 2**30)}).items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_a_refusal_is_logged_with_the_delivery_and_without_signature_or_payload(web: Web) -> None:
    body = encode(push(sentinel="do-not-log-this"))
    sent = headers(body, secret="not-the-webhook-secret")
    answer = web.send(body, sent)
    assert answer.status_code == 401
    logged = eventually(lambda: sent["X-GitHub-Delivery"] in web.log.read_text()) and (
        web.log.read_text()
    )
    for text in (logged, answer.text):
        assert "do-not-log-this" not in text
        assert sent["X-Hub-Signature-256"].removeprefix("sha256=") not in text


@pytest.mark.usefixtures("database_url", "redis_url")
@pytest.mark.parametrize("secrets", ["", "too-short", "a-fine-webhook-secret," * 3])
def test_without_a_usable_secret_gunicorn_does_not_start(secrets: str, tmp_path: Path) -> None:
    log = tmp_path / "gunicorn.log"
    process = start(log, free_port(), GITHUB_WEBHOOK_SECRETS=secrets)
    assert process.wait(60) != 0
    assert "GITHUB_WEBHOOK_SECRETS" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert secrets not in log.read_text() or not secrets
