"""Small questions to GitHub about a repository: a file, a commit, what changed between two."""

import base64
import binascii
from typing import Any
from urllib.parse import quote

from githubkit.exception import RequestFailed

from pipeline.github.client import InstallationClient
from pipeline.runs import Repository

MANIFEST = "mcp.yaml"

MOST_FILES = 300
"""GitHub's comparison lists no more, and does not say that it left some out.
https://docs.github.com/en/rest/commits/commits#compare-two-commits"""


def file_at(
    github: InstallationClient, repository: Repository, ref: str, path: str = MANIFEST
) -> bytes | None:
    """The content of a file at a commit or branch; None when there is no file of that name."""
    try:
        found: Any = github.rest.repos.get_content(
            repository.owner, repository.name, path, ref=ref
        ).json()
    except RequestFailed as error:
        if error.response.status_code == 404:
            return None
        raise
    if not isinstance(found, dict) or found.get("type") != "file":
        return None
    try:
        return base64.b64decode(found.get("content") or "")
    except binascii.Error:
        return None


def in_path(ref: str) -> str:
    """A ref for the path of a request. Names of branches and tags may hold `#` and `%`, and
    githubkit puts them in as they are: `v1#2` would be read as `v1`."""
    return quote(ref, safe="/")


def head_of(github: InstallationClient, repository: Repository, branch: str) -> str | None:
    """The commit that a branch points at; None when there is no such branch."""
    try:
        found = github.rest.git.get_ref(
            repository.owner, repository.name, f"heads/{in_path(branch)}"
        )
    except RequestFailed as error:
        if error.response.status_code in (404, 409):  # 409: the repository is empty.
            return None
        raise
    return found.parsed_data.object_.sha


def commit_of(github: InstallationClient, repository: Repository, ref: str) -> str:
    """The commit that `heads/…` or `tags/…` names, through an annotated tag too.

    Raises:
        RequestFailed: there is none.
    """
    found = github.rest.repos.get_commit(repository.owner, repository.name, in_path(ref))
    return found.parsed_data.sha


def message_of(github: InstallationClient, repository: Repository, sha: str) -> str:
    """The message of a commit."""
    found = github.rest.repos.get_commit(repository.owner, repository.name, sha, per_page=1)
    return found.parsed_data.commit.message


def changed_between(
    github: InstallationClient, repository: Repository, before: str, after: str
) -> list[str]:
    """The files that changed between two commits; none when GitHub cannot tell all of them.

    A renamed file counts under both of its names.
    """
    try:
        compared: Any = github.rest.repos.compare_commits(
            repository.owner, repository.name, f"{before}...{after}"
        ).json()
    except RequestFailed as error:
        if error.response.status_code in (404, 422):  # A forced push left the old commit behind.
            return []
        raise
    # Commits that were taken back by a forced push changed files too, and are not listed.
    if compared.get("status") not in ("ahead", "identical"):
        return []
    return _names(compared.get("files") or [])


def changed_by_pull(github: InstallationClient, repository: Repository, number: int) -> list[str]:
    """The files that a pull request changes; none when GitHub cannot tell all of them."""
    files: list[Any] = []
    for page in range(1, MOST_FILES // 100 + 1):
        listed: Any = github.rest.pulls.list_files(
            repository.owner, repository.name, number, per_page=100, page=page
        ).json()
        files += listed
        if len(listed) < 100:
            break
    return _names(files)


def _names(files: list[Any]) -> list[str]:
    if len(files) >= MOST_FILES:
        return []
    names = [file["filename"] for file in files]
    return names + [file["previous_filename"] for file in files if "previous_filename" in file]
