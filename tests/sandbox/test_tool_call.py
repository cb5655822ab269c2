"""Made-up arguments, and calls to a real MCP server over HTTP."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from mcp.server import MCPServer
from mcp.types import Tool, ToolAnnotations

from sandbox.tool_call import ToolCallFailed, call_a_tool, make_arguments
from tests.polling import eventually


def arguments_for(**schema: Any) -> Any:
    """What is made up for one required argument."""
    tool = Tool(
        name="tool",
        input_schema={"type": "object", "properties": {"it": schema}, "required": ["it"]},
    )
    return make_arguments(tool)["it"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "hello"),
        ({"type": "string", "default": "x"}, "x"),
        ({"type": "string", "enum": ["km", "mi"]}, "km"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "string", "description": "Zone (e.g., 'Europe/Paris')"}, "Europe/Paris"),
        ({"type": "integer", "minimum": 5}, 5),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, False),
        ({"type": "array", "items": {"type": "number"}, "minItems": 2}, [1, 1]),
        ({"type": ["string", "null"]}, "hello"),
        (
            {"type": "object", "properties": {"a": {"const": 1}, "b": {}}, "required": ["a"]},
            {"a": 1},
        ),
    ],
)
def test_the_simplest_value_that_the_schema_allows_is_made_up(
    schema: dict[str, Any], value: object
) -> None:
    assert arguments_for(**schema) == value


def test_what_is_not_required_is_left_out() -> None:
    tool = Tool(name="tool", input_schema={"type": "object", "properties": {"a": {}}})
    assert make_arguments(tool) == {}


mcp = MCPServer("tests", version="1.2.3")


@mcp.tool(annotations=ToolAnnotations(destructive_hint=True))
def wipe() -> str:
    """Never to be called unasked."""
    raise AssertionError("called")


@mcp.tool()
def fussy(word: str) -> str:
    """Takes one word only."""
    if word != "please":
        raise ValueError("not the word")
    return "thanks"


@mcp.tool()
def add(a: int, b: int) -> int:
    """The sum."""
    return a + b


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The endpoint of a real server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(mcp.streamable_http_app(), log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        eventually(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        server.should_exit = True
        thread.join()


def test_a_tool_that_fails_is_passed_over_for_one_that_works(url: str) -> None:
    call = call_a_tool(url)
    assert call.tools == ("wipe", "fussy", "add")
    assert (call.tool, call.arguments, call.result) == ("add", {"a": 1, "b": 1}, "2")
    assert call.server == "tests 1.2.3"


def test_a_named_tool_is_called_with_the_given_arguments(url: str) -> None:
    assert call_a_tool(url, "fussy", {"word": "please"}).result == "thanks"


def test_an_unknown_tool_is_answered_with_the_known_ones(url: str) -> None:
    with pytest.raises(ToolCallFailed, match=r"no tool nope\. It has: wipe, fussy, add"):
        call_a_tool(url, "nope")


def test_the_answer_of_a_failing_tool_is_told(url: str) -> None:
    with pytest.raises(ToolCallFailed, match=r"executing tool fussy[\s\S]*TOOL="):
        call_a_tool(url, "fussy")


def test_a_server_that_is_away_is_a_plain_failure() -> None:
    with pytest.raises(ToolCallFailed, match="ConnectError"):
        call_a_tool("http://127.0.0.1:1/mcp")
