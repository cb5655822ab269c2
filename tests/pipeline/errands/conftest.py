"""One GitHub stand-in for each file of tests, and for each test a repository of its own there."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from config.database import transaction
from config.settings import settings
from pipeline.github.client import client
from sandbox.github import GitHubStandIn
from tests.github_fixture import install, new_repository
from tests.outside_evidence import assert_like_github
from tests.pipeline.errands.desk import Desk, Person

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory, app_key: Path) -> Iterator[GitHubStandIn]:
    """The stand-in, with the App on all repositories, and the settings that point at it."""
    folder = tmp_path_factory.mktemp("github")
    with (
        GitHubStandIn(folder, private_key_file=app_key) as stand_in,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("GITHUB_API_URL", stand_in.url)
        patch.setenv("GITHUB_URL", stand_in.url)
        patch.setenv("GITHUB_APP_ID", str(stand_in.app_id))
        patch.setenv("GITHUB_PRIVATE_KEY_FILE", str(stand_in.private_key_file))
        patch.setenv("GITHUB_TIMEOUT", "5")
        patch.setenv("SIGIL_VAR", str(folder / "var"))
        install(stand_in)
        yield stand_in
    settings.cache_clear()
    client.cache_clear()
    assert_like_github(stand_in.traffic.text())


@pytest.fixture
def desk(
    hosted: GitHubStandIn, database_url: str, redis_url: str, tmp_path: Path
) -> Iterator[Desk]:
    """A repository with one commit, known to an otherwise empty database."""
    client.cache_clear()
    checkout = new_repository(hosted, f"weather-{next(_numbers)}", tmp_path / "main")
    checkout.commit({"README.md": "weather"})
    checkout.push()
    number = int(checkout.api("GET", "")["id"])
    (installation,) = hosted.world.installations.values()
    with transaction() as connection:
        connection.execute("INSERT INTO workspaces (account_id, login) VALUES (1, 'octocat')")
        connection.execute(
            "INSERT INTO installations (id, workspace_id) VALUES (%s, 1)", (installation.id,)
        )
        connection.execute(
            """INSERT INTO repositories (id, installation_id, workspace_id, owner, name)
               VALUES (%s, %s, 1, %s, %s)""",
            (number, installation.id, hosted.user.login, checkout.name),
        )
    owner = Person(hosted, hosted.user.login, hosted.token)
    yield Desk(hosted, checkout, number, owner, tmp_path)
    hosted.faults.clear()


@pytest.fixture
def person(hosted: GitHubStandIn) -> Callable[[str], Person]:
    """Makes somebody, or finds them again, by a login that is the test's own."""

    def make(login: str) -> Person:
        unique = f"{login}-{next(_numbers)}"
        made = requests.post(
            f"{hosted.url}/_sandbox/accounts", json={"login": unique}, timeout=30
        ).json()
        return Person(hosted, unique, made["token"])

    return make
