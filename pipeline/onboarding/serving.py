"""Decides how a server speaks MCP, and what it needs so that it can be reached."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.onboarding.findings import Found, Sure, Transport
from pipeline.onboarding.project import Entry
from pipeline.onboarding.source import Serving, Source

_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - addresses that are looked for
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Reach:
    """The transport, and what goes with it.

    Attributes:
        env: Variables that make the server listen where it can be reached.
    """

    transport: Found[Transport]
    env: tuple[tuple[str, str], ...] = ()
    concerns: tuple[str, ...] = ()


def reach(
    sources: Sequence[Source],
    entry: Entry | None,
    *,
    hinted: Found[str] | None,
    default_port: int | None,
    exposed: Found[int] | None,
) -> Reach:
    """How the server is reached.

    Args:
        entry: How it is started.
        hinted: `stdio` or `streamable-http`, as other files say.
        default_port: What the libraries of this language listen on when nobody says anything.
        exposed: The port that a Dockerfile names.
    """
    if entry is not None and entry.transport is not None:
        return Reach(Found(entry.transport, "the command that starts it", "likely"))
    file = entry.file if entry else None
    started = [one for one in sources if one.path == file and one.servings]
    places = started or [one for one in sources if one.servings]
    ways = [(one, way) for one in places for way in one.servings]
    by_kind = {way.transport: (one, way) for one, way in reversed(ways)}
    if not any(kind in by_kind for kind in ("stdio", "streamable-http", "sse")):
        return _from_hint(hinted, exposed, default_port, unknown=bool(ways))
    several = len(by_kind.keys() & {"stdio", "streamable-http"}) > 1
    if several and hinted is not None and hinted.value in by_kind:
        kind = hinted.value
    else:
        kind = next(k for k in ("stdio", "streamable-http", "sse") if k in by_kind)
    one, way = by_kind[kind]
    if kind == "stdio":
        sure: Sure = "likely" if several or way.chosen else "sure"
        concerns = (
            ("It can speak HTTP too; as a stdio server it gets a bridge.",) if several else ()
        )
        return Reach(Found(Transport("stdio"), f"`{one.path}`", sure), concerns=concerns)
    way = _with_arguments(way, entry)
    return _http(one, way, default_port, exposed, old=kind == "sse", guess=several)


def _with_arguments(way: Serving, entry: Entry | None) -> Serving:
    """`--port` and `--host` of the command win over what the code says."""
    command = entry.command.value if entry else ()
    given = {
        name.lstrip("-"): value
        for name, value in itertools.pairwise(command)
        if name in ("--port", "--host")
    }
    port = given.get("port", "")
    if port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535:
        way = replace(way, port=int(port), port_variable=None)
    if "host" in given:
        way = replace(way, host=given["host"], host_variable=None)
    return way


def _from_hint(
    hinted: Found[str] | None,
    exposed: Found[int] | None,
    default_port: int | None,
    *,
    unknown: bool,
) -> Reach:
    if hinted is not None and hinted.value == "streamable-http":
        port = exposed.value if exposed else default_port or 8080
        transport = Transport("streamable-http", port=port)
        concern = f"Does it listen on port {port} of all addresses, or on `PORT` and `HOST`?"
        return Reach(Found(transport, hinted.source, "likely"), concerns=(concern,))
    if hinted is not None:
        return Reach(Found(Transport("stdio"), hinted.source, "likely"))
    why = "the code chooses when it runs" if unknown else "what most servers speak"
    concern = (
        "How the server speaks MCP was not found in its code. `stdio` is assumed; write "
        "`type: streamable-http` with its `path` and `port` when it listens itself."
    )
    return Reach(Found(Transport("stdio"), why, "guess"), concerns=(concern,))


def _http(
    one: Source,
    way: Serving,
    default_port: int | None,
    exposed: Found[int] | None,
    *,
    old: bool,
    guess: bool,
) -> Reach:
    concerns = []
    env: dict[str, str] = {}
    if old:
        concerns.append(
            "It speaks HTTP with SSE, which MCP has replaced and Sigil does not check. Start it "
            "with the transport `streamable-http`."
        )
    follows = way.port_variable == "PORT"
    port = way.port or (exposed.value if exposed else None) or (8080 if follows else default_port)
    if port is None or ("port" in way.unknown and way.port is None):
        port = port or 8080
        concerns.append("The port that it listens on was not found; have it listen on `PORT`.")
    if way.port_variable and not follows:
        env[way.port_variable] = str(port)
    env |= _address(one, way, concerns)
    sure: Sure = "guess" if old or concerns else "likely" if guess or way.chosen else "sure"
    transport = Transport("streamable-http", path=_path(way), port=port)
    return Reach(Found(transport, f"`{one.path}`", sure), tuple(env.items()), tuple(concerns))


def _path(way: Serving) -> str:
    return (way.path or "/mcp").rstrip("/") or "/"


def _address(one: Source, way: Serving, concerns: list[str]) -> dict[str, str]:
    """What makes it listen on more than the loopback address, which no container is reached on."""
    everywhere = "0.0.0.0"  # noqa: S104 - in a container of its own
    if way.host_variable:
        known = way.host_variable == "HOST" or way.host in _EVERYWHERE
        return {} if known else {way.host_variable: everywhere}
    if way.host in _EVERYWHERE or ("host" in way.unknown and way.host is None):
        return {}
    if way.host is None and one.framework == "fastmcp":
        # Source: https://gofastmcp.com/more/settings
        return {"FASTMCP_HOST": everywhere}
    concerns.append(
        f"It listens on `{_LOOPBACK}` only, where nothing outside its container reaches it. Pass "
        '`host=os.environ.get("HOST", "0.0.0.0")` when it starts.'
        if one.path.endswith(".py")
        else f"It listens on `{_LOOPBACK}` only, where nothing outside its container reaches it. "
        "Leave the address out, or use `process.env.HOST`."
    )
    return {}
