"""The order of an MCP handshake: which era a server speaks, and the pages of its tools.

`server/discover` is tried first; only positive evidence makes a server modern, anything else falls
back to `initialize`, as the client of PyPI's `mcp` does it (`mcp.client._probe`).
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
import httpx2
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
    UnsupportedProtocolVersionErrorData,
)
from mcp_types.jsonrpc import INTERNAL_ERROR, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import (
    HANDSHAKE_PROTOCOL_VERSIONS,
    LATEST_HANDSHAKE_VERSION,
    LATEST_MODERN_VERSION,
    MODERN_PROTOCOL_VERSIONS,
)
from pydantic import ValidationError

from config.jsonb import unstorable
from registry.mcp_http import SESSION_HEADER, Endpoint, Reply
from registry.tools import Tool, ToolError, from_listing

Verdict = Literal["open", "gated", "wrong-transport", "not-mcp", "dead", "unknown"]

MAX_PAGES = 100
MAX_TOOLS = 1_000
DISCOVER_SHARE = 0.4
"""Of the time, for a server that never answers a method it does not know."""

_CLIENT = {"name": "sigil", "version": "0.1.0"}
_VERSION_HEADER = "mcp-protocol-version"
_METHOD_HEADER = "mcp-method"


class Refused(Exception):
    """The handshake ends here, with a verdict and a sentence for people."""

    def __init__(self, verdict: Verdict, detail: str) -> None:
        super().__init__(detail)
        self.verdict: Verdict = verdict
        self.detail = detail


@dataclass(frozen=True)
class Peer:
    """A server that has said who it is.

    Attributes:
        headers: What every further request to it carries.
        meta: What the parameters of every further request carry.
    """

    era: Literal["modern", "legacy"]
    protocol: str
    server: dict[str, Any]
    has_tools: bool
    headers: dict[str, str] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)


async def meet(endpoint: Endpoint, seconds: float) -> Peer:
    """Find out which era a server speaks, and who it is.

    Raises:
        Refused: it is no MCP server that can be spoken to.
        httpx2.HTTPError, TooMuch: as `Endpoint.call`.
    """
    with anyio.move_on_after(seconds * DISCOVER_SHARE):
        if peer := await _discover(endpoint):
            return peer
    reply = await _ask_to_initialize(endpoint)
    if peer := _initialized(reply):
        return peer
    # A modern server that was slow to start may have missed the first question; -32022 says so.
    if _mutual(reply) and (peer := await _discover(endpoint)):
        return peer
    raise await _refusal(endpoint, reply)


async def begin(endpoint: Endpoint, peer: Peer) -> None:
    """Tell a legacy server that the handshake is over. How it answers changes nothing."""
    if peer.era == "legacy":
        await endpoint.notify("notifications/initialized", peer.headers)


async def list_tools(endpoint: Endpoint, peer: Peer) -> tuple[Tool, ...]:
    """Every page of `tools/list`; nothing when the server does not offer tools.

    Raises:
        Refused: it does not list them, or not in a way that can be stored.
        httpx2.HTTPError, TooMuch: as `Endpoint.call`.
    """
    found: dict[str, Tool] = {}
    cursors: set[str] = set()
    cursor: str | None = None
    while peer.has_tools:
        params: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
        if peer.meta:
            params = {**params, "_meta": peer.meta}
        page = _listing(await endpoint.call("tools/list", params, _headers(peer, "tools/list")))
        _collect(page, found)
        cursor = _next(page)
        if cursor is None:
            break
        if cursor in cursors or len(cursors) + 1 >= MAX_PAGES:
            raise Refused("not-mcp", "`tools/list` never comes to its last page.")
        cursors.add(cursor)
    return tuple(found.values())


def _headers(peer: Peer, method: str) -> dict[str, str]:
    return {**peer.headers, _METHOD_HEADER: method} if peer.era == "modern" else peer.headers


def _meta(version: str) -> dict[str, Any]:
    """What each modern request says about its sender (2026-07-28, basic, "Per-request fields")."""
    return {
        PROTOCOL_VERSION_META_KEY: version,
        CLIENT_INFO_META_KEY: _CLIENT,
        CLIENT_CAPABILITIES_META_KEY: {},
    }


async def _discover(endpoint: Endpoint) -> Peer | None:
    """A modern server, or None without positive evidence of one."""
    version = LATEST_MODERN_VERSION
    for _ in range(2):
        headers = {_VERSION_HEADER: version, _METHOD_HEADER: "server/discover"}
        try:
            reply = await endpoint.call("server/discover", {"_meta": _meta(version)}, headers)
        except httpx2.ConnectError:
            raise
        except httpx2.HTTPError:
            # Some old servers hang up on a method that they do not know.
            return None
        _pass_gate(reply)
        if peer := _discovered(reply, version):
            return peer
        mutual = _mutual(reply)
        if mutual is None:
            return None
        version = mutual
    return None


async def _ask_to_initialize(endpoint: Endpoint) -> Reply:
    params = {
        "protocolVersion": LATEST_HANDSHAKE_VERSION,
        "capabilities": {},
        "clientInfo": _CLIENT,
    }
    reply = await endpoint.call("initialize", params)
    _pass_gate(reply)
    return reply


def _pass_gate(reply: Reply) -> None:
    if reply.status in (401, 402, 403):
        raise Refused("gated", f"The server wants credentials: it answers {reply.status}.")


def _discovered(reply: Reply, version: str) -> Peer | None:
    """The modern server that a discovery shows, or None if it shows none."""
    result = reply.result or {}
    supported, capabilities = result.get("supportedVersions"), result.get("capabilities")
    if not isinstance(supported, list) or not isinstance(capabilities, dict):
        return None
    if version not in supported:
        return None
    meta = result.get("_meta")
    info = meta.get(SERVER_INFO_META_KEY) if isinstance(meta, dict) else None
    return Peer(
        era="modern",
        protocol=version,
        server=_server(info),
        has_tools="tools" in capabilities,
        headers={_VERSION_HEADER: version},
        meta=_meta(version),
    )


def _mutual(reply: Reply) -> str | None:
    """The newest modern version that a refusal for its version (-32022) and we share.

    Raises:
        Refused: the server names its versions, and we speak none of them.
    """
    if reply.error is None or reply.error.error.code != UNSUPPORTED_PROTOCOL_VERSION:
        return None
    try:
        data = UnsupportedProtocolVersionErrorData.model_validate(reply.error.error.data)
    except ValidationError:
        return None
    mutual = [version for version in MODERN_PROTOCOL_VERSIONS if version in data.supported]
    if mutual:
        return mutual[-1]
    if not any(version in HANDSHAKE_PROTOCOL_VERSIONS for version in data.supported):
        raise Refused("unknown", "The server speaks only versions of MCP that Sigil does not.")
    return None


def _initialized(reply: Reply) -> Peer | None:
    """The legacy server that an initialization shows, or None if it shows none."""
    result = reply.result or {}
    protocol, capabilities = result.get("protocolVersion"), result.get("capabilities")
    if not isinstance(protocol, str) or not isinstance(capabilities, dict):
        return None
    if protocol not in HANDSHAKE_PROTOCOL_VERSIONS:
        raise Refused("unknown", "The server speaks only versions of MCP that Sigil does not.")
    headers = {_VERSION_HEADER: protocol}
    if reply.session is not None:
        # https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
        if not (reply.session.isascii() and reply.session.isprintable()):
            raise Refused("not-mcp", "The server's session id is not visible ASCII.")
        headers[SESSION_HEADER] = reply.session
    return Peer(
        era="legacy",
        protocol=protocol,
        server=_server(result.get("serverInfo")),
        has_tools="tools" in capabilities,
        headers=headers,
    )


def _server(info: Any) -> dict[str, Any]:
    """What a server says of itself, for display: short texts only."""
    known = info if isinstance(info, dict) else {}
    texts = {key: known.get(key) for key in ("name", "title", "version", "websiteUrl")}
    return {
        key: text[:200]
        for key, text in texts.items()
        if isinstance(text, str) and not unstorable(text)
    }


async def _refusal(endpoint: Endpoint, reply: Reply) -> Refused:
    """The verdict about a server that neither discovery nor initialization could win over."""
    said = f"`initialize` was answered with {_in_words(reply)}."
    if reply.location is not None:
        said = f"The endpoint redirects to {reply.location}, which clients do not follow."
    if reply.status == 421:
        return Refused(
            "unknown",
            "The server answers only to host names on its list (421 Misdirected Request). "
            "Allow this one in its transport security settings.",
        )
    if reply.cut or _may_pass(reply.status):
        return Refused("unknown", said)
    if reply.error is not None and reply.error.error.code == INTERNAL_ERROR:
        return Refused("unknown", said)
    if reply.status in (400, 404, 405, 406) and await endpoint.has_old_transport():
        return Refused(
            "wrong-transport",
            "The server speaks the HTTP+SSE transport of 2024, which streamable HTTP replaced.",
        )
    return Refused("not-mcp", said)


def _in_words(reply: Reply) -> str:
    if reply.error is not None:
        return f"JSON-RPC error {reply.error.error.code} and status {reply.status}"
    if reply.result is not None:
        return "a result that the specification does not know"
    return reply.flaw or f"status {reply.status}"


def _listing(reply: Reply) -> dict[str, Any]:
    """A page of tools."""
    _pass_gate(reply)
    if reply.result is not None and isinstance(reply.result.get("tools"), list):
        return reply.result
    said = f"`tools/list` was answered with {_in_words(reply)}."
    may_pass = reply.cut or reply.error is not None or reply.status >= 400
    raise Refused("unknown" if may_pass else "not-mcp", said)


def _collect(page: dict[str, Any], found: dict[str, Tool]) -> None:
    for listed in page["tools"]:
        try:
            tool = from_listing(listed)
        except ToolError as error:
            raise Refused("not-mcp", f"`tools/list` is wrong: {error}.") from None
        if tool.name in found:
            raise Refused("not-mcp", f"`tools/list` has two tools named {tool.name!r}.")
        found[tool.name] = tool
        if len(found) > MAX_TOOLS:
            raise Refused("not-mcp", f"The server lists more than {MAX_TOOLS:,} tools.")


def _next(page: dict[str, Any]) -> str | None:
    cursor = page.get("nextCursor")
    if cursor is not None and not isinstance(cursor, str):
        raise Refused("not-mcp", "`tools/list` has a cursor that is not text.")
    return cursor


def _may_pass(status: int) -> bool:
    # 501 and 505 say that the server will never understand the request, unlike other 5xx.
    return status in (408, 425, 429) or (status >= 500 and status not in (501, 505))
