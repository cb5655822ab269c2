"""Serves two tools over streamable HTTP."""

import os
from datetime import UTC, datetime

from mcp.server import MCPServer

server = MCPServer("clock", version="1.0.0")


@server.tool()
def now() -> str:
    """The time in UTC."""
    return datetime.now(UTC).isoformat()


@server.tool()
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


server.run(
    "streamable-http",
    host=os.environ.get("HOST", "127.0.0.1"),
    port=int(os.environ["PORT"]),
)
