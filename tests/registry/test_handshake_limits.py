"""Handshakes with MCP servers that send too much, too little, or tools that cannot be taken."""

import gzip
from typing import Any

import pytest

from registry.mcp_http import MAX_BODY
from tests.registry.mcp_servers import (
    FORECAST,
    Exchange,
    Seen,
    error,
    numbered,
    result,
)
from tests.registry.verdicts import always, of, refusing

# Too much, too little


def test_a_cursor_that_comes_again_ends_the_handshake() -> None:
    def endless(exchange: Exchange, seen: Seen) -> None:
        exchange.send_json(result(seen, {"tools": [], "nextCursor": "same"}))

    answer = of(refusing("tools/list", endless))
    assert answer.verdict == "not-mcp"
    assert "last page" in answer.detail


def test_pages_without_end_end_the_handshake() -> None:
    pages: list[int] = []

    def endless(exchange: Exchange, seen: Seen) -> None:
        pages.append(1)
        exchange.send_json(result(seen, {"tools": [], "nextCursor": str(len(pages))}))

    answer = of(refusing("tools/list", endless), timeout=30)
    assert answer.verdict == "not-mcp"
    assert len(pages) == 100


def test_more_tools_than_anybody_has_end_the_handshake() -> None:
    many = refusing(
        "tools/list",
        lambda exchange, seen: exchange.send_json(result(seen, {"tools": numbered(1001)})),
    )
    assert "more than 1,000 tools" in of(many, timeout=30).detail


def test_a_huge_body_is_not_read_to_its_end() -> None:
    sent: list[int] = []

    def huge(exchange: Exchange, seen: Seen) -> None:
        exchange.send_response(200)
        exchange.send_header("content-type", "application/json")
        exchange.send_header("content-length", str(10**12))
        exchange.end_headers()
        while True:
            exchange.wfile.write(b" " * 65536)
            sent.append(65536)

    answer = of(huge, timeout=30)
    assert answer.verdict == "not-mcp"
    assert f"{MAX_BODY:,}" in answer.detail
    # What is in the buffers of the two sockets comes on top of the limit.
    assert sum(sent) < 4 * MAX_BODY


def test_a_huge_event_is_not_read_to_its_end() -> None:
    def huge(exchange: Exchange, seen: Seen) -> None:
        exchange.open_stream()
        exchange.wfile.write(b"data: ")
        while True:
            exchange.wfile.write(b"x" * 65536)

    assert of(huge, timeout=30).verdict == "not-mcp"


def test_a_compressed_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * (50 * MAX_BODY), 9)
    headers = {"content_type": "application/json", "content_encoding": "gzip"}
    answer = of(always(200, bomb, **headers), timeout=30)
    assert answer.verdict == "not-mcp"
    assert f"{MAX_BODY:,}" in answer.detail


def test_all_pages_together_have_a_limit_too() -> None:
    def fat(exchange: Exchange, seen: Seen) -> None:
        number = int(seen.body["params"].get("cursor", "0"))
        tool = {"name": f"t{number}", "description": "x" * 3_000_000, "inputSchema": {}}
        exchange.send_json(result(seen, {"tools": [tool], "nextCursor": str(number + 1)}))

    answer = of(refusing("tools/list", fat), timeout=60)
    assert answer.verdict == "not-mcp"
    assert "altogether" in answer.detail


def test_questions_without_end_end_the_handshake() -> None:
    def asking(exchange: Exchange, seen: Seen) -> None:
        if "method" not in seen.body:
            exchange.send(202)
            return
        exchange.open_stream()
        for number in range(1000):
            exchange.send_event({"jsonrpc": "2.0", "id": number, "method": "ping"})

    assert of(asking, timeout=30).verdict == "not-mcp"


@pytest.mark.parametrize("method", ["initialize", "tools/list"])
def test_a_stream_that_breaks_off_is_unknown(method: str) -> None:
    def cut(exchange: Exchange, seen: Seen) -> None:
        exchange.open_stream()
        exchange.wfile.write(b'id: 5\nevent: message\ndata: {"jsonrpc": "2.0", "id"')

    assert of(refusing(method, cut)).verdict == "unknown"


def test_a_body_that_breaks_off_is_unknown() -> None:
    def cut(exchange: Exchange, seen: Seen) -> None:
        exchange.close_connection = True
        exchange.send_response(200)
        exchange.send_header("content-type", "application/json")
        exchange.send_header("content-length", "500")
        exchange.end_headers()
        exchange.wfile.write(b'{"jsonrpc"')

    assert of(refusing("tools/list", cut)).verdict == "unknown"


# Tools that cannot be taken


@pytest.mark.parametrize(
    ("tool", "says"),
    [
        ({}, "no name"),
        ("forecast", "no name"),
        ({"name": 5, "inputSchema": {}}, "no name"),
        ({"name": "", "inputSchema": {}}, "no name"),
        ({"name": "x" * 257, "inputSchema": {}}, "beyond 256"),
        ({"name": "a"}, "no inputSchema"),
        ({"name": "a", "inputSchema": "object"}, "not an object"),
        ({"name": "a", "inputSchema": {}, "outputSchema": []}, "not an object"),
        ({"name": "a", "inputSchema": {}, "annotations": "x"}, "not an object"),
        ({"name": "a", "inputSchema": {}, "description": 5}, "not text"),
        ({"name": "a", "inputSchema": {"x\0": 1}}, "NUL"),
        ({"name": "a", "inputSchema": {}, "description": "\ud800"}, "surrogate"),
        ({"name": "\ud800", "inputSchema": {}}, "surrogate"),
        ({"name": "a\nb", "inputSchema": 1}, "not an object"),
    ],
)
def test_a_tool_that_is_none_is_told(tool: Any, says: str) -> None:
    def listing(exchange: Exchange, seen: Seen) -> None:
        exchange.send_json(result(seen, {"tools": [FORECAST, tool]}))

    answer = of(refusing("tools/list", listing))
    assert answer.verdict == "not-mcp"
    assert says in answer.detail
    assert answer.detail.encode()


def test_two_tools_of_one_name_are_told() -> None:
    def listing(exchange: Exchange, seen: Seen) -> None:
        exchange.send_json(result(seen, {"tools": [FORECAST, FORECAST]}))

    assert "two tools named 'forecast'" in of(refusing("tools/list", listing)).detail


@pytest.mark.parametrize("page", [{}, {"tools": {}}, {"tools": [], "nextCursor": 5}])
def test_a_page_that_is_none_is_told(page: Any) -> None:
    answer = of(
        refusing("tools/list", lambda exchange, seen: exchange.send_json(result(seen, page)))
    )
    assert answer.verdict == "not-mcp"


@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_a_server_that_offers_tools_and_fails_to_list_them_is_unknown(status: int) -> None:
    script = refusing(
        "tools/list", lambda exchange, seen: exchange.send_json(error(seen, -32603), status)
    )
    assert of(script).verdict == "unknown"
