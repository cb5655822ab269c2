"""The end of the App's creation: its credentials in exchange for GitHub's temporary code, and a
ping that shows whether its webhook arrives."""

import re
from typing import Any

import httpx
from pydantic import BaseModel, Field, ValidationError

from config.settings import settings
from pipeline.github.client import GitHubAway, GitHubRefused, speaking_as_app
from registry.github_app import Credentials, NewApp

_CODE = re.compile(r"[A-Za-z0-9_-]{1,100}")
_API_VERSION = "2022-11-28"


class _Owner(BaseModel):
    login: str


class _Conversion(BaseModel, hide_input_in_errors=True):
    """https://docs.github.com/en/rest/apps/apps#create-a-github-app-from-a-manifest"""

    id: int
    slug: str = Field(min_length=1)
    name: str
    owner: _Owner
    client_id: str
    client_secret: str = Field(min_length=1)
    webhook_secret: str = Field(min_length=1)
    pem: str = Field(min_length=1)
    html_url: str


def is_code(text: str) -> bool:
    """Whether it looks like a code of GitHub's."""
    return _CODE.fullmatch(text) is not None


def convert(code: str) -> NewApp:
    """Exchange the temporary code for the App. GitHub does that once, within an hour.

    Raises:
        GitHubAway: GitHub did not answer; the code may still be good.
        GitHubRefused: it does not know the code, or not any more (404), or its answer lacks
            something.
    """
    assert is_code(code)
    try:
        response = httpx.post(
            f"{settings().github_api_url}/app-manifests/{code}/conversions",
            headers={
                "Accept": "application/vnd.github+json",
                "User-Agent": "sigil",
                "X-GitHub-Api-Version": _API_VERSION,
            },
            timeout=settings().github_timeout,
        )
    except httpx.HTTPError as error:
        # Its text may hold the address, and with it the code.
        raise GitHubAway(f"GitHub's answer was lost ({type(error).__name__})") from None
    if response.status_code != 201:
        _raise_for(response)
    try:
        return _new_app(_Conversion.model_validate_json(response.content))
    except ValidationError as error:
        fields = ", ".join(str(problem["loc"][0]) for problem in error.errors() if problem["loc"])
        raise GitHubRefused(
            f"GitHub's answer is not complete: {fields or 'it is no JSON object'}", 201
        ) from None


def _raise_for(response: httpx.Response) -> None:
    status = response.status_code
    if status >= 500 or status == 429:
        raise GitHubAway(f"GitHub answered {status}")
    if status == 403 and (
        "retry-after" in response.headers or response.headers.get("x-ratelimit-remaining") == "0"
    ):
        raise GitHubAway("GitHub's rate limit is used up")
    raise GitHubRefused(f"GitHub answered {status}", status)


def _new_app(answer: _Conversion) -> NewApp:
    return NewApp(
        app_id=answer.id,
        slug=answer.slug,
        name=answer.name,
        client_id=answer.client_id,
        html_url=answer.html_url,
        owner=answer.owner.login,
        credentials=Credentials(
            private_key=answer.pem,
            webhook_secret=answer.webhook_secret,
            client_secret=answer.client_secret,
        ),
    )


def ask_for_ping() -> bool:
    """Have GitHub send its ping again: it sent one when it created the App, before its signature
    could be checked here.

    Returns:
        Whether GitHub has one to send.

    Raises:
        GitHubAway, GitHubRefused: as `speaking_as_app` says.
    """
    with speaking_as_app() as github:
        listed: Any = github.rest.apps.list_webhook_deliveries(per_page=100).json()
        pings = [one for one in listed if one["event"] == "ping"]
        if not pings:
            return False
        github.rest.apps.redeliver_webhook_delivery(pings[0]["id"])
    return True
