"""Handshakes with a scripted server, and what holds for every verdict."""

from collections.abc import Callable

from registry.handshake import Handshake, shake_hands
from tests.registry.mcp_servers import Exchange, Legacy, Seen, scripted

PATIENCE = 2.0


def of(script: Callable[[Exchange, Seen], None], timeout: float = PATIENCE) -> Handshake:
    """The verdict about a scripted server, with what holds for every verdict."""
    with scripted(script) as server:
        answer = shake_hands(server.url, timeout=timeout)
    return sound(answer)


def sound(answer: Handshake) -> Handshake:
    """Checks that a verdict is one sentence without anything that the server said in confidence."""
    assert answer.detail.endswith(".")
    assert "\n" not in answer.detail
    assert "sentinel-4711" not in str(answer)
    if answer.verdict != "open":
        assert (answer.era, answer.protocol, answer.tools) == (None, None, ())
    return answer


def always(status: int, body: bytes = b"sentinel-4711", /, **headers: str) -> Callable[..., None]:
    """A server that answers everything the same."""
    return lambda exchange, seen: exchange.send(status, body, **headers)


def refusing(method: str, answer: Callable[[Exchange, Seen], None]) -> Callable[..., None]:
    """A legacy server that does its own thing for one method."""
    legacy = Legacy(always(404))

    def script(exchange: Exchange, seen: Seen) -> None:
        (answer if seen.method == method else legacy)(exchange, seen)

    return script
