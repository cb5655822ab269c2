"""Handshakes with what is no MCP server: a verdict in time, and no secrets in it."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.handshake import shake_hands
from tests.registry.mcp_servers import (
    FORECAST,
    Exchange,
    Legacy,
    Seen,
    dawdle,
    error,
    raw,
    result,
    scripted,
)
from tests.registry.verdicts import PATIENCE, always, of, refusing, sound

# No server, or no HTTP


def test_a_closed_port_is_dead() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answer = sound(shake_hands(f"http://127.0.0.1:{port}/mcp"))
    assert answer.verdict == "dead"


def test_a_name_that_does_not_exist_is_dead() -> None:
    # RFC 6761 reserves `.invalid`; a resolver that cannot ask anybody may take its time instead.
    answer = sound(shake_hands("http://sigil-test.invalid/mcp", timeout=30))
    assert answer.verdict == "dead"


def test_a_server_that_hangs_up_at_once_is_unknown() -> None:
    with raw(lambda connection: None) as url:
        assert sound(shake_hands(url, timeout=PATIENCE)).verdict == "unknown"


def test_a_server_that_speaks_no_http_is_not_mcp() -> None:
    def banner(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH_9.2 sentinel-4711\r\n\r\n")
        connection.recv(65536)

    with raw(banner) as url:
        assert sound(shake_hands(url, timeout=PATIENCE)).verdict == "not-mcp"


def test_a_certificate_that_nobody_trusts_is_dead() -> None:
    with raw(lambda connection: connection.sendall(b"no TLS here")) as url:
        answer = sound(shake_hands(url.replace("http:", "https:"), timeout=PATIENCE))
    assert answer.verdict == "dead"


# Time


def _silence(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _trickle(head: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        while True:
            connection.sendall(drop)
            dawdle(connection, 0.01)

    return talk


HEAD = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: "


@pytest.mark.parametrize(
    "talk",
    [
        _silence,
        _trickle(b"", b"H"),
        _trickle(b"HTTP/1.1 200 OK\r\nx: ", b"x"),
        _trickle(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        _trickle(HEAD + b"application/json\r\n\r\n", b" "),
        _trickle(HEAD + b"text/event-stream\r\n\r\n", b": still here\n\n"),
        _trickle(HEAD + b"text/event-stream\r\n\r\n", b"data:"),
        _trickle(HEAD + b"text/event-stream\r\n\r\n", b"event: ping\ndata: x\n\n"),
    ],
    ids=["silence", "status", "header", "continue", "json", "comments", "one event", "events"],
)
def test_a_server_that_never_finishes_is_unknown_when_the_time_is_up(
    talk: Callable[[socket.socket], None],
) -> None:
    with raw(talk) as url:
        answer = sound(shake_hands(url, timeout=1))
    # A status line or a header that grows without end is refused for its size before that.
    assert answer.verdict == "unknown" or "HTTP" in answer.detail
    assert answer.seconds > 0


def test_the_time_counts_for_the_whole_and_not_for_each_page() -> None:
    legacy = Legacy(always(404))

    def slow(exchange: Exchange, seen: Seen) -> None:
        if seen.method == "tools/list":
            dawdle(exchange.connection, 0.2)
            cursor = int(seen.body["params"].get("cursor", "0"))
            tool = {"name": f"tool-{cursor}", "inputSchema": {}}
            page = {"tools": [tool], "nextCursor": str(cursor + 1)}
            exchange.send_json(result(seen, page))
        else:
            legacy(exchange, seen)

    answer = of(slow, timeout=1.5)
    assert answer.verdict == "unknown"
    assert "1.5 seconds" in answer.detail


# Alive, but closed


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_server_that_wants_credentials_is_gated(status: int) -> None:
    headers = {"www_authenticate": 'Bearer resource_metadata="https://a.example/?sentinel-4711"'}
    answer = of(always(status, **headers))
    assert answer.verdict == "gated"
    assert str(status) in answer.detail


@pytest.mark.parametrize("method", ["initialize", "tools/list"])
def test_a_server_that_wants_credentials_later_is_gated(method: str) -> None:
    body = always(401, b'{"error":"sentinel-4711"}', content_type="application/json")
    assert of(refusing(method, body)).verdict == "gated"


# Alive, but not MCP


@pytest.mark.parametrize("status", [200, 201, 202, 204, 400, 404, 405, 406, 410, 415])
@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json", ""])
def test_a_web_site_is_not_mcp(status: int, kind: str) -> None:
    body = b"" if status == 204 else b"<!doctype html><p>sentinel-4711"
    answer = of(always(status, body, **({"content_type": kind} if kind else {})))
    assert answer.verdict == "not-mcp"
    assert "`initialize` was answered with" in answer.detail


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_a_server_in_trouble_is_unknown(status: int) -> None:
    answer = of(always(status))
    assert answer.verdict == "unknown"
    assert str(status) in answer.detail


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_told_and_not_followed(status: int) -> None:
    def script(exchange: Exchange, seen: Seen) -> None:
        exchange.send(status, location="/mcp/?token=sentinel-4711#x")

    with scripted(script) as server:
        answer = sound(shake_hands(server.url, timeout=PATIENCE))
    assert answer.verdict == "not-mcp"
    assert f"{server.url}/," in answer.detail
    assert {seen.path for seen in server.seen} == {"/mcp"}


def test_a_redirect_to_nonsense_is_told() -> None:
    assert of(always(302, location="http://[sentinel/4711")).verdict == "not-mcp"


def test_another_json_rpc_service_is_not_mcp() -> None:
    answer = of(lambda exchange, seen: exchange.send_json(error(seen, -32601)))
    assert answer.verdict == "not-mcp"
    assert "-32601" in answer.detail


def test_a_server_that_fails_inside_is_unknown() -> None:
    assert of(lambda exchange, seen: exchange.send_json(error(seen, -32603))).verdict == "unknown"


@pytest.mark.parametrize(
    "answer",
    [
        [],
        "text",
        None,
        5,
        {"jsonrpc": "1.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "result": {}},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": 1, "result": "sentinel-4711"},
        {"jsonrpc": "2.0", "id": 1, "error": "sentinel-4711"},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": "x", "message": "sentinel-4711"}},
        {"jsonrpc": "2.0", "id": None, "result": {}},
        {"jsonrpc": "2.0", "id": 1.5, "result": {}},
        {"jsonrpc": "2.0", "id": True, "result": {}},
        {"jsonrpc": "2.0", "id": {"a": 1}, "result": {}},
    ],
)
@pytest.mark.parametrize("events", [False, True], ids=["json", "sse"])
def test_an_invalid_message_is_not_mcp(answer: Any, events: bool) -> None:
    def script(exchange: Exchange, seen: Seen) -> None:
        if events:
            exchange.open_stream()
            exchange.send_event(answer)
        else:
            exchange.send_json(answer)

    assert of(script).verdict in ("not-mcp", "unknown")


@pytest.mark.parametrize("wrong", ["2", 99, "one"])
def test_an_answer_to_another_id_is_not_taken(wrong: Any) -> None:
    about = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {}}

    def script(exchange: Exchange, seen: Seen) -> None:
        exchange.send_json({**result(seen, about), "id": wrong})

    answer = of(script)
    assert answer.verdict == "not-mcp"
    assert "id" in answer.detail


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe{}",
        b'{"jsonrpc":"2.0","id":1,"result":{"a":NaN}}',
        b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":1,"result":{"a":' + b"9" * 5000 + b"}}",
        b"",
    ],
    ids=["utf-16", "nan", "deep", "long number", "empty"],
)
def test_a_body_that_is_not_json_is_not_mcp(body: bytes) -> None:
    assert of(always(200, body, content_type="application/json")).verdict == "not-mcp"


@pytest.mark.parametrize("version", ["2099-01-01", "1.0", ""])
def test_a_legacy_server_of_an_unknown_version_is_not_open(version: str) -> None:
    assert of(Legacy(always(404), protocol=version)).verdict == "unknown"


@pytest.mark.parametrize("session", ["a\tb", "h\xe9", "x\x7f"])
def test_a_session_id_that_cannot_be_a_header_is_refused(session: str) -> None:
    answer = of(Legacy(always(404), session=session))
    assert answer.verdict in ("not-mcp", "unknown")


# Old transport


def test_the_old_transport_is_recognised_by_its_first_event() -> None:
    def old(exchange: Exchange, seen: Seen) -> None:
        if seen.verb != "GET":
            exchange.send(405)
            return
        exchange.open_stream()
        exchange.wfile.write(b": hello\n\nevent: endpoint\ndata: /messages?id=sentinel-4711\n\n")
        exchange.wfile.flush()
        exchange.rfile.read(1)

    answer = of(old)
    assert answer.verdict == "wrong-transport"
    assert "HTTP+SSE" in answer.detail


@pytest.mark.parametrize("event", ["message", "ping"])
def test_another_event_stream_is_not_the_old_transport(event: str) -> None:
    def feed(exchange: Exchange, seen: Seen) -> None:
        if seen.verb != "GET":
            exchange.send(404)
            return
        exchange.open_stream()
        exchange.send_event({"news": 1}, event=event)

    assert of(feed).verdict == "not-mcp"


# Whatever comes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = [
    "supportedVersions",
    "capabilities",
    "protocolVersion",
    "tools",
    "nextCursor",
    "_meta",
    "serverInfo",
]
RESULTS = st.dictionaries(
    st.sampled_from(KEYS),
    JSON | st.sampled_from([["2026-07-28"], {"tools": {}}, "2025-11-25", [FORECAST]]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RESULTS | JSON, min_size=1, max_size=4), st.sampled_from([200, 200, 400, 404]))
def test_any_answers_give_a_verdict(values: list[Any], status: int) -> None:
    answers = list(values)

    def script(exchange: Exchange, seen: Seen) -> None:
        value = answers.pop(0) if len(answers) > 1 else answers[0]
        exchange.send_json(result(seen, value), status)

    of(script, timeout=20)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=300),
    st.sampled_from(
        [b"", HEAD + b"application/json\r\n\r\n", HEAD + b"text/event-stream\r\n\r\ndata: "]
    ),
)
def test_any_bytes_give_a_verdict(junk: bytes, head: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head + junk)

    with raw(talk) as url:
        assert sound(shake_hands(url, timeout=20)).verdict != "open"
