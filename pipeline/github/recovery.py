"""The redelivery sweep: asks GitHub to deliver again what it could not deliver.

GitHub tries a delivery once, for ten seconds, and never again by itself. It keeps a list of its
attempts for three days. A sweep reads that list, and asks for those deliveries that Sigil would act
on and that the ledger does not hold, oldest first. It can end after any step and goes on later.

https://docs.github.com/en/rest/apps/webhooks#list-deliveries-for-an-app-webhook
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import structlog
from githubkit.exception import RequestFailed

from config.database import transaction
from config.settings import settings
from pipeline.github import missed
from pipeline.github.client import (
    AppClient,
    GitHubAway,
    GitHubHeld,
    GitHubRefused,
    retry_moment,
    speaking_as_app,
)
from pipeline.github.missed import Attempt, LostSweep, Progress, Sweep
from pipeline.triggers import acts_on
from registry import github_app

_PAGE = 100

SECONDS = 60.0
"""After so long a worker puts the sweep back, so that other jobs get their turn."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Swept:
    """What became of a sweep.

    Attributes:
        finished: It came to its end.
        retry_at: When it goes on, when it had to stop; None when it can go on at once.
        problem: Why it had to stop.
    """

    finished: bool
    progress: Progress
    retry_at: datetime | None = None
    problem: str | None = None


def sweep(
    *,
    start: bool = True,
    look_back: timedelta = missed.LOOK_BACK,
    seconds: float = SECONDS,
    told: Callable[[Progress], None] | None = None,
) -> Swept | None:
    """Take up the sweep that was begun, or begin one, and bring it as far as it goes now.

    Args:
        start: Begin one when none was begun.
        look_back: A new sweep looks back at least so far; further when the last one that came to
            its end is longer ago. At most three days: GitHub keeps no more.
        seconds: Put it back after so long.
        told: Called after each step.

    Returns:
        None when there is none to take up, or another worker has it.

    Raises:
        SettingsError: there is no GitHub App yet.
    """
    github_app.identity()
    with transaction() as connection:
        mine = missed.take(connection, start=start, look_back=look_back)
    if mine is None:
        return None
    try:
        finished = _work(mine, time.monotonic() + seconds, told or (lambda _progress: None))
    except LostSweep:
        log.warning("another worker has the sweep now")
        return None
    except GitHubAway as error:
        until = (
            error.retry_at
            if isinstance(error, GitHubHeld)
            else retry_moment(6, floor=error.retry_at)
        )
        return _stopped(mine, until, str(error))
    except GitHubRefused as error:
        return _stopped(mine, retry_moment(10), str(error))
    if not finished:
        return _stopped(mine, None, None)
    with transaction() as connection:
        missed.end(connection, mine)
        progress = missed.progress(connection)
    log.info("swept", looked=progress.looked, missed=progress.missed, asked=progress.asked)
    return Swept(finished=True, progress=progress)


def _stopped(mine: Sweep, until: datetime | None, problem: str | None) -> Swept:
    if problem:
        log.warning("the sweep for missed deliveries waits", why=problem, until=str(until))
    with transaction() as connection:
        missed.put_back(connection, mine, until=until, problem=problem)
        return Swept(False, missed.progress(connection), until, problem)


def _work(mine: Sweep, deadline: float, told: Callable[[Progress], None]) -> bool:
    """Whether the sweep came to its end before the deadline."""
    cursor, listed = mine.cursor, mine.listed
    with speaking_as_app(background=True) as github:
        while not listed:
            cursor = _read_page(github, mine, cursor)
            listed = cursor is None
            _tell(told)
            if time.monotonic() > deadline:
                return False
        with transaction() as connection:
            lost = missed.tidy(connection)
        if lost:
            log.error("deliveries are lost: GitHub keeps them for three days", count=lost)
        while _ask_for_next(github, mine):
            _tell(told)
            if time.monotonic() > deadline:
                return False
    return True


def _tell(told: Callable[[Progress], None]) -> None:
    with transaction() as connection:
        progress = missed.progress(connection)
    told(progress)


def _read_page(github: AppClient, mine: Sweep, cursor: str | None) -> str | None:
    """Read a page of the list, newest first; return the cursor of the next one."""
    # A GitHub that does not know `status` lists successes too: they are told apart below.
    wanted = {"per_page": str(_PAGE), "status": "failure"}
    if cursor:
        wanted["cursor"] = cursor
    try:
        response = github.request("GET", "/app/hook/deliveries", params=wanted).raw_response
    except RequestFailed as error:
        if cursor is None or error.response.status_code not in (400, 404, 422):
            raise
        with transaction() as connection:
            missed.start_over(connection, mine)
        return _read_page(github, mine, None)
    listed = response.json()
    attempts = [attempt for item in listed if (attempt := _failed(item)) is not None]
    recent = [attempt for attempt in attempts if attempt.delivered_at >= mine.since]
    more = _next_cursor(response)
    if listed and _moment(listed[-1]) < mine.since:
        more = None
    with transaction() as connection:
        missed.note_page(connection, mine, recent, looked=len(listed), cursor=more)
    return more


def _failed(item: dict[str, Any]) -> Attempt | None:
    """A failed attempt to deliver an event that Sigil acts on."""
    if 200 <= int(item["status_code"]) < 300 or not acts_on(item["event"], item["action"]):
        return None
    return Attempt(
        github_id=int(item["id"]),
        guid=UUID(item["guid"]),
        event=item["event"],
        action=item["action"],
        delivered_at=_moment(item),
    )


def _moment(item: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(item["delivered_at"])


def _next_cursor(response: httpx.Response) -> str | None:
    link = response.links.get("next", {}).get("url")
    return parse_qs(urlsplit(link).query).get("cursor", [None])[0] if link else None


def _ask_for_next(github: AppClient, mine: Sweep) -> bool:
    """Ask for the oldest delivery that is missing. False when there is none (any more).

    It is asked for first and noted then: a worker that dies in between has it delivered twice,
    which the ledger takes for one.
    """
    with transaction() as connection:
        wanted = missed.next_missed(
            connection, mine, pause=timedelta(seconds=settings().recovery_interval / 2)
        )
    if wanted is None:
        return False
    try:
        github.request("POST", f"/app/hook/deliveries/{wanted.github_id}/attempts")
    except RequestFailed as error:
        if error.response.status_code not in (400, 404, 422):
            raise
        why = f"GitHub answered {error.response.status_code}"
        log.error("a delivery is lost", guid=str(wanted.guid), what=wanted.event, why=why)
        with transaction() as connection:
            missed.give_up(connection, wanted, why)
        return True
    log.info("asked for a missed delivery", guid=str(wanted.guid), what=wanted.event)
    with transaction() as connection:
        missed.note_asked(connection, mine, wanted)
    return True
