"""Forks and the pull requests that come from them."""

import base64
import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.github import GitHubStandIn
from tests.polling import eventually
from tests.sandbox.github.people import (
    WEATHER,
    Person,
    branch,
    fork,
    make_person,
    open_pull,
)
from tests.sandbox.github.visitors import Receiver, Tree, Visitor

PULLS = f"{WEATHER}/pulls"


@pytest.fixture
def hubot(github: GitHubStandIn, tree: Tree) -> Person:
    """A stranger to the repository, which has one commit."""
    tree.commit("Begin", mcp_yaml="schema: 1\n")
    tree.push("main")
    return make_person(github, "hubot")


@pytest.fixture
def forked(hubot: Person, tmp_path: Path) -> Tree:
    """The stranger's work tree, which pushes to the fork."""
    return fork(hubot, tmp_path / "fork")


def test_a_fork_is_a_repository_of_its_own(hubot: Person, person: Visitor, forked: Tree) -> None:
    branch(forked)
    made = hubot.rest("GET", "/repos/hubot/weather").json()
    assert (made["fork"], made["owner"]["login"]) == (True, "hubot")
    assert made["parent"]["full_name"] == made["source"]["full_name"] == "octocat/weather"
    assert made["default_branch"] == "main"
    again = hubot.rest("POST", f"{WEATHER}/forks").json()
    assert again["id"] == made["id"]
    assert [one["full_name"] for one in person("GET", f"{WEATHER}/forks").json()] == [
        "hubot/weather"
    ]
    assert person("GET", WEATHER).json()["forks_count"] == 1
    assert person("GET", f"{WEATHER}/branches/feature").status_code == 404


def test_the_owner_of_the_original_may_not_push_to_the_fork(
    forked: Tree, github: GitHubStandIn
) -> None:
    forked.commit("Mine", a="1\n")
    done = subprocess.run(
        ["git", "push", github.git_url("hubot/weather"), "main"],
        cwd=forked.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Permission to hubot/weather.git denied to octocat" in done.stderr


def test_the_original_serves_the_commits_of_the_fork(
    installed: Visitor, hubot: Person, forked: Tree
) -> None:
    head = branch(forked, new="from the fork\n")
    redirect = installed("GET", f"{WEATHER}/tarball/{head}", allow_redirects=False)
    answer = requests.get(redirect.headers["Location"], timeout=30)
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        assert f"octocat-weather-{head[:7]}/new" in archive.getnames()
    content = installed("GET", f"{WEATHER}/contents/new?ref={head}").json()
    assert base64.b64decode(content["content"]) == b"from the fork\n"
    for there in (head, "hubot:feature"):
        compared = installed("GET", f"{WEATHER}/compare/main...{there}").json()
        assert [one["filename"] for one in compared["files"]] == ["new"]
    open_pull(hubot.rest, "hubot:feature")
    compared = installed("GET", f"{WEATHER}/compare/main...refs/pull/1/head").json()
    assert [one["sha"] for one in compared["commits"]] == [head]
    assert installed("GET", f"{WEATHER}/compare/main...nobody:feature").status_code == 404


def test_only_the_original_hears_of_a_pull_request_from_a_fork(
    installed: Visitor, hubot: Person, forked: Tree, receiver: Receiver, github: GitHubStandIn
) -> None:
    eventually(github.hooks.idle)
    before = len(receiver.received)
    first = branch(forked)
    open_pull(hubot.rest, "hubot:feature")
    second = forked.commit("More", more="1\n")
    forked.push("feature")
    hubot.rest("PATCH", f"{PULLS}/1", {"state": "closed"})
    eventually(github.hooks.idle)
    heard = receiver.received[before:]
    assert [one.name for one in heard] == [
        "pull_request.opened",
        "pull_request.synchronize",
        "pull_request.closed",
    ]
    opened, moved, closed = (one.payload for one in heard)
    assert opened["pull_request"]["head"]["repo"]["full_name"] == "hubot/weather"
    assert opened["pull_request"]["head"]["repo"]["fork"] is True
    assert opened["pull_request"]["base"]["repo"]["full_name"] == "octocat/weather"
    assert opened["repository"]["full_name"] == "octocat/weather"
    assert {one["sender"]["login"] for one in (opened, moved, closed)} == {"hubot"}
    assert (moved["before"], moved["after"]) == (first, second)
    assert opened["pull_request"]["author_association"] == "NONE"


def test_a_check_run_of_a_fork_has_no_pull_request(
    installed: Visitor, hubot: Person, forked: Tree
) -> None:
    head = branch(forked)
    open_pull(hubot.rest, "hubot:feature")
    run = installed("POST", f"{WEATHER}/check-runs", {"name": "Sigil", "head_sha": head}).json()
    suite = installed("GET", f"{WEATHER}/check-suites/{run['check_suite']['id']}").json()
    assert run["pull_requests"] == suite["pull_requests"] == []
    assert suite["head_branch"] is None


def test_the_repository_of_the_head_may_be_gone(
    installed: Visitor, hubot: Person, forked: Tree, github: GitHubStandIn
) -> None:
    head = branch(forked)
    open_pull(hubot.rest, "hubot:feature")
    assert hubot.rest("DELETE", "/repos/hubot/weather").status_code == 204
    pull = installed("GET", f"{PULLS}/1").json()
    assert pull["head"]["repo"] is None
    assert (pull["head"]["label"], pull["head"]["sha"]) == ("hubot:feature", head)
    assert installed("GET", f"{WEATHER}/commits/{head}").status_code == 200
    hubot.rest("PATCH", f"{PULLS}/1", {"state": "closed"})
    refused = hubot.rest("PATCH", f"{PULLS}/1", {"state": "open"})
    assert "has been deleted" in refused.json()["errors"][0]["message"]


def test_a_fork_is_merged_into_the_original(
    installed: Visitor, hubot: Person, person: Visitor, forked: Tree
) -> None:
    head = branch(forked)
    open_pull(hubot.rest, "hubot:feature")
    assert hubot.rest("PUT", f"{PULLS}/1/merge").status_code == 403
    merged = person("PUT", f"{PULLS}/1/merge").json()
    parents = person("GET", f"{WEATHER}/commits/{merged['sha']}").json()["parents"]
    assert parents[1]["sha"] == head
    again = branch(forked, "second", x="1\n")
    assert open_pull(hubot.rest, "hubot:second")["author_association"] == "CONTRIBUTOR"
    assert again


def test_nothing_to_merge_names_both_owners(hubot: Person, forked: Tree) -> None:
    body = {"title": "x", "head": "hubot:main", "base": "main"}
    refused = hubot.rest("POST", PULLS, body).json()["errors"][0]
    assert refused["message"] == "No commits between octocat:main and hubot:main"


def test_what_nobody_may_see_is_not_forked(
    person: Visitor, github: GitHubStandIn, repository: str
) -> None:
    stranger = make_person(github, "hubot")
    person("POST", "/user/repos", {"name": "hidden", "private": True, "auto_init": True})
    assert stranger.rest("POST", "/repos/octocat/hidden/forks").status_code == 404
    assert stranger.rest("POST", f"{WEATHER}/forks").status_code == 403
    assert Visitor(github, None)("POST", f"{WEATHER}/forks").status_code == 401


def test_an_installation_on_the_fork_hears_of_its_pushes(
    installed: Visitor,
    hubot: Person,
    forked: Tree,
    receiver: Receiver,
    github: GitHubStandIn,
    app: Visitor,
) -> None:
    clicked: Callable[..., Any] = requests.post
    clicked(
        f"{github.url}/apps/sigil/installations/new",
        data={"repository": "hubot/weather"},
        headers={"X-Sandbox-User": "hubot"},
        timeout=30,
    )
    head = branch(forked)
    eventually(github.hooks.idle)
    push = receiver.payloads("push")[-1]
    assert (push["repository"]["full_name"], push["after"]) == ("hubot/weather", head)
    assert push["sender"]["login"] == "hubot"
    numbers = {
        one["account"]["login"]: one["id"] for one in app("GET", "/app/installations").json()
    }
    assert push["installation"]["id"] == numbers["hubot"]
