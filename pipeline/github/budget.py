"""Slows Sigil down before GitHub's limits do, for all processes together, through Redis.

Every request is asked about before it is sent, and every answer is listened to. A request for which
there is no room is not sent: it raises `GitHubHeld` with the moment to come back, so that callers
reschedule. Nobody sleeps here. While Redis is away every request is let through: then GitHub's own
limits still hold, and what GitHub sends back for them is rescheduled as well.

Source of the limits: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
and https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

import functools
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import httpx
import structlog
from redis.exceptions import RedisError

from config.redis import redis
from config.settings import settings
from pipeline.github.budget_scripts import ADMIT, LEARN
from pipeline.github.errors import GitHubHeld

Priority = Literal["reports", "background"]
"""background: reconciling, sweeps, onboarding. reports: all that somebody waits for."""

Limit = Literal["told", "hourly", "points", "content", "content_hourly", "concurrent", "pace"]

LIMITS: dict[Limit, str] = {
    "told": "GitHub asked Sigil to wait",
    "hourly": "GitHub's requests for this hour are nearly used up",
    "points": "as much was asked of GitHub as it allows in a minute",
    "content": "as much was written to GitHub as it allows in a minute",
    "content_hourly": "as much was written to GitHub as it allows in an hour",
    "concurrent": "as many requests to GitHub are under way as it allows",
    "pace": "requests that change something at GitHub are spaced",
}
"""Each limit in words that follow "because"."""

APP = "app"
"""Whose budget it is when the App speaks for itself; else it is `installation:<id>`."""


@dataclass(frozen=True)
class Rules:
    """GitHub's secondary limits, and how much of all limits Sigil uses.

    Attributes:
        points_per_minute: A request that reads costs 1, one that writes 5.
        content_per_minute, content_per_hour: Requests that create something people can see.
        concurrent: Requests at the same time.
        burst: So many requests that write are sent as fast as they come: the reports of a run.
        reports, background: The share of each limit that such work may use. The rest is for what
            Sigil does not count: other people's clicks, and answers that were lost.
        slack: Seconds by which windows are longer than GitHub's, for requests on their way.
        queue: Those who wait come back one after the other, the last so many seconds after the
            first.
        lease: After so many seconds a request without an answer does not count as under way.
    """

    points_per_minute: int = 900
    content_per_minute: int = 80
    content_per_hour: int = 500
    concurrent: int = 100
    burst: int = 30
    reports: float = 0.98
    background: float = 0.8
    slack: float = 5.0
    queue: float = 60.0
    lease: float = 60.0


RULES = Rules()

_NO_RULES = Rules(
    points_per_minute=10**9, content_per_minute=10**9, content_per_hour=10**9, concurrent=10**9
)


@dataclass(frozen=True)
class Hold:
    """What is being held back.

    Attributes:
        installation_id: None for what the App says for itself.
        until: When the last of those who wait comes back.
    """

    installation_id: int | None
    priority: Priority
    limit: Limit
    until: datetime


@dataclass
class _Speech:
    """What one caller says to GitHub: its priority, and its requests under way, by their owner."""

    priority: Priority
    under_way: dict[str, str] = field(default_factory=dict)


_HELD = "sigil:budget:held"
_speech: ContextVar[_Speech | None] = ContextVar("speech", default=None)
_background: ContextVar[bool] = ContextVar("background", default=False)

log = structlog.get_logger(__name__)


@contextmanager
def in_background() -> Iterator[None]:
    """Whatever is said to GitHub inside leaves a reserve to what somebody waits for."""
    before = _background.set(True)
    try:
        yield
    finally:
        _background.reset(before)


@contextmanager
def spending(*, background: bool = False) -> Iterator[None]:
    """Around everything that a client is used for: knows the priority of its requests, and ends
    those that had no answer."""
    speech = _Speech("background" if background or _background.get() else "reports")
    before = _speech.set(speech)
    try:
        yield
    finally:
        _speech.reset(before)
        if speech.under_way:
            _forget(speech)


def hooks(installation_id: int | None) -> dict[str, list[Callable[..., Any]]]:
    """The event hooks of a client, which meet every request: also the one for a token, each
    redirect, and downloads.

    Args:
        installation_id: None for a client that speaks as the App.
    """
    who = APP if installation_id is None else f"installation:{installation_id}"
    return {
        "request": [functools.partial(_before, who)],
        "response": [functools.partial(_after, who)],
    }


def holds() -> tuple[Hold, ...]:
    """What is being held back now, what waits longest first.

    Raises:
        redis.RedisError: Redis is away, and nothing is held back.
    """
    now = datetime.now(UTC).timestamp()
    found: Any = redis().zrevrangebyscore(_HELD, "+inf", now, withscores=True)
    return tuple(_hold(member.decode(), score) for member, score in found)


def _hold(member: str, score: float) -> Hold:
    who, priority, limit = member.split("|")
    number = who.partition(":")[2]
    return Hold(
        installation_id=int(number) if number else None,
        priority=priority,  # type: ignore[arg-type]  # written by the script from our own words
        limit=limit,  # type: ignore[arg-type]
        until=datetime.fromtimestamp(score, UTC),
    )


def _before(client: str, request: httpx.Request) -> None:
    who = _payer(client, request.url)
    if who is None:
        return
    speech = _speech.get() or _Speech("reports")
    ticket = uuid.uuid4().hex
    try:
        denied = _admit(who, speech.priority, request, ticket)
    except RedisError as error:
        log.warning("Redis is away, GitHub's limits are not looked at", error=type(error).__name__)
        return
    if denied:
        limit: Limit = denied[0].decode()  # type: ignore[assignment]  # one of the script's words
        moment = datetime.fromtimestamp(float(denied[1]), UTC)
        raise GitHubHeld(f"held back until {moment:%H:%M:%S} UTC: {LIMITS[limit]}", moment)
    speech.under_way[ticket] = who
    request.extensions["sigil_ticket"] = ticket


def _admit(who: str, priority: Priority, request: httpx.Request, ticket: str) -> list[bytes]:
    writes, spacing = request.method not in ("GET", "HEAD"), settings().github_spacing
    rules = RULES if spacing else _NO_RULES
    ask = asdict(rules) | {
        "who": who,
        "priority": priority,
        "share": getattr(rules, priority),
        "points": 5 if writes else 1,
        "content": int(creates_content(request.method, _path(request.url))),
        "writes": int(writes),
        "spacing": spacing,
        "step": max(spacing, 0.1),
        "id": ticket,
    }
    keys = [_key(who, part) for part in ("state", "points", "content", "hour", "running")]
    found: list[bytes] = redis().register_script(ADMIT)([*keys, _HELD], [json.dumps(ask)])
    return found


def _after(client: str, response: httpx.Response) -> None:
    who = _payer(client, response.request.url)
    if who is None:
        return
    ticket = response.request.extensions.get("sigil_ticket", "")
    speech = _speech.get()
    wait = _wait_of(response)
    heard: dict[str, Any] = {"id": ticket, "wait": wait}
    # With a token that is not valid (any more) GitHub tells the limits of an anonymous caller.
    if not response.is_error:
        heard |= _limits_of(response.headers)
    try:
        redis().register_script(LEARN)([_key(who, "state"), _key(who, "running")], [_dump(heard)])
    except RedisError as error:
        log.warning("Redis is away, GitHub's limits are not noted", error=type(error).__name__)
    if speech is not None:
        speech.under_way.pop(ticket, None)
    if wait is not None:
        # Nobody is to take this 403 for the one that tells of a missing permission.
        moment = datetime.now(UTC) + timedelta(seconds=wait)
        raise GitHubHeld(f"a rate limit of GitHub's is used up until {moment:%H:%M:%S} UTC", moment)


def _dump(heard: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in heard.items() if value is not None})


def _limits_of(headers: httpx.Headers) -> dict[str, Any]:
    """What is left of the hour. Searches have limits of their own, and Sigil does not search."""
    if headers.get("x-ratelimit-resource", "core") != "core":
        return {}
    try:
        limit, remaining, reset = (
            int(headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining", "reset")
        )
        # Both moments are GitHub's, so that it does not matter how far our clock is off.
        now = parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError):
        return {}
    return {"limit": limit, "remaining": remaining, "resets_in": min(max(reset - now, 0), 3660)}


def _wait_of(response: httpx.Response) -> float | None:
    """Seconds that GitHub wants to be left alone; None when it does not say so."""
    if response.status_code not in (403, 429):
        return None
    after = response.headers.get("retry-after", "")
    if after.isdecimal():
        return min(float(after), 3660)
    if response.headers.get("x-ratelimit-remaining") == "0":
        return float(_limits_of(response.headers).get("resets_in", 60))
    # A 403 is also what a missing permission is answered with, and the words tell them apart.
    if response.status_code == 429 or b"rate limit" in response.read():
        return 60
    return None


def _forget(speech: _Speech) -> None:
    """End the requests that were sent and had no answer."""
    try:
        for ticket, who in speech.under_way.items():
            redis().zrem(_key(who, "running"), ticket)
    except RedisError:
        log.debug("Redis is away, requests without an answer end with their lease")


def creates_content(method: str, path: str) -> bool:
    """Whether a request counts as one that creates content.

    GitHub does not publish a list; taken is all that makes something new to see in a repository.
    """
    if path.startswith("/app/"):
        return False
    return method == "POST" or (method == "PUT" and "/contents/" in path)


def _payer(client: str, url: httpx.URL) -> str | None:
    """Whose budget a request is on. None when it leaves the API, as downloads do."""
    api = httpx.URL(settings().github_api_url)
    if (url.host, url.port) != (api.host, api.port):
        return None
    path = _path(url)
    # These are asked with the App's own name, by an installation's client too.
    as_app = path == "/app" or path.startswith("/app/") or path.endswith("/installation")
    return APP if as_app else client


def _path(url: httpx.URL) -> str:
    return url.path.removeprefix(httpx.URL(settings().github_api_url).path.rstrip("/"))


def _key(who: str, part: str) -> str:
    return f"sigil:budget:{who}:{part}"
