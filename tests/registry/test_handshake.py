"""Handshakes with servers that speak MCP, over real HTTP: both eras, every form of an answer."""

from collections.abc import Callable
from typing import Any

import pytest
from mcp.server import MCPServer
from mcp.shared.inbound import InboundModernRoute, classify_inbound_request
from mcp_types.methods import validate_client_notification, validate_client_request

from registry.handshake import Handshake, shake_hands
from tests.registry.mcp_servers import (
    FORECAST,
    Exchange,
    Legacy,
    Scripted,
    Seen,
    asgi,
    error,
    numbered,
    result,
    scripted,
)


def official(tools: int = 1) -> MCPServer:
    """A server of the official library."""
    server = MCPServer("weather", version="1.4.0")

    @server.tool(title="Forecast")
    def forecast(place: str, days: int = 3) -> dict[str, int]:
        """The weather of the next days"""
        return {place: days}

    for number in range(tools - 1):
        server.add_tool(forecast, name=f"forecast-{number}")
    return server


def only_legacy(app: Any) -> Any:
    """The official server as it was before 2026-07-28: the modern era's headers do not reach it."""

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = [
                (name, value)
                for name, value in scope["headers"]
                if not (name == b"mcp-protocol-version" and value == b"2026-07-28")
            ]
            scope = {**scope, "headers": headers}
        await app(scope, receive, send)

    return inner


# Servers of the official library


@pytest.mark.parametrize("json_response", [True, False], ids=["json", "sse"])
@pytest.mark.parametrize("stateless", [True, False], ids=["stateless", "session"])
def test_a_modern_server_is_discovered(json_response: bool, stateless: bool) -> None:
    app = official().streamable_http_app(json_response=json_response, stateless_http=stateless)
    with asgi(app) as url:
        answer = shake_hands(f"{url}/mcp")
    assert answer.verdict == "open", answer.detail
    assert (answer.era, answer.protocol) == ("modern", "2026-07-28")
    assert answer.server == {"name": "weather", "version": "1.4.0"}
    (tool,) = answer.tools
    assert (tool.name, tool.title) == ("forecast", "Forecast")
    assert tool.description == "The weather of the next days"
    assert tool.input_schema["required"] == ["place"]
    assert tool.output_schema is not None


@pytest.mark.parametrize("json_response", [True, False], ids=["json", "sse"])
@pytest.mark.parametrize("stateless", [True, False], ids=["stateless", "session"])
def test_a_legacy_server_is_initialized(json_response: bool, stateless: bool) -> None:
    app = official().streamable_http_app(json_response=json_response, stateless_http=stateless)
    with asgi(only_legacy(app)) as url:
        answer = shake_hands(f"{url}/mcp")
    assert answer.verdict == "open", answer.detail
    assert (answer.era, answer.protocol) == ("legacy", "2025-11-25")
    assert answer.server == {"name": "weather", "version": "1.4.0"}
    assert [tool.name for tool in answer.tools] == ["forecast"]


def test_both_eras_give_the_same_tools() -> None:
    app = official(5).streamable_http_app()
    with asgi(app) as url:
        modern = shake_hands(f"{url}/mcp")
    with asgi(only_legacy(official(5).streamable_http_app())) as url:
        legacy = shake_hands(f"{url}/mcp")
    assert {tool.hash for tool in modern.tools} == {tool.hash for tool in legacy.tools}
    assert len(modern.tools) == 5


def test_the_old_transport_of_the_official_library_is_recognised() -> None:
    with asgi(official().sse_app()) as url:
        answer = shake_hands(f"{url}/sse")
    assert answer.verdict == "wrong-transport", answer.detail


def test_the_wrong_path_of_a_real_server_is_not_mcp() -> None:
    with asgi(official().streamable_http_app()) as url:
        answer = shake_hands(f"{url}/elsewhere")
    assert answer.verdict == "not-mcp"
    assert "404" in answer.detail


def test_a_server_that_does_not_know_its_host_name_says_so() -> None:
    app = official().streamable_http_app()

    async def behind_a_proxy(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            rest = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope = {**scope, "headers": [*rest, (b"host", b"weather.example")]}
        await app(scope, receive, send)

    with asgi(behind_a_proxy) as url:
        answer = shake_hands(f"{url}/mcp")
    assert answer.verdict == "unknown"
    assert "421" in answer.detail


# Hand-written servers of the legacy era


def refuse_status(status: int) -> Callable[[Exchange, Seen], None]:
    return lambda exchange, seen: exchange.send(status, b"nope", content_type="text/plain")


def refuse_error(status: int, code: int) -> Callable[[Exchange, Seen], None]:
    return lambda exchange, seen: exchange.send_json(error(seen, code), status)


def refuse_silently(exchange: Exchange, seen: Seen) -> None:
    exchange.rfile.read(1)


def refuse_by_hanging_up(exchange: Exchange, seen: Seen) -> None:
    exchange.close_connection = True
    exchange.connection.shutdown(2)


def refuse_anonymously(exchange: Exchange, seen: Seen) -> None:
    exchange.send_json({**error(seen, -32600), "id": None}, 400)


def refuse_in_a_stream(exchange: Exchange, seen: Seen) -> None:
    exchange.open_stream()
    exchange.send_event(error(seen, -32601))


REFUSALS: dict[str, Callable[[Exchange, Seen], None]] = {
    "400": refuse_status(400),
    "404": refuse_status(404),
    "405": refuse_status(405),
    "500": refuse_status(500),
    "200 with text": refuse_status(200),
    "202": refuse_status(202),
    "-32601 with 200": refuse_error(200, -32601),
    "-32601 with 404": refuse_error(404, -32601),
    "-32000 with 400": refuse_error(400, -32000),
    "-32602 with 200": refuse_error(200, -32602),
    "-32600 without id": refuse_anonymously,
    "-32601 in a stream": refuse_in_a_stream,
    "an empty result": lambda exchange, seen: exchange.send_json(result(seen, {})),
    "an odd result": lambda exchange, seen: exchange.send_json(
        result(seen, {"supportedVersions": "2026-07-28", "capabilities": []})
    ),
    "only old versions": lambda exchange, seen: exchange.send_json(
        result(seen, {"supportedVersions": ["2025-11-25"], "capabilities": {}})
    ),
    "-32022 with old versions": lambda exchange, seen: exchange.send_json(
        error(seen, -32022, {"supported": ["2025-11-25"], "requested": "2026-07-28"}), 400
    ),
    "-32022 without data": refuse_error(400, -32022),
    "hanging up": refuse_by_hanging_up,
}


@pytest.mark.parametrize("refuse", REFUSALS.values(), ids=REFUSALS)
def test_however_an_old_server_refuses_discovery_it_is_initialized(
    refuse: Callable[[Exchange, Seen], None],
) -> None:
    with scripted(Legacy(refuse)) as server:
        answer = shake_hands(server.url)
    assert answer.verdict == "open", answer.detail
    assert answer.era == "legacy"
    assert [tool.name for tool in answer.tools] == ["forecast"]
    assert server.methods == [
        "server/discover",
        "initialize",
        "notifications/initialized",
        "tools/list",
        "DELETE",
    ]


def test_an_old_server_that_never_answers_discovery_is_still_initialized_in_time() -> None:
    with scripted(Legacy(refuse_silently)) as server:
        answer = shake_hands(server.url, timeout=5)
    assert answer.verdict == "open", answer.detail
    assert answer.era == "legacy"


def test_the_session_and_the_protocol_are_named_in_every_request_after_initialization() -> None:
    with scripted(Legacy(REFUSALS["404"], protocol="2025-06-18")) as server:
        answer = shake_hands(server.url)
    assert answer.protocol == "2025-06-18"
    before, after = server.seen[:2], server.seen[2:]
    assert [seen.headers.get("mcp-session-id") for seen in before] == [None, None]
    assert "mcp-protocol-version" not in server.seen[1].headers
    assert len(after) == 3
    assert {seen.headers["mcp-session-id"] for seen in after} == {"a-session"}
    assert {seen.headers["mcp-protocol-version"] for seen in after} == {"2025-06-18"}


def test_a_server_without_sessions_is_not_asked_to_forget_one() -> None:
    with scripted(Legacy(REFUSALS["404"], session=None)) as server:
        assert shake_hands(server.url).verdict == "open"
    assert "DELETE" not in server.methods


@pytest.mark.parametrize("status", [405, 404, 500])
def test_a_server_may_refuse_to_forget_its_session(status: int) -> None:
    with scripted(Legacy(REFUSALS["404"], forget=status)) as server:
        assert shake_hands(server.url).verdict == "open"
    assert server.methods[-1] == "DELETE"


def test_the_session_is_ended_even_when_the_tools_cannot_be_listed() -> None:
    broken: list[list[dict[str, Any]]] = [[{"name": "no schema"}]]
    with scripted(Legacy(REFUSALS["404"], pages=broken)) as server:
        answer = shake_hands(server.url)
    assert answer.verdict == "not-mcp"
    assert "no schema" in answer.detail
    assert server.methods[-1] == "DELETE"


def test_the_session_is_ended_even_when_the_time_is_up() -> None:
    legacy = Legacy(REFUSALS["404"])

    def slow(exchange: Exchange, seen: Seen) -> None:
        if seen.method == "tools/list":
            exchange.rfile.read(1)
        else:
            legacy(exchange, seen)

    with scripted(slow) as server:
        answer = shake_hands(server.url, timeout=2)
    assert answer.verdict == "unknown"
    assert server.methods[-1] == "DELETE"


def test_other_traffic_in_a_stream_does_not_hide_the_answer() -> None:
    with scripted(Legacy(REFUSALS["404"], events=True)) as server:
        answer = shake_hands(server.url)
    assert answer.verdict == "open", answer.detail
    assert [tool.name for tool in answer.tools] == ["forecast"]


def test_a_ping_in_the_stream_is_answered_and_anything_else_refused() -> None:
    legacy = Legacy(REFUSALS["404"])
    answered: list[dict[str, Any]] = []

    def asking(exchange: Exchange, seen: Seen) -> None:
        if "method" not in seen.body and seen.verb == "POST":
            answered.append(seen.body)
            exchange.send(202)
        elif seen.method == "tools/list":
            exchange.open_stream()
            exchange.send_event({"jsonrpc": "2.0", "id": "p", "method": "ping"})
            exchange.send_event({"jsonrpc": "2.0", "id": 7, "method": "roots/list"})
            # Answers only when it has been answered, as some servers do.
            while len(answered) < 2:
                exchange.send_event({"jsonrpc": "2.0", "method": "notifications/progress"})
            exchange.send_event(result(seen, {"tools": [FORECAST]}))
        else:
            legacy(exchange, seen)

    with scripted(asking) as server:
        answer = shake_hands(server.url)
    assert answer.verdict == "open", answer.detail
    assert answered[0] == {"jsonrpc": "2.0", "id": "p", "result": {}}
    assert (answered[1]["id"], answered[1]["error"]["code"]) == (7, -32601)


def test_every_page_of_the_tools_is_read() -> None:
    tools = numbered(25)
    pages = [tools[start : start + 10] for start in range(0, 25, 10)]
    with scripted(Legacy(REFUSALS["404"], pages=pages)) as server:
        answer = shake_hands(server.url)
    assert [tool.name for tool in answer.tools] == [tool["name"] for tool in tools]
    assert server.methods.count("tools/list") == 3


def test_a_server_without_tools_is_open_and_is_not_asked_for_them() -> None:
    with scripted(Legacy(REFUSALS["404"], capabilities={"prompts": {}})) as server:
        answer = shake_hands(server.url)
    assert (answer.verdict, answer.tools) == ("open", ())
    assert "tools/list" not in server.methods


# Hand-written servers of the modern era


def modern(pages: list[Any], **about: Any) -> Callable[[Exchange, Seen], None]:
    """A server of 2026-07-28 with these pages of tools."""

    def answer(exchange: Exchange, seen: Seen) -> None:
        if seen.method == "server/discover":
            value = {
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}},
                "resultType": "complete",
                "_meta": {
                    "io.modelcontextprotocol/serverInfo": {"name": "weather", "version": "2.0.0"}
                },
            }
            exchange.send_json(result(seen, {**value, **about}))
        elif seen.method == "tools/list":
            page = int(seen.body["params"].get("cursor", "0"))
            tools = {"tools": pages[page], "resultType": "complete"}
            more = {"nextCursor": str(page + 1)} if page + 1 < len(pages) else {}
            exchange.send_json(result(seen, tools | more))
        else:
            exchange.send(404)

    return answer


def test_a_modern_server_gets_its_headers_and_no_session() -> None:
    with scripted(modern([numbered(2), [FORECAST]])) as server:
        answer = shake_hands(server.url)
    assert answer.verdict == "open", answer.detail
    assert answer.server == {"name": "weather", "version": "2.0.0"}
    assert [tool.name for tool in answer.tools] == ["tool-0", "tool-1", "forecast"]
    assert server.methods == ["server/discover", "tools/list", "tools/list"]
    for seen in server.seen:
        assert seen.headers["mcp-protocol-version"] == "2026-07-28"
        assert seen.headers["mcp-method"] == seen.method
        assert "mcp-session-id" not in seen.headers


def test_what_a_modern_server_gets_is_accepted_by_the_official_library() -> None:
    with scripted(modern([numbered(1), []])) as server:
        shake_hands(server.url)
    assert len(server.seen) == 3
    for seen in server.seen:
        route = classify_inbound_request(seen.body, headers=seen.headers)
        assert isinstance(route, InboundModernRoute), route


def test_a_modern_server_without_tools_is_open() -> None:
    with scripted(modern([], capabilities={})) as server:
        answer = shake_hands(server.url)
    assert (answer.verdict, answer.era, answer.tools) == ("open", "modern", ())


def test_a_server_that_does_not_say_who_it_is_is_open() -> None:
    with scripted(modern([[FORECAST]], _meta={})) as server:
        answer = shake_hands(server.url)
    assert (answer.verdict, answer.server) == ("open", {})


def test_only_short_texts_of_what_a_server_says_of_itself_are_kept() -> None:
    info = {"name": "x" * 5000, "version": 3, "title": "a\0b", "icons": [{"src": "data:"}]}
    meta = {"io.modelcontextprotocol/serverInfo": info}
    with scripted(modern([[FORECAST]], _meta=meta)) as server:
        assert shake_hands(server.url).server == {"name": "x" * 200}


def test_a_server_that_asks_for_another_modern_version_is_asked_again() -> None:
    refusals: list[int] = []
    inner = modern([[FORECAST]])

    def picky(exchange: Exchange, seen: Seen) -> None:
        if seen.method == "server/discover" and not refusals:
            refusals.append(1)
            data = {"supported": ["2099-01-01", "2026-07-28"], "requested": "2026-07-28"}
            exchange.send_json(error(seen, -32022, data), 400)
        else:
            inner(exchange, seen)

    with scripted(picky) as server:
        assert shake_hands(server.url).era == "modern"
    assert server.methods == ["server/discover", "server/discover", "tools/list"]


def test_a_modern_server_that_was_slow_to_start_is_discovered_at_the_second_try() -> None:
    inner, questions = modern([[FORECAST]]), []

    def slow(exchange: Exchange, seen: Seen) -> None:
        questions.append(seen.method)
        if questions.count("server/discover") == 1 and seen.method == "server/discover":
            exchange.rfile.read(1)
        elif seen.method == "initialize":
            data = {"supported": ["2026-07-28"], "requested": "2025-11-25"}
            exchange.send_json(error(seen, -32022, data), 400)
        else:
            inner(exchange, seen)

    with scripted(slow) as server:
        answer = shake_hands(server.url, timeout=5)
    assert (answer.verdict, answer.era) == ("open", "modern"), answer.detail


def test_a_server_of_unknown_versions_is_alive_but_not_open() -> None:
    def future(exchange: Exchange, seen: Seen) -> None:
        data = {"supported": ["2099-01-01"], "requested": "2026-07-28"}
        exchange.send_json(error(seen, -32022, data), 400)

    with scripted(future) as server:
        answer = shake_hands(server.url)
    assert answer.verdict == "unknown"
    assert "versions of MCP" in answer.detail


# What we send is what the specification says


def _validate(revision: str, message: dict[str, Any]) -> None:
    """Raises when the message is not as the specification's schema of that revision says, from
    which these models of the official SDK are generated."""
    if "id" in message:
        validate_client_request(message["method"], revision, message.get("params"))
    else:
        validate_client_notification(message["method"], revision, message.get("params"))


def _conversation(kind: str) -> tuple[Handshake, Scripted]:
    pages = [numbered(1), [FORECAST]]
    script = modern(pages) if kind == "modern" else Legacy(REFUSALS["404"], pages=pages)
    with scripted(script) as server:
        return shake_hands(server.url), server


@pytest.mark.parametrize(
    ("kind", "revision", "methods"),
    [
        ("modern", "2026-07-28", {"server/discover", "tools/list"}),
        ("legacy", "2025-11-25", {"initialize", "notifications/initialized", "tools/list"}),
    ],
)
def test_every_message_sent_is_valid_by_the_specification(
    kind: str, revision: str, methods: set[str]
) -> None:
    answer, server = _conversation(kind)
    assert answer.verdict == "open", answer.detail
    checked = [seen for seen in server.seen if seen.method in methods]
    assert {seen.method for seen in checked} == methods
    for seen in checked:
        _validate(revision, seen.body)
        assert seen.headers["content-type"] == "application/json"
        assert seen.headers["accept"] == "application/json, text/event-stream"


def test_a_url_that_is_not_http_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="http or https"):
        shake_hands("file:///etc/passwd")
