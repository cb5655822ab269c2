"""A real MCP handshake: asks a server who it is and which tools it has, in either MCP era.

Source: the MCP specification, revisions 2026-07-28 (`server/discover`) and 2025-11-25
(`initialize`).
"""

import time
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import anyio
import httpx2

from registry import mcp_http
from registry.mcp_http import SESSION_HEADER, Endpoint, TooMuch
from registry.negotiation import Peer, Refused, Verdict, begin, list_tools, meet
from registry.tools import Tool, tool_hash

__all__ = ["Handshake", "Tool", "Verdict", "shake_hands", "tool_hash"]


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

    Runs an event loop of its own, so it cannot be called from a running one. A session that the
    server opened is ended again.

    Args:
        url: The streamable HTTP endpoint.
        timeout: Seconds for the whole of it. Only a name server that keeps silent can add to it.

    Raises:
        ValueError: the URL is not one of HTTP.
    """
    if httpx2.URL(url).scheme not in ("http", "https"):
        raise ValueError("an MCP endpoint has an http or https URL")
    began = time.monotonic()
    answer = anyio.run(_shake, url, timeout)
    return replace(answer, seconds=round(time.monotonic() - began, 3))


def preload() -> None:
    """Load what the HTTP client loads when it is first used, so that a worker does it once for all
    the processes that it forks."""

    async def open_and_close() -> None:
        async with mcp_http.client("http://localhost"):
            return

    anyio.run(open_and_close)


async def _shake(url: str, timeout: float) -> Handshake:
    # The last tenth is kept for ending the session, so that the whole stays within its time.
    farewell = min(1.0, timeout / 10)
    async with mcp_http.client(url) as http:
        endpoint = Endpoint(http, url)
        with anyio.move_on_after(timeout - farewell):
            try:
                return await _converse(endpoint, timeout - farewell, farewell)
            except Refused as refused:
                return Handshake(refused.verdict, refused.detail, 0)
            except TooMuch as error:
                return Handshake("not-mcp", f"The server sent {error}.", 0)
            except httpx2.HTTPError as error:
                return _failed(error)
    return Handshake("unknown", f"The server did not finish within {timeout:g} seconds.", 0)


async def _converse(endpoint: Endpoint, seconds: float, farewell: float) -> Handshake:
    peer = await meet(endpoint, seconds)
    try:
        await begin(endpoint, peer)
        tools = await list_tools(endpoint, peer)
    finally:
        await _part(endpoint, peer, farewell)
    return Handshake(
        verdict="open",
        detail=f"The server speaks MCP {peer.protocol} and lists {len(tools)} tools.",
        seconds=0,
        era=peer.era,
        protocol=peer.protocol,
        server=peer.server,
        tools=tools,
    )


async def _part(endpoint: Endpoint, peer: Peer, seconds: float) -> None:
    """End the session, if there is one. Whether the server agrees changes nothing."""
    if SESSION_HEADER not in peer.headers:
        return
    with anyio.move_on_after(seconds, shield=True):
        try:
            await endpoint.end_session(peer.headers)
        except httpx2.HTTPError:
            return


def _failed(error: httpx2.HTTPError) -> Handshake:
    """The verdict about a connection that failed."""
    cause = str(error)[:200] or type(error).__name__
    if isinstance(error, httpx2.ConnectError):
        return Handshake("dead", f"The server takes no connection: {cause}.", 0)
    if isinstance(error, httpx2.SSEError | httpx2.DecodingError):
        return Handshake("not-mcp", "The server's answer cannot be read.", 0)
    # The library has one error for both a peer that hangs up and one that talks nonsense.
    hung_up = "disconnected" in cause or "closed connection" in cause
    if isinstance(error, httpx2.RemoteProtocolError) and not hung_up:
        return Handshake("not-mcp", "The server does not speak HTTP.", 0)
    return Handshake("unknown", "The connection broke off before the answer was complete.", 0)
