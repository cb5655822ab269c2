"""Calls a tool of a live server with the official MCP client, making up arguments if need be."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

from mcp import Client
from mcp.types import CallToolResult, TextContent, Tool

SECONDS = 60
TRIES = 3
_EXAMPLE = re.compile(r"""(?:e\.g\.|example|such as|like)[^'"`]*['"`]([^'"`]+)['"`]""", re.I)


class ToolCallFailed(Exception):
    """The server did not answer a call with a result. The text says what it did."""


@dataclass(frozen=True)
class ToolCall:
    """A call that succeeded.

    Attributes:
        server: The server's name and version, as it says.
        protocol: The MCP version that was spoken.
        tools: The names of all its tools.
        tool: The tool that was called.
        arguments: What it was called with.
        result: What it answered, as text.
    """

    server: str
    protocol: str
    tools: tuple[str, ...]
    tool: str
    arguments: dict[str, Any]
    result: str


def call_a_tool(url: str, name: str = "", arguments: dict[str, Any] | None = None) -> ToolCall:
    """Connect, list the tools and call one.

    Args:
        url: The server's MCP endpoint.
        name: The tool; when empty, the one that is the easiest to call and says no harm.
        arguments: Its arguments; made up from its schema when None.

    Raises:
        ToolCallFailed: no tool could be called with success.
    """
    try:
        return asyncio.run(_call(url, name, arguments))
    except ToolCallFailed:
        raise
    except Exception as error:
        cause = _first_cause(error)
        text = f"The MCP client failed at {url}: {type(cause).__name__}: {cause}"
        raise ToolCallFailed(text) from error


def _first_cause(error: BaseException) -> BaseException:
    # The client's tasks run in groups, which wrap what happened in them.
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _call(url: str, name: str, arguments: dict[str, Any] | None) -> ToolCall:
    async with Client(url, read_timeout_seconds=SECONDS) as client:
        tools = await _list_tools(client)
        failures = []
        for tool in _candidates(tools, name):
            given = make_arguments(tool) if arguments is None else arguments
            result = await client.call_tool(tool.name, given)
            if not result.is_error:
                info = client.server_info
                return ToolCall(
                    server=f"{info.name} {info.version}" if info else "a server without a name",
                    protocol=client.protocol_version,
                    tools=tuple(one.name for one in tools),
                    tool=tool.name,
                    arguments=given,
                    result=_text(result),
                )
            failures.append(f"{tool.name}({given}) answered: {_text(result)}")
    raise ToolCallFailed(
        "\n".join(failures)
        + "\nName a tool and its arguments with TOOL=<name> ARGS='<json object>'."
    )


async def _list_tools(client: Client) -> list[Tool]:
    tools: list[Tool] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            return tools


def _candidates(tools: list[Tool], name: str) -> list[Tool]:
    if name:
        named = [tool for tool in tools if tool.name == name]
        if not named:
            names = ", ".join(tool.name for tool in tools) or "none"
            raise ToolCallFailed(f"The server has no tool {name}. It has: {names}.")
        return named
    harmless = [tool for tool in tools if not _may_destroy(tool)]
    if not harmless:
        raise ToolCallFailed("The server lists no tool that is safe to call without being asked.")
    return sorted(harmless, key=_effort)[:TRIES]


def _may_destroy(tool: Tool) -> bool:
    return tool.annotations is not None and tool.annotations.destructive_hint is True


def _effort(tool: Tool) -> tuple[bool, int]:
    """Tools that say they only read come first, then those that need few arguments."""
    reads = tool.annotations is not None and tool.annotations.read_only_hint is True
    return not reads, len(tool.input_schema.get("required", []))


def make_arguments(tool: Tool) -> dict[str, Any]:
    """The simplest arguments that the tool's schema allows: what is required, and nothing else."""
    schema = tool.input_schema
    properties = schema.get("properties", {})
    definitions = schema.get("$defs", {})
    return {
        name: _value(properties.get(name, {}), definitions) for name in schema.get("required", [])
    }


_BY_FORMAT = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def _value(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    reference = schema.get("$ref", "")
    if reference:
        return _value(definitions.get(reference.rpartition("/")[2], {}), definitions)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _value(schema[key][0], definitions)
    return _by_type(schema, definitions)


def _by_type(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        return {name: _value(properties.get(name, {}), definitions) for name in required}
    if kind == "array":
        items = schema.get("items", {})
        return [_value(items, definitions) for _ in range(schema.get("minItems", 0))]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if kind in ("boolean", "null"):
        return False if kind == "boolean" else None
    described = _EXAMPLE.search(schema.get("description", ""))
    return described[1] if described else _BY_FORMAT.get(schema.get("format", ""), "hello")


def _text(result: CallToolResult) -> str:
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    return "\n".join(texts) or str(result.structured_content or "no text")
