"""The client for GitHub's REST API: authentication, time-outs, and one place that sorts failures.

Requests are not repeated here. A failure that may pass is a `GitHubAway` with the moment to try
again; callers reschedule instead of sleeping.
"""

import functools
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import httpx
from githubkit import AppAuthStrategy, AppInstallationAuthStrategy, GitHub, GitHubCore
from githubkit.auth.app import AppAuth
from githubkit.cache import RedisCacheStrategy
from githubkit.exception import (
    GitHubException,
    RateLimitExceeded,
    RequestError,
    RequestFailed,
    RequestTimeout,
)
from githubkit_schemas.latest import models
from redis.exceptions import RedisError

from config.redis import redis
from config.settings import SettingsError, settings
from pipeline.github import budget
from pipeline.github.errors import GitHubAway as GitHubAway
from pipeline.github.errors import GitHubError as GitHubError
from pipeline.github.errors import GitHubHeld as GitHubHeld
from pipeline.github.errors import GitHubRefused as GitHubRefused
from registry import github_app

InstallationClient = GitHub[AppInstallationAuthStrategy]
AppClient = GitHub[AppAuthStrategy]

# What this package asks of GitHub, by githubkit's names.
_REST_PARTS = ("checks", "git", "issues", "pulls", "repos")
_MODELS = (
    *("CheckRun", "GitRef", "CommitComparison", "Status", "ReposOwnerRepoStatusesShaPostBody"),
    *("FullRepository", "BranchWithProtection", "Commit", "ContentDirectoryItems"),
    *("ContentFile", "ContentSymlink", "ContentSubmodule"),
    *("InstallationToken", "AppInstallationsInstallationIdAccessTokensPostBody"),
    *("PullRequest", "Release", "IssueComment", "RepositoryCollaboratorPermission"),
    *("ReposOwnerRepoIssuesIssueNumberCommentsPostBody", "Deployment", "DeploymentStatus"),
    *("ReposOwnerRepoDeploymentsDeploymentIdStatusesPostBody",),
    *("BasicError", "ValidationError", "EventsGetResponse503"),
)

_DOWNLOAD_SECONDS = 600

_TOKEN_CACHE = "sigil:github"  # noqa: S105 - the prefix of the keys, not a token


class _Auth(AppAuth):
    """githubkit finds out by patterns over the decoded path which requests the App itself makes. A
    branch called `installation` looks like one of those, and `#` in a name is an error. A client of
    an installation makes none of them."""

    def _get_api_route(self, url: httpx.URL) -> httpx.URL:
        return httpx.URL("/")


class _Strategy(AppInstallationAuthStrategy):
    def get_auth_flow(self, github: GitHubCore[Any]) -> httpx.Auth:
        return _Auth(github, self.app_id, self.private_key, installation_id=self.installation_id)


@functools.cache
def _certificates() -> ssl.SSLContext:
    # Read once a process. For every new connection it would take longer than most requests.
    return httpx.create_ssl_context()


@functools.cache
def client(installation_id: int) -> InstallationClient:
    """A client that acts as the installation. Its tokens are shared through Redis.

    Raises:
        SettingsError: there is no App yet, or its variables are not complete.
    """
    app = github_app.identity()
    strategy = _Strategy(app.app_id, app.private_key, installation_id)
    return GitHub(strategy, **_options(installation_id))


def _app_client() -> AppClient:
    app = github_app.identity()
    return GitHub(AppAuthStrategy(app.app_id, app.private_key), **_options(None))


def _options(installation_id: int | None) -> dict[str, Any]:
    return {
        "base_url": settings().github_api_url,
        "user_agent": "sigil",
        "timeout": settings().github_timeout,
        "ssl_verify": _certificates(),
        "cache_strategy": RedisCacheStrategy(redis(), _TOKEN_CACHE),
        "http_cache": False,
        # githubkit would sleep inside the worker, and would repeat a POST that was applied.
        "auto_retry": False,
        # Hooks, because a transport of our own would switch off the proxies of the environment.
        "event_hooks": budget.hooks(installation_id),
    }


def preload() -> None:
    """Load what a client loads when it is first used, so that a worker does it once for all the
    processes that it forks."""
    _certificates()
    github = GitHub()
    for name in _REST_PARTS:
        getattr(github.rest, name)
    for name in _MODELS:
        getattr(models, name)


def forget_token(installation_id: int) -> None:
    """Drop the cached tokens of an installation, after GitHub refused one."""
    for key in redis().scan_iter(f"{_TOKEN_CACHE}:*:installation:{installation_id}:*"):
        redis().delete(key)


@contextmanager
def speaking(installation_id: int, *, background: bool = False) -> Iterator[InstallationClient]:
    """The installation's client on one connection, with every failure sorted. Not to be nested.

    Args:
        background: Leave a reserve of GitHub's limits to what somebody waits for. Also on inside
            `budget.in_background`.

    Raises:
        GitHubHeld: there is no room within GitHub's limits before `retry_at`. Not an attempt.
        GitHubAway: try again later.
        GitHubRefused: trying again changes nothing, or only after a person did something.
    """
    with _sorted(installation_id, background=background), client(installation_id) as github:
        yield github


@contextmanager
def speaking_as_app(*, background: bool = False) -> Iterator[AppClient]:
    """The App's own client, as `speaking`: for its webhook's deliveries and its installations. Its
    budget is one of its own."""
    with _sorted(None, background=background), _app_client() as github:
        yield github


@contextmanager
def _sorted(installation_id: int | None, *, background: bool) -> Iterator[None]:
    try:
        with budget.spending(background=background):
            yield
    except RequestFailed as error:
        _sort(error, installation_id)
    except RequestTimeout:
        raise GitHubAway(f"GitHub did not answer within {settings().github_timeout:g} s") from None
    except RequestError as error:
        if isinstance(error.exc, GitHubError):
            raise error.exc from None
        # A refused request for the token itself comes wrapped in the request that needed it.
        if isinstance(error.exc, RequestFailed):
            _sort(error.exc, installation_id)
        raise _lost(error.exc) from None
    except (GitHubException, httpx.HTTPError, ValueError) as error:
        # ValueError: an answer that is not the JSON it should be, as from a proxy in between.
        raise _lost(error) from None
    except RedisError as error:
        raise GitHubAway(f"the token cache is away ({type(error).__name__})") from None
    except SettingsError as error:
        raise GitHubAway(str(error)) from None


def _sort(error: RequestFailed, installation_id: int | None) -> NoReturn:
    if isinstance(error, RateLimitExceeded):
        retry_at = datetime.now(UTC) + error.retry_after
        raise GitHubHeld("GitHub's rate limit is used up", retry_at) from None
    response = error.response
    _raise_for(response.status_code, _words(response.raw_response), installation_id)


def _lost(error: Exception) -> GitHubAway:
    return GitHubAway(f"the answer of GitHub was lost ({type(error).__name__})")


def _raise_for(status: int, words: str, installation_id: int | None) -> NoReturn:
    if status == 401:
        # A fresh token is unknown for some seconds, and a revoked one for ever: take a new one.
        if installation_id is not None:
            forget_token(installation_id)
        raise GitHubAway(f"GitHub answered 401: {words}")
    if status >= 500 or status == 429:
        raise GitHubAway(f"GitHub answered {status}: {words}")
    raise GitHubRefused(f"GitHub answered {status}: {words}", status)


def _words(response: httpx.Response) -> str:
    try:
        body = response.json()
    except (ValueError, httpx.ResponseNotRead):
        return response.reason_phrase
    message = body.get("message") if isinstance(body, dict) else None
    return str(message)[:300] if message else response.reason_phrase


def download_tarball(
    installation_id: int,
    owner: str,
    name: str,
    sha: str,
    target: Path,
    *,
    max_bytes: int,
    check: Callable[[], None],
) -> None:
    """Download the files of a commit as a gzipped tar archive, without holding it in memory.

    Source: https://docs.github.com/en/rest/repos/contents#download-a-repository-archive-tar

    Args:
        check: Called between the pieces; what it raises ends the download.

    Raises:
        GitHubHeld, GitHubAway, GitHubRefused: as `speaking` says.
        OverflowError: the archive is larger than `max_bytes`.
    """
    with speaking(installation_id) as github, github.get_sync_client() as http:
        request = http.stream("GET", f"repos/{owner}/{name}/tarball/{sha}", timeout=30)
        with request as response:
            if response.status_code >= 400:
                response.read()
                # The same sorting as for all other requests, rate limits and their moments too.
                github._check(response)
            received, began = 0, time.monotonic()
            with target.open("wb") as file:
                for chunk in response.iter_bytes(1 << 16):
                    check()
                    if time.monotonic() - began > _DOWNLOAD_SECONDS:
                        raise GitHubAway("the download of the source takes too long")
                    received += len(chunk)
                    if received > max_bytes:
                        raise OverflowError
                    file.write(chunk)


def retry_moment(attempt: int, *, floor: datetime | None = None) -> datetime:
    """When to try again after `attempt` failures: 2, 4, 8 … seconds later, at most 10 minutes, and
    not before `floor`."""
    later = datetime.now(UTC) + timedelta(seconds=min(2 ** min(attempt, 10), 600))
    return max(later, floor) if floor else later
