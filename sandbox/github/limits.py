"""GitHub's rate limits: requests an hour, and the secondary limits on bursts.

Source: docs.github.com, "Rate limits for the REST API".
"""

import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sandbox.github.clock import Clock, stamp
from sandbox.github.errors import GitHubError

_HOUR = 3600
_MINUTE = 60
RATE_DOCUMENTATION = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"


@dataclass
class Budgets:
    """The limits. Change them to see a client meet one."""

    per_hour: int = 5000
    anonymous_per_hour: int = 60
    points_per_minute: int = 900
    content_per_minute: int = 80
    content_per_hour: int = 500
    concurrent: int = 100


@dataclass
class _Use:
    window_ends: float = 0.0
    used: int = 0
    points: deque[tuple[float, int]] = field(default_factory=deque)
    content: deque[float] = field(default_factory=deque)
    running: int = 0


class Limits:
    """Counts the requests of each caller against the budgets."""

    def __init__(self, clock: Clock, budgets: Budgets | None = None) -> None:
        self.budgets = budgets or Budgets()
        self._clock = clock
        self._uses: defaultdict[str, _Use] = defaultdict(_Use)
        self._lock = threading.Lock()

    def headers(self, budget: str, *, anonymous: bool) -> dict[str, str]:
        """`x-ratelimit-…` for a caller."""
        with self._lock:
            use, limit = self._current(budget), self._limit(anonymous)
            return {
                "x-ratelimit-limit": str(limit),
                "x-ratelimit-remaining": str(max(0, limit - use.used)),
                "x-ratelimit-reset": str(int(use.window_ends)),
                "x-ratelimit-used": str(min(use.used, limit)),
                "x-ratelimit-resource": "core",
            }

    @contextmanager
    def request(
        self, budget: str, method: str, *, anonymous: bool, content: bool
    ) -> Iterator[None]:
        """Count one request for as long as it runs.

        Args:
            budget: whose request it is.
            method: the HTTP method; reading costs one point, writing five.
            anonymous: whether nobody authenticated.
            content: whether it creates content.

        Raises:
            GitHubError: 403 with GitHub's words when a limit is reached.
        """
        with self._lock:
            use = self._current(budget)
            self._check_primary(budget, use, self._limit(anonymous))
            self._check_secondary(use, 1 if method in ("GET", "HEAD") else 5, content=content)
            use.running += 1
        try:
            yield
        finally:
            with self._lock:
                use.running -= 1

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """A request that no limit holds up."""
        yield

    def refund(self, budget: str) -> None:
        """Take one request back: an answer of 304 is not counted."""
        with self._lock:
            self._current(budget).used -= 1

    def _limit(self, anonymous: bool) -> int:
        return self.budgets.anonymous_per_hour if anonymous else self.budgets.per_hour

    def _current(self, budget: str) -> _Use:
        use, now = self._uses[budget], self._clock.now()
        if now >= use.window_ends:
            use.window_ends, use.used = now + _HOUR, 0
        return use

    def _check_primary(self, budget: str, use: _Use, limit: int) -> None:
        if use.used >= limit:
            raise primary_exceeded(budget, self._clock.now())
        use.used += 1

    def _check_secondary(self, use: _Use, cost: int, *, content: bool) -> None:
        now = self._clock.now()
        while use.points and use.points[0][0] <= now - _MINUTE:
            use.points.popleft()
        while use.content and use.content[0] <= now - _HOUR:
            use.content.popleft()
        if use.running >= self.budgets.concurrent:
            raise secondary_exceeded(_MINUTE)
        if sum(points for _, points in use.points) + cost > self.budgets.points_per_minute:
            oldest = use.points[0][0] if use.points else now
            raise secondary_exceeded(_wait(oldest + _MINUTE, now))
        if content:
            recent = [moment for moment in use.content if moment > now - _MINUTE]
            if len(recent) >= self.budgets.content_per_minute:
                raise secondary_exceeded(_wait(recent[0] + _MINUTE, now))
            if len(use.content) >= self.budgets.content_per_hour:
                raise secondary_exceeded(_wait(use.content[0] + _HOUR, now))
            use.content.append(now)
        use.points.append((now, cost))


def _wait(until: float, now: float) -> int:
    return max(1, int(until - now) + 1)


def primary_exceeded(budget: str, now: float) -> GitHubError:
    """403 when the requests of this hour are used up."""
    return GitHubError(
        403,
        f"API rate limit exceeded for {budget}. If you reach out to GitHub Support for help, "
        f"please include the request ID and timestamp {stamp(now)}.",
        documentation=RATE_DOCUMENTATION,
        headers={"x-ratelimit-remaining": "0"},
    )


def secondary_exceeded(retry_after: int) -> GitHubError:
    """403 for a burst, with the seconds to wait."""
    return GitHubError(
        403,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        documentation=RATE_DOCUMENTATION + "#about-secondary-rate-limits",
        headers={"Retry-After": str(retry_after)},
    )
