"""A stand-in for each test. Whatever a test made it say is afterwards held against GitHub's own
description of its API and its webhooks, when that can be had.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import evidence
from sandbox.github import GitHubStandIn
from sandbox.github.conformance import Difference, RestDescription, WebhookDescription
from tests.outside_evidence import assert_like_github, descriptions
from tests.polling import eventually
from tests.sandbox.github.visitors import SECRET, Receiver, Tree, Visitor, app_jwt


@pytest.fixture(scope="session")
def rest_description() -> RestDescription:
    """GitHub's description of its REST API, for tests marked `node`."""
    return descriptions()[0]


@pytest.fixture(scope="session")
def webhook_description() -> WebhookDescription:
    """GitHub's description of its webhooks, for tests marked `node`."""
    return descriptions()[1]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Where the webhooks go."""
    with Receiver() as running:
        yield running


@pytest.fixture
def github(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> Iterator[GitHubStandIn]:
    """The stand-in, compared with GitHub's descriptions at the end of the test."""
    key = tmp_path_factory.getbasetemp() / "app.pem"
    with GitHubStandIn(
        tmp_path / "github",
        webhook_url=receiver.url,
        webhook_secret=SECRET,
        private_key_file=key,
    ) as running:
        yield running
        eventually(running.hooks.idle)
    assert_like_github(running.traffic.text(), _of_webhooks(receiver))


def _of_webhooks(receiver: Receiver) -> list[Difference]:
    try:
        _, webhooks = descriptions()
    except evidence.EvidenceMissing:
        return []
    return [
        difference
        for one in receiver.received
        for difference in webhooks.check(one.headers, json.loads(one.body))
    ]


@pytest.fixture
def person(github: GitHubStandIn) -> Visitor:
    """The user who owns everything."""
    return Visitor(github, github.token)


@pytest.fixture
def app(github: GitHubStandIn) -> Visitor:
    """The App with a JWT."""
    return Visitor(github, app_jwt(github))


@pytest.fixture
def install(github: GitHubStandIn, person: Visitor) -> Callable[..., int]:
    """Installs the App on repositories by name, or on all; returns the installation's id."""

    def click(*names: str) -> int:
        fields = {"repository": list(names)} if names else {"repository_selection": "all"}
        answer = person(
            "POST",
            "/apps/sigil/installations/new",
            data=fields,
            headers={"Accept": "application/json"},
        )
        assert answer.status_code == 200, answer.text
        return int(answer.json()["id"])

    return click


@pytest.fixture
def repository(person: Visitor) -> str:
    """A public repository without commits."""
    answer = person("POST", "/user/repos", {"name": "weather", "description": "Forecasts"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["full_name"])


@pytest.fixture
def tree(tmp_path: Path, github: GitHubStandIn, repository: str) -> Tree:
    """A work tree to push to `repository` from."""
    return Tree(tmp_path / "tree", github, repository)


@pytest.fixture
def installed(
    github: GitHubStandIn, app: Visitor, repository: str, install: Callable[..., int]
) -> Visitor:
    """The App as its installation on `repository`."""
    return Visitor(github, access_token(app, install(repository)))


def access_token(app: Visitor, installation: int, **wanted: object) -> str:
    """An installation access token."""
    answer = app("POST", f"/app/installations/{installation}/access_tokens", wanted or None)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])
