"""Keeps one comment under each pull request, updated in place.

Source: https://docs.github.com/en/rest/issues/comments
"""

from collections.abc import Callable
from typing import Any

import structlog
from githubkit.exception import RequestFailed

from config.database import transaction
from pipeline import pull_requests
from pipeline.github.client import InstallationClient
from pipeline.github.comment_text import MARKER, comment_body, farewell
from pipeline.github.task import Task
from pipeline.pull_requests import PullRequest
from pipeline.runs import Repository
from registry import github_app

log = structlog.get_logger(__name__)


def bring_comment(github: InstallationClient, task: Task) -> None:
    """Say what the newest run of a pull request gives to say, if it is not there already."""
    view = task.view
    number = view.run.pull_number
    if number is None or view.pull is None or not view.newest or not view.final:
        return
    known = _known(view.repository, number)
    if view.is_closed:
        return
    check = f"{view.repository_page}/runs/{task.check_run_id}" if task.check_run_id else ""
    body = comment_body(view, exists=known.id is not None, check=check)
    if body is None or body == known.reported:
        return
    _put(github, view.repository, number, known.id, body)
    with transaction() as connection:
        now = pull_requests.get(connection, view.repository.id, number)
    # Whoever took the preview down may have said so just before this was said.
    if now is not None and now.state == "closed":
        say_farewell(github, view.repository, now)


def say_farewell(github: InstallationClient, repository: Repository, pull: PullRequest) -> None:
    """Let the comment of a closed pull request, if there is one, say that the preview is gone."""
    known, body = _known(repository, pull.number), farewell(pull)
    if known.id is None or known.reported == body:
        return
    try:
        _patch(github, repository, known.id, body)
    except RequestFailed as error:
        # Deleted, or locked: then nobody is misled either, and nothing else must wait for it.
        if error.response.status_code not in (403, 404, 410):
            raise
        log.info("the comment stays as it is", why=error.response.status_code)
    _remember(repository, pull.number, known.id, body)


def _known(repository: Repository, number: int) -> pull_requests.Comment:
    with transaction() as connection:
        return pull_requests.comment(connection, repository.id, number)


def _remember(repository: Repository, number: int, comment_id: int, body: str) -> None:
    with transaction() as connection:
        pull_requests.remember_comment(connection, repository.id, number, comment_id, body)


def _put(
    github: InstallationClient, repository: Repository, number: int, known: int | None, body: str
) -> None:
    if known is None:
        known = _find(github, repository, number)
    if known is not None:
        try:
            _patch(github, repository, known, body)
        except RequestFailed as error:
            if error.response.status_code != 404:
                raise
            log.info("somebody deleted the comment; it is written once more", comment=known)
        else:
            _remember(repository, number, known, body)
            return
    path = f"/repos/{repository.full_name}/issues/{number}/comments"
    created: Any = github.request("POST", path, json={"body": body}).json()
    _remember(repository, number, int(created["id"]), body)


def _patch(github: InstallationClient, repository: Repository, comment_id: int, body: str) -> None:
    path = f"/repos/{repository.full_name}/issues/comments/{comment_id}"
    github.request("PATCH", path, json={"body": body})


def _find(github: InstallationClient, repository: Repository, number: int) -> int | None:
    """The comment that was made before, when its answer was lost. Anybody can write the marker, so
    only the App's own comments count."""
    app_id = github_app.identity().app_id
    listed: Callable[..., Any] = github.rest.issues.list_comments
    for comment in github.rest.paginate(
        listed,
        map_func=lambda response: response.json(),
        owner=repository.owner,
        repo=repository.name,
        issue_number=number,
        per_page=100,
    ):
        app = comment.get("performed_via_github_app") or {}
        if str(app.get("id")) == str(app_id) and (comment.get("body") or "").startswith(MARKER):
            return int(comment["id"])
    return None
