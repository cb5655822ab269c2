"""The helpers with which tests act as the owner of a repository do what they say."""

from pathlib import Path

import pytest
import requests

from sandbox.github import GitHubStandIn
from tests import repository_life
from tests.github_fixture import Checkout, install, make_user, new_repository
from tests.polling import eventually
from tests.sandbox.github.conftest import access_token
from tests.sandbox.github.visitors import Receiver, Visitor


@pytest.fixture
def checkout(github: GitHubStandIn, tmp_path: Path) -> Checkout:
    """A repository with one commit, on which the App is installed."""
    made = new_repository(github, "weather", tmp_path / "weather")
    made.commit({"README.md": "weather"})
    made.push()
    install(github)
    return made


def test_an_owner_deploys_releases_and_presses_buttons(
    checkout: Checkout, github: GitHubStandIn, app: Visitor, receiver: Receiver
) -> None:
    sha = checkout.git("rev-parse", "HEAD")
    number = repository_life.installation_id(github)
    installed = Visitor(github, access_token(app, number))
    body = {"ref": sha, "environment": "staging", "required_contexts": []}
    made = installed("POST", "/repos/octocat/weather/deployments", body).json()
    installed("POST", made["statuses_url"], {"state": "success"})
    (found,) = checkout.deployments(sha=sha, environment="staging")
    assert [one["state"] for one in found["statuses"]] == ["success"]
    assert checkout.deployments(environment="production") == []
    assert checkout.environments() == ["staging"]
    assert checkout.release("v1.0.0-rc.1", True)["prerelease"] is True
    action = {"label": "Retry", "description": "Again", "identifier": "retry"}
    run = {"name": "Sigil", "head_sha": sha, "conclusion": "failure", "actions": [action]}
    check = installed("POST", "/repos/octocat/weather/check-runs", run).json()
    checkout.press(check["id"], "retry", make_user(github, "mona"))
    checkout.press(check["id"], "retry")
    eventually(github.hooks.idle)
    pressed = receiver.payloads("check_run.requested_action")
    assert [one["sender"]["login"] for one in pressed] == ["mona", "octocat"]


def test_an_owner_renames_transfers_archives_and_deletes(
    checkout: Checkout, github: GitHubStandIn
) -> None:
    checkout.rename("forecast")
    repository_life.make_organization(github, "acme")
    checkout.transfer("acme")
    assert checkout.api("GET", "")["full_name"] == "acme/forecast"
    repository_life.rename_account(github, "acme", "acme-labs")
    checkout.account = "acme-labs"
    checkout.archive()
    assert checkout.api("GET", "")["archived"] is True
    checkout.archive(False)
    checkout.commit({"a": "1"})
    checkout.push()
    checkout.delete()
    with pytest.raises(requests.HTTPError, match="404"):
        checkout.api("GET", "")


def test_an_owner_changes_the_installation(
    checkout: Checkout, github: GitHubStandIn, receiver: Receiver
) -> None:
    make_user(github, "mona")
    repository_life.set_permissions(github, {"metadata": "read"})
    for verb in ("accept", "suspend", "unsuspend"):
        repository_life.change_installation(github, verb)
    checkout.transfer("mona")
    repository_life.change_installation(github, "uninstall")
    eventually(github.hooks.idle)
    assert receiver.names()[-5:] == [
        "installation.new_permissions_accepted",
        "installation.suspend",
        "installation.unsuspend",
        "installation_repositories.removed",
        "installation.deleted",
    ]
