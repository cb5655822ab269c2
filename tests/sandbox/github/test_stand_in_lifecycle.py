"""Repositories and accounts are renamed, transferred, archived, hidden and deleted."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.github import GitHubStandIn
from tests.polling import eventually
from tests.sandbox.github.conftest import access_token
from tests.sandbox.github.visitors import Receiver, Tree, Visitor

WEATHER = "/repos/octocat/weather"
SIGNED_IN = {"sandbox_user": "mona"}


@pytest.fixture
def heard(github: GitHubStandIn, receiver: Receiver) -> Callable[[], list[str]]:
    """The names of the webhooks since the last call."""
    seen = 0

    def names() -> list[str]:
        nonlocal seen
        eventually(github.hooks.idle)
        fresh, seen = receiver.names()[seen:], len(receiver.received)
        return fresh

    return names


def account(person: Visitor, login: str, **more: object) -> Any:
    """Another account."""
    answer = person("POST", "/_sandbox/accounts", {"login": login, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_renamed_repository_is_found_by_its_former_name(
    installed: Visitor, person: Visitor, heard: Callable[[], list[str]], receiver: Receiver
) -> None:
    number = installed("GET", WEATHER).json()["id"]
    heard()
    renamed = person("PATCH", WEATHER, {"name": "fore cast"})
    assert renamed.json()["full_name"] == "octocat/fore-cast"
    assert heard() == ["repository.renamed"]
    event = receiver.received[-1].payload
    assert event["changes"] == {"repository": {"name": {"from": "weather"}}}
    assert event["repository"]["name"] == "fore-cast"
    moved = installed("GET", f"{WEATHER}/branches?per_page=5", allow_redirects=False)
    assert moved.status_code == 301
    assert moved.headers["Location"].endswith(f"/repositories/{number}/branches?per_page=5")
    assert moved.json()["url"] == moved.headers["Location"]
    assert installed("GET", WEATHER).json()["full_name"] == "octocat/fore-cast"
    assert installed("GET", f"/repositories/{number}").json()["id"] == number
    assert installed("GET", "/repositories/1").status_code == 404
    change = person("PATCH", WEATHER, {"description": "Other"}, allow_redirects=False)
    assert change.status_code == 307
    assert person("PATCH", WEATHER, {"description": "Other"}).json()["description"] == "Other"


def test_an_app_finds_its_installation_by_the_former_name(
    installed: Visitor, app: Visitor, person: Visitor
) -> None:
    found = app("GET", f"{WEATHER}/installation").json()["id"]
    person("PATCH", WEATHER, {"name": "forecast"})
    moved = app("GET", f"{WEATHER}/installation", allow_redirects=False)
    assert moved.status_code == 301
    assert app("GET", f"{WEATHER}/installation").json()["id"] == found


def test_git_follows_a_rename(
    person: Visitor, tree: Tree, github: GitHubStandIn, tmp_path: Path
) -> None:
    tree.commit("Begin", a="1\n")
    tree.push("main")
    person("PATCH", WEATHER, {"name": "forecast"})
    sha = tree.commit("More", a="2\n")
    tree.push("main")
    listed = subprocess.run(
        ["git", "ls-remote", f"{github.url}/octocat/weather", "main"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split() == [sha, "refs/heads/main"]
    page = requests.get(f"{github.url}/octocat/weather/commit/{sha}", timeout=30)
    assert page.url == f"{github.url}/octocat/forecast/commit/{sha}"


def test_a_new_repository_ends_the_redirect_for_ever(person: Visitor, repository: str) -> None:
    person("PATCH", WEATHER, {"name": "forecast"})
    new = person("POST", "/user/repos", {"name": "weather"}).json()["id"]
    assert person("GET", WEATHER).json()["id"] == new
    assert person("PATCH", WEATHER, {"name": "forecast"}).status_code == 422
    person("DELETE", WEATHER)
    assert person("GET", WEATHER).status_code == 404


def test_a_private_repository_does_not_betray_its_new_name(
    person: Visitor, repository: str, github: GitHubStandIn
) -> None:
    person("PATCH", WEATHER, {"name": "secret", "private": True})
    stranger = Visitor(github, account(person, "mona")["token"])
    for visitor in (stranger, Visitor(github, None)):
        assert visitor("GET", WEATHER, allow_redirects=False).status_code == 404


def test_an_archived_repository_is_read_only(
    installed: Visitor, person: Visitor, tree: Tree, heard: Callable[[], list[str]]
) -> None:
    sha = tree.commit("Begin", a="1\n")
    tree.push("main")
    heard()
    assert person("PATCH", WEATHER, {"archived": True}).json()["archived"] is True
    assert heard() == ["repository.archived"]
    for path, body in (
        ("/check-runs", {"name": "Sigil", "head_sha": sha}),
        (f"/statuses/{sha}", {"state": "success"}),
        ("/deployments", {"ref": "main"}),
    ):
        refused = installed("POST", WEATHER + path, body)
        assert refused.status_code == 403
        assert refused.json()["message"] == "Repository was archived so is read-only."
    assert person("PATCH", WEATHER, {"description": "Other"}).status_code == 403
    assert installed("GET", f"{WEATHER}/commits/{sha}").status_code == 200
    tree.commit("More", a="2\n")
    with pytest.raises(AssertionError, match="403"):
        tree.push("main")
    assert person("PATCH", WEATHER, {"archived": False}).json()["archived"] is False
    tree.push("main")
    assert heard()[0] == "repository.unarchived"


def test_a_repository_is_hidden_shown_and_edited(
    installed: Visitor,
    person: Visitor,
    tree: Tree,
    heard: Callable[[], list[str]],
    receiver: Receiver,
) -> None:
    tree.commit("Begin", a="1\n")
    tree.push("main", "main:next")
    heard()
    assert person("PATCH", WEATHER, {"private": True}).json()["visibility"] == "private"
    assert person("PATCH", WEATHER, {"visibility": "public"}).json()["private"] is False
    assert person("PATCH", WEATHER, {"default_branch": "next"}).json()["default_branch"] == "next"
    assert person("PATCH", WEATHER, {"default_branch": "none"}).status_code == 422
    assert heard() == ["repository.privatized", "repository.publicized", "repository.edited"]
    assert receiver.received[-1].payload["changes"] == {"default_branch": {"from": "main"}}


def test_a_deleted_repository_is_gone(
    installed: Visitor, person: Visitor, heard: Callable[[], list[str]], github: GitHubStandIn
) -> None:
    heard()
    stranger = Visitor(github, account(person, "mona")["token"])
    assert stranger("DELETE", WEATHER).status_code == 403
    assert person("DELETE", WEATHER).status_code == 204
    assert heard() == ["repository.deleted"]
    assert person("GET", WEATHER).status_code == 404
    assert installed("GET", "/installation/repositories").json()["total_count"] == 0


def test_a_repository_moves_to_an_organization(
    installed: Visitor,
    app: Visitor,
    person: Visitor,
    github: GitHubStandIn,
    heard: Callable[[], list[str]],
    receiver: Receiver,
) -> None:
    account(person, "acme", type="Organization")
    assert person("POST", f"{WEATHER}/transfer", {"new_owner": "nobody"}).status_code == 422
    heard()
    answer = person("POST", f"{WEATHER}/transfer", {"new_owner": "acme"})
    assert answer.status_code == 202
    assert answer.json()["full_name"] == "octocat/weather"
    # The App is not there: all that it hears is that it lost the repository.
    assert heard() == ["installation_repositories.removed"]
    assert installed("GET", "/installation/repositories").json()["total_count"] == 0
    moved = person("GET", WEATHER).json()
    assert moved["full_name"] == "acme/weather"
    assert moved["organization"]["login"] == "acme"
    assert app("GET", f"{WEATHER}/installation").status_code == 404
    form = {"repository_selection": "all", "account": "acme"}
    person("POST", "/apps/sigil/installations/new", data=form)
    assert heard() == ["installation.created"]
    assert receiver.received[-1].payload["installation"]["target_type"] == "Organization"
    back = person("POST", "/repos/acme/weather/transfer", {"new_owner": "octocat"})
    assert back.status_code == 202
    person("POST", f"{WEATHER}/transfer", {"new_owner": "acme", "new_name": "wetter"})
    assert heard() == [
        "installation_repositories.removed",
        "installation_repositories.added",
        "repository.transferred",
    ]
    event = receiver.received[-1].payload
    assert event["changes"]["owner"]["from"]["user"]["login"] == "octocat"
    assert event["organization"]["login"] == "acme"
    assert event["repository"]["full_name"] == "acme/wetter"


def test_a_person_has_to_accept_a_repository(
    installed: Visitor, person: Visitor, heard: Callable[[], list[str]]
) -> None:
    account(person, "mona")
    heard()
    number = person("POST", f"{WEATHER}/transfer", {"new_owner": "mona"}).json()["id"]
    assert heard() == []
    assert person("GET", WEATHER).json()["full_name"] == "octocat/weather"
    accepted = person("POST", f"/_sandbox/transfers/{number}/accept")
    assert accepted.json() == {"full_name": "mona/weather"}
    assert heard() == ["installation_repositories.removed"]
    assert person("POST", f"/_sandbox/transfers/{number}/accept").status_code == 404


def test_an_owner_clicks_through_the_settings(
    person: Visitor, installed: Visitor, github: GitHubStandIn, heard: Callable[[], list[str]]
) -> None:
    account(person, "mona")
    heard()
    browser = Visitor(github, None)
    page = "/octocat/weather/settings"
    assert "Danger zone" in browser("GET", page).text
    assert browser("GET", page, headers={"X-Sandbox-User": "mona"}).status_code == 404
    renamed = browser("POST", f"{page}/rename", data={"name": "forecast"})
    assert renamed.url == f"{github.url}/octocat/forecast"
    page = "/octocat/forecast/settings"
    for verb in ("archive", "unarchive", "hide", "show"):
        assert browser("POST", f"{page}/{verb}").status_code == 200
    assert "archived" not in browser("GET", "/octocat/forecast").text
    assert browser("POST", f"{page}/transfer", data={"new_owner": "nobody"}).status_code == 422
    browser("POST", f"{page}/transfer", data={"new_owner": "mona"})
    number = person("GET", "/repos/octocat/forecast").json()["id"]
    take = f"/settings/admin/take/{number}"
    assert browser("POST", take).status_code == 404
    as_mona = {"as": "mona"}
    assert "Accept transfer" in browser("GET", "/settings/admin", cookies=SIGNED_IN).text
    taken = browser("POST", take, data=as_mona)
    assert taken.url == f"{github.url}/mona/forecast"
    browser("POST", "/settings/admin/rename", data=as_mona | {"login": "lisa"})
    assert "Nothing was deployed" in browser("GET", "/lisa/forecast/deployments").text
    assert browser("POST", "/lisa/forecast/settings/delete", data={"as": "lisa"}).status_code == 200
    assert browser("GET", "/lisa/forecast").status_code == 404
    assert heard() == [
        "repository.renamed",
        "repository.archived",
        "repository.unarchived",
        "repository.privatized",
        "repository.publicized",
        "installation_repositories.removed",
    ]


def test_an_account_takes_another_name(
    installed: Visitor, person: Visitor, heard: Callable[[], list[str]], receiver: Receiver
) -> None:
    account(person, "mona")
    heard()
    rename = "/_sandbox/accounts/octocat/rename"
    assert person("POST", rename, {"login": "Mona"}).status_code == 422
    assert person("POST", "/_sandbox/accounts/nobody/rename", {"login": "x"}).status_code == 404
    assert person("POST", rename, {"login": "hubot"}).json()["login"] == "hubot"
    assert heard() == ["installation_target.renamed"]
    event = receiver.received[-1].payload
    assert event["changes"] == {"login": {"from": "octocat"}}
    assert (event["account"]["login"], event["target_type"]) == ("hubot", "User")
    assert installed("GET", WEATHER).json()["full_name"] == "hubot/weather"


def test_an_organization_takes_another_name(
    person: Visitor, heard: Callable[[], list[str]], receiver: Receiver
) -> None:
    account(person, "acme", type="Organization")
    form = {"repository_selection": "all", "account": "acme"}
    person("POST", "/apps/sigil/installations/new", data=form)
    heard()
    person("POST", "/_sandbox/accounts/acme/rename", {"login": "acme-labs"})
    assert heard() == ["installation_target.renamed"]
    assert receiver.received[-1].payload["target_type"] == "Organization"


def test_an_owner_takes_permissions_back_and_accepts_new_ones(
    installed: Visitor,
    app: Visitor,
    person: Visitor,
    github: GitHubStandIn,
    tree: Tree,
    heard: Callable[[], list[str]],
) -> None:
    sha = tree.commit("Begin", a="1\n")
    tree.push("main")
    (number,) = github.world.installations
    heard()
    path = f"/_sandbox/installations/{number}/permissions"
    assert person("PUT", path, {"statuses": "write", "metadata": "read"}).status_code == 200
    assert heard() == []
    for visitor in (installed, Visitor(github, access_token(app, number))):
        body = {"name": "Sigil", "head_sha": sha}
        refused = visitor("POST", f"{WEATHER}/check-runs", body)
        assert refused.status_code == 403
        assert refused.json()["message"] == "Resource not accessible by integration"
        assert refused.headers["X-Accepted-GitHub-Permissions"] == "checks=write"
        status = visitor("POST", f"{WEATHER}/statuses/{sha}", {"state": "success"})
        assert status.status_code == 201
    assert app("GET", f"/app/installations/{number}").json()["permissions"] == {
        "statuses": "write",
        "metadata": "read",
    }
    # Without reading the contents no push is heard of.
    tree.commit("More", a="2\n")
    tree.push("main")
    assert heard() == []
    page = f"/settings/installations/{number}"
    assert "asks for more" in person("GET", page).text
    person("POST", f"{page}/accept")
    assert heard() == ["installation.new_permissions_accepted"]
    body = {"name": "Sigil", "head_sha": sha}
    fresh = Visitor(github, access_token(app, number))
    assert fresh("POST", f"{WEATHER}/check-runs", body).status_code == 201


def test_an_app_suspends_and_removes_its_own_installation(
    installed: Visitor, app: Visitor, github: GitHubStandIn, heard: Callable[[], list[str]]
) -> None:
    (number,) = github.world.installations
    heard()
    path = f"/app/installations/{number}"
    assert app("PUT", f"{path}/suspended").status_code == 204
    assert installed("GET", WEATHER).status_code == 403
    assert app("DELETE", f"{path}/suspended").status_code == 204
    assert installed("GET", WEATHER).status_code == 200
    assert app("DELETE", path).status_code == 204
    assert app("GET", path).status_code == 404
    assert heard() == ["installation.suspend", "installation.unsuspend", "installation.deleted"]
