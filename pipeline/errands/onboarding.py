"""Offers a repository without `mcp.yaml` one: one branch, one commit, one pull request, once.

Every step looks before it acts, so that a lost answer or a dead worker doubles nothing.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from githubkit.exception import RateLimitExceeded, RequestFailed

from config.database import transaction
from pipeline import onboardings
from pipeline.errands.base import Done, Errand, handles
from pipeline.github import reading
from pipeline.github.client import (
    GitHubRefused,
    InstallationClient,
    forget_token,
    speaking,
)
from pipeline.github.permissions import PERMISSIONS
from pipeline.onboarding import About, Detected, NotDetected, detect, generate
from pipeline.onboarding.proposal import BRANCH, COMMIT, TITLE, body
from pipeline.onboarding.remote_files import RemoteFiles
from pipeline.runs import Repository

DOUBTS = 3
"""A refusal is believed at this attempt: a fresh installation is unknown for some seconds."""


@dataclass(frozen=True)
class _Result:
    """What came of it."""

    state: onboardings.State
    reason: str
    number: int | None = None


@handles("onboarding")
def onboard(errand: Errand) -> Done:
    """Open the pull request, or note why there is none."""
    repository = errand.repository
    with transaction() as connection:
        if not onboardings.wanted(connection, repository.id):
            return Done("no mcp.yaml is proposed: switched off, or answered before")
        onboardings.begin(connection, repository.id)
    try:
        with speaking(errand.installation_id, background=True) as github:
            result = _propose(github, repository)
    except GitHubRefused as error:
        # A token keeps the permissions of the moment when it was made.
        forget_token(errand.installation_id)
        if error.status in (403, 404) and errand.attempts < DOUBTS:
            raise
        result = _Result("impossible", str(error))
    with transaction() as connection:
        onboardings.settle(
            connection,
            repository.id,
            result.state,
            pull_number=result.number,
            reason=result.reason,
        )
    return Done(result.reason)


def _propose(github: InstallationClient, repository: Repository) -> _Result:
    about = github.rest.repos.get(repository.owner, repository.name).parsed_data
    if about.archived or about.fork:
        return _Result("not_needed", "archived" if about.archived else "a fork")
    with _needing("pull_requests"):
        if earlier := _earlier_pull(github, repository):
            return earlier
    branch = about.default_branch
    with _needing("contents"):
        head = reading.head_of(github, repository, branch)
        if head is None:
            return _Result("not_needed", "the repository is empty")
        files = RemoteFiles(github, repository, head)
        if files.has(reading.MANIFEST) or _is_there(github, repository, head, files):
            return _Result("not_needed", f"{branch} has an mcp.yaml")
        found = detect(files, _about(about))
        if isinstance(found, NotDetected):
            return _Result("not_needed", found.reason)
        if not _write(github, repository, branch, head, found):
            return _Result("impossible", f"there is a branch {BRANCH} with other commits")
    with _needing("pull_requests"):
        return _open(github, repository, branch, found)


def _is_there(
    github: InstallationClient, repository: Repository, head: str, files: RemoteFiles
) -> bool:
    """Whether there is an `mcp.yaml` among what GitHub left out of a list that was too long."""
    return not files.complete and reading.file_at(github, repository, head) is not None


def _about(repository: Any) -> About:
    return About(
        name=repository.name,
        description=repository.description,
        topics=tuple(repository.topics or ()),
    )


def _earlier_pull(github: InstallationClient, repository: Repository) -> _Result | None:
    """The pull request that was opened before, whatever this database knows of it."""
    listed: Any = github.rest.pulls.list(
        repository.owner,
        repository.name,
        state="all",
        head=f"{repository.owner}:{BRANCH}",
        per_page=100,
    ).json()
    own = [one for one in listed if one["head"]["ref"] == BRANCH]
    for one in sorted(own, key=lambda one: (one["state"] != "open", not one["merged_at"])):
        number = int(one["number"])
        if one["state"] == "open":
            return _Result("open", f"pull request #{number} proposes an mcp.yaml", number)
        if one["merged_at"]:
            return _Result("merged", f"pull request #{number} was merged", number)
        return _Result("declined", f"pull request #{number} was closed without merging", number)
    return None


def _write(
    github: InstallationClient, repository: Repository, base: str, head: str, found: Detected
) -> bool:
    """Have the branch with the file. False when there is one of somebody else's."""
    owner, name = repository.owner, repository.name
    present = reading.head_of(github, repository, BRANCH)
    if present is None:
        with _unless(lambda: reading.head_of(github, repository, BRANCH)):
            github.rest.git.create_ref(owner, name, ref=f"refs/heads/{BRANCH}", sha=head)
    elif reading.file_at(github, repository, BRANCH) is not None:
        return True
    elif present != head:
        compared: Any = github.rest.repos.compare_commits(
            owner, name, f"{base}...{BRANCH}", per_page=1
        ).json()
        if compared["ahead_by"]:
            return False
    with _unless(lambda: reading.file_at(github, repository, BRANCH)):
        github.rest.repos.create_or_update_file_contents(
            owner,
            name,
            reading.MANIFEST,
            message=COMMIT,
            content=base64.b64encode(generate(found).encode()).decode(),
            branch=BRANCH,
        )
    return True


@contextmanager
def _unless(there: Callable[[], object]) -> Iterator[None]:
    """Pass over a refusal to make something that is there by now: another worker was faster."""
    try:
        yield
    except RequestFailed as error:
        if error.response.status_code not in (409, 422) or there() is None:
            raise


def _open(
    github: InstallationClient, repository: Repository, base: str, found: Detected
) -> _Result:
    try:
        opened: Any = github.rest.pulls.create(
            repository.owner,
            repository.name,
            title=TITLE,
            head=BRANCH,
            base=base,
            body=body(found, owner=repository.owner, default_branch=base),
        ).json()
    except RequestFailed as error:
        if error.response.status_code != 422:
            raise
        # It may be there already: the answer to an earlier attempt was lost.
        if earlier := _earlier_pull(github, repository):
            return earlier
        raise
    number = int(opened["number"])
    return _Result("open", f"pull request #{number} proposes an mcp.yaml", number)


@contextmanager
def _needing(name: str) -> Iterator[None]:
    """Say which permission is missing when GitHub refuses what is done inside."""
    try:
        yield
    except RateLimitExceeded:
        raise
    except RequestFailed as error:
        if error.response.status_code != 403 or "not accessible" not in error.response.text:
            raise
        permission = next(one for one in PERMISSIONS if one.name == name)
        raise GitHubRefused(
            f"the App lacks the permission `{permission.name}: {permission.level}` "
            f"({permission.title}). Grant it in the App's settings and accept it for the "
            "installation; an mcp.yaml of your own works without it.",
            403,
        ) from None
