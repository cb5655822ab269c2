"""A real MCP handshake: asks a server who it is and which tools it has, in either MCP era.

Source: the MCP specification, revisions 2026-07-28 (`server/discover`) and 2025-11-25
(`initialize`).
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["open", "gated", "wrong-transport", "not-mcp", "dead", "unknown"]


@dataclass(frozen=True)
class Tool:
    """A tool as the server lists it. `hash` is its identity: SHA-256 over the canonical JSON
    (RFC 8785) of name, description, inputSchema, outputSchema and annotations."""

    name: str
    input_schema: dict[str, Any]
    hash: str
    title: str | None = None
    description: str | None = None
    output_schema: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None


@dataclass(frozen=True)
class Handshake:
    """What a server answered.

    Attributes:
        verdict: `open`: it speaks MCP and lists its tools. `gated`: alive, wants credentials
            (401, 402, 403). `wrong-transport`: MCP, but the old HTTP+SSE one. `not-mcp`: answers
            something else. `dead`: refuses connections. `unknown`: time-out or 5xx; look again.
        era: `modern` (2026-07-28) or `legacy`; None unless open.
        protocol: The protocol version agreed on.
        server: The server's name and version, as it says.
        tools: Every page of `tools/list`.
        detail: One sentence for people: what was asked and what came back. No response body that
            could hold a secret.
        seconds: How long it took.
    """

    verdict: Verdict
    detail: str
    seconds: float
    era: Literal["modern", "legacy"] | None = None
    protocol: str | None = None
    server: dict[str, Any] = field(default_factory=dict)
    tools: tuple[Tool, ...] = ()


def shake_hands(url: str, *, timeout: float = 10.0) -> Handshake:
    """Perform the handshake. Never raises for what the server does: the verdict tells.

    Args:
        url: The streamable HTTP endpoint.
        timeout: Seconds for the whole of it.
    """
    raise NotImplementedError
