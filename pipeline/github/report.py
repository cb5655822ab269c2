"""Brings GitHub to what a run's row says: check run, commit status, deployment, comment.

Works from the difference between `revision` and `reported_revision`, so that a report that is lost,
doubled or late changes nothing: the next one starts from the truth again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from githubkit.exception import GitHubException, RateLimitExceeded, RequestError, RequestFailed

from config.database import transaction
from pipeline.github.check_sending import bring_check, bring_status
from pipeline.github.client import (
    GitHubAway,
    GitHubHeld,
    GitHubRefused,
    InstallationClient,
    retry_moment,
    speaking,
)
from pipeline.github.comment import bring_comment
from pipeline.github.deployments import bring_deployment
from pipeline.github.errors import REFUSED
from pipeline.github.task import LeaseLost, Task, due, lease

__all__ = ["MAX_REFUSALS", "due", "report"]

MAX_REFUSALS = 8
"""After so many refusals in a row a report is given up: a person has to grant something first."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Part:
    """A part of a report, with the permission that it needs."""

    what: str
    permission: str
    bring: Callable[[InstallationClient, Task], None]


_PARTS = (
    _Part("check runs", "checks", bring_check),
    _Part("commit statuses", "statuses", bring_status),
    _Part("deployments", "deployments", bring_deployment),
    _Part("comments", "pull_requests", bring_comment),
)


def report(run_id: int) -> None:
    """Report a run until GitHub has its newest revision, or until GitHub cannot answer now."""
    while True:
        task = lease(run_id)
        if task is None:
            return
        try:
            problem = _send(task)
        except LeaseLost:
            log.warning("another worker has this report now", run=run_id)
            return
        except GitHubHeld as error:
            _hold(task, error)
            return
        except GitHubAway as error:
            _postpone(task, str(error), error.retry_at)
            return
        except GitHubRefused as error:
            if task.attempts < MAX_REFUSALS:
                _postpone(task, str(error), None)
                return
            problem = str(error)
            log.warning("a report is given up", run=run_id, why=problem)
        _settle(task, problem)


def _send(task: Task) -> str | None:
    """Bring GitHub up to date, one part after the other; return what it will not have, when it
    takes only some of them.

    A part that fails again does not hold up those behind it.
    """
    if task.view.repository.state != "active":
        return "the App may not see this repository any more"
    refused: list[tuple[_Part, str]] = []
    failure: GitHubException | None = None
    with speaking(task.view.repository.installation_id) as github:
        for part in _PARTS:
            task.renew()
            try:
                part.bring(github, task)
            except GitHubException as error:
                if _lacks_permission(error, part, task):
                    refused.append((part, _words(error)))
                elif task.attempts < 2 or _concerns_all(error):
                    raise
                else:
                    failure = failure or error
        if failure is not None:
            raise failure
    return _problem(refused)


def _lacks_permission(error: GitHubException, part: _Part, task: Task) -> bool:
    """Whether GitHub refuses a part for good. A fresh installation is refused for some seconds, so
    it is asked twice, unless the permission is known to be missing."""
    if not isinstance(error, RequestFailed) or isinstance(error, RateLimitExceeded):
        return False
    if error.response.status_code != 403:
        return False
    granted = task.permissions.get(part.permission)
    return task.may_have_been_sent or (bool(task.permissions) and granted != "write")


def _concerns_all(error: GitHubException) -> bool:
    """Whether the next part would meet the same: a limit, or a token that GitHub does not know."""
    if isinstance(error, RequestFailed):
        return isinstance(error, RateLimitExceeded) or error.response.status_code in (401, 429)
    return isinstance(error, RequestError) and isinstance(error.exc, (GitHubHeld, RequestFailed))


def _words(error: GitHubException) -> str:
    assert isinstance(error, RequestFailed)
    try:
        return str(error.response.json().get("message", ""))[:200]
    except (ValueError, AttributeError):
        return ""


_NOT_GRANTED = "Resource not accessible by integration"


def _problem(refused: list[tuple[_Part, str]]) -> str | None:
    """What is said of the parts that GitHub will not have."""
    lacking = [part for part, words in refused if words.startswith(_NOT_GRANTED) or not words]
    said = [f"{REFUSED}{part.what}: {w}" for part, w in refused if part not in lacking]
    if lacking:
        whats = _listed([part.what for part in lacking])
        permissions = _listed([f"`{part.permission}: write`" for part in lacking])
        noun = "permission" if len(lacking) == 1 else "permissions"
        said.insert(0, f"{REFUSED}{whats}: the App lacks the {noun} {permissions}")
    return "; ".join(said) or None


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _settle(task: Task, problem: str | None) -> None:
    with transaction() as connection:
        connection.execute(
            """UPDATE runs SET reported_revision = greatest(reported_revision, %s),
                      report_attempts = 0, report_due_at = now(), report_error = %s
               WHERE id = %s""",
            (task.revision, problem, task.view.run.id),
        )


def _hold(task: Task, error: GitHubHeld) -> None:
    """Wait for room within GitHub's limits, as if this had not been tried."""
    at = error.retry_at
    log.info("a report is held back", run=task.view.run.id, why=str(error), until=at.isoformat())
    with transaction() as connection:
        connection.execute(
            """UPDATE runs SET report_due_at = %s, report_error = %s,
                      report_attempts = greatest(report_attempts - 1, 0)
               WHERE id = %s""",
            (at, str(error), task.view.run.id),
        )


def _postpone(task: Task, why: str, retry_at: datetime | None) -> None:
    at = retry_moment(task.attempts, floor=retry_at)
    log.warning("a report waits", run=task.view.run.id, why=why, until=at.isoformat())
    with transaction() as connection:
        connection.execute(
            "UPDATE runs SET report_due_at = %s, report_error = %s WHERE id = %s",
            (at, why, task.view.run.id),
        )
