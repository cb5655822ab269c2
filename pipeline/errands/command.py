"""Buttons of check runs and `/sigil …` comments: looks whether the person may, acts, answers."""

from collections.abc import Callable
from typing import Any

import structlog
from githubkit.exception import RateLimitExceeded, RequestFailed

from pipeline.errands import command_verbs
from pipeline.errands.base import Done, Errand, handles
from pipeline.errands.command_verbs import Request, Said
from pipeline.github.client import InstallationClient, speaking
from pipeline.runs import Repository

log = structlog.get_logger(__name__)

_REFUSED = "<!-- sigil:refused:{login} -->"
_ANSWERED = "<!-- sigil:answer:{comment} -->"


@handles("command")
def command(errand: Errand) -> Done:
    """Carry out what a person asked for, if that person may write to the repository."""
    request = Request(errand=errand, **_arguments(errand.details))
    with speaking(errand.installation_id) as github:
        if not may_write(github, errand.repository, request.actor):
            return _refuse(github, request)
        if _is_answered(github, request):
            return Done(f"{request.actor} was answered already")
        said = command_verbs.obey(github, request)
        _answer(github, request, said)
    return said.done


def _arguments(details: dict[str, Any]) -> dict[str, Any]:
    return {
        "words": tuple(details["words"]),
        "actor": details["actor"],
        "number": details.get("number"),
        "comment_id": details.get("comment_id"),
        "run_id": details.get("run_id"),
    }


def may_write(github: InstallationClient, repository: Repository, login: str) -> bool:
    """Whether a person has write permission. `author_association` would not tell: a contributor
    has none, and a member of the organisation may have none.

    https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user
    """
    try:
        found = github.rest.repos.get_collaborator_permission_level(
            repository.owner, repository.name, login
        ).json()
    except RequestFailed as error:
        if error.response.status_code == 404:
            return False
        raise
    return found.get("permission") in ("admin", "write")


def _refuse(github: InstallationClient, request: Request) -> Done:
    """One polite refusal for a person and pull request; after that nothing is said."""
    done = Done(f"{request.actor} has no write permission: refused")
    if request.number is None:
        return done
    marker = _REFUSED.format(login=request.actor.lower())
    if _has_comment(github, request, marker):
        return done
    _comment(
        github,
        request,
        f"{marker}\nThanks for trying Sigil, @{request.actor}. Commands are followed only from "
        "people with write permission to this repository; a maintainer can repeat it.",
    )
    return done


def _is_answered(github: InstallationClient, request: Request) -> bool:
    """Whether an earlier attempt did everything and only failed to note it."""
    if request.comment_id is None:
        return False
    return _has_comment(github, request, _ANSWERED.format(comment=request.comment_id))


def _answer(github: InstallationClient, request: Request, said: Said) -> None:
    """Say what came of it; what was done stays done where nothing can be said, as in a conversation
    that was locked. A comment, because reactions need a permission that nothing else does."""
    if request.comment_id is None or request.number is None:
        return
    marker = _ANSWERED.format(comment=request.comment_id)
    try:
        _comment(github, request, f"{marker}\n{said.text}")
    except RequestFailed as error:
        limited = isinstance(error, RateLimitExceeded)
        if limited or error.response.status_code not in (403, 404, 410, 422):
            raise
        log.info("the command is not answered", why=error.response.status_code)


def _has_comment(github: InstallationClient, request: Request, marker: str) -> bool:
    repository = request.errand.repository
    listed: Callable[..., Any] = github.rest.issues.list_comments
    comments = github.rest.paginate(
        listed,
        owner=repository.owner,
        repo=repository.name,
        issue_number=request.number,
        per_page=100,
    )
    return any(
        (comment.body or "").startswith(marker) and comment.performed_via_github_app
        for comment in comments
    )


def _comment(github: InstallationClient, request: Request, body: str) -> None:
    assert request.number is not None
    repository = request.errand.repository
    github.rest.issues.create_comment(repository.owner, repository.name, request.number, body=body)
