"""Pull requests between branches of one repository: what is answered, and what is announced."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.github import GitHubStandIn
from tests.polling import eventually
from tests.sandbox.github.conftest import access_token
from tests.sandbox.github.people import WEATHER, branch, grant, make_person, open_pull
from tests.sandbox.github.visitors import Receiver, Tree, Visitor

PULLS = f"{WEATHER}/pulls"


@pytest.fixture
def pushed(tree: Tree) -> str:
    """The first commit of main."""
    sha = tree.commit("Begin", mcp_yaml="schema: 1\n")
    tree.push("main")
    return sha


@pytest.fixture
def heard(github: GitHubStandIn, receiver: Receiver) -> Callable[[], list[Any]]:
    """The pull request events so far."""

    def look() -> list[Any]:
        eventually(github.hooks.idle)
        return [one.payload for one in receiver.received if one.name.startswith("pull_request.")]

    return look


def _message(answer: Any) -> str:
    assert answer.status_code == 422, answer.text
    return str(answer.json()["errors"][0].get("message", answer.json()["errors"][0]["code"]))


def test_opening_is_announced_and_the_commit_is_kept_under_its_own_ref(
    installed: Visitor,
    person: Visitor,
    tree: Tree,
    pushed: str,
    heard: Callable[[], list[Any]],
    receiver: Receiver,
) -> None:
    head = branch(tree)
    pull = open_pull(person, body="Why", draft=True)
    assert (pull["number"], pull["state"], pull["draft"]) == (1, "open", True)
    assert (pull["commits"], pull["changed_files"], pull["additions"]) == (1, 1, 1)
    assert (pull["head"]["label"], pull["head"]["sha"]) == ("octocat:feature", head)
    assert (pull["base"]["ref"], pull["base"]["sha"]) == ("main", pushed)
    assert (pull["mergeable"], pull["mergeable_state"]) == (True, "draft")
    (event,) = heard()
    assert (event["action"], event["number"]) == ("opened", 1)
    assert event["sender"]["login"] == "octocat"
    assert event["pull_request"]["mergeable"] is None
    assert event["installation"]["id"]
    requested = receiver.payloads("check_suite.requested")[-1]["check_suite"]
    assert (requested["head_branch"], requested["head_sha"]) == ("feature", head)
    kept = installed("GET", f"{WEATHER}/git/ref/pull/1/head").json()
    assert kept["object"]["sha"] == head
    merge = installed("GET", f"{WEATHER}/commits/{pull['merge_commit_sha']}").json()
    assert [one["sha"] for one in merge["parents"]] == [pushed, head]


def test_a_check_run_knows_the_pull_request_of_its_branch(
    installed: Visitor, person: Visitor, tree: Tree, pushed: str
) -> None:
    head = branch(tree)
    open_pull(person)
    run = installed("POST", f"{WEATHER}/check-runs", {"name": "Sigil", "head_sha": head}).json()
    assert [one["number"] for one in run["pull_requests"]] == [1]
    person("PATCH", f"{PULLS}/1", {"state": "closed"})
    assert installed("GET", f"{WEATHER}/check-runs/{run['id']}").json()["pull_requests"] == []


def test_files_and_commits_are_those_that_the_head_has_more(
    installed: Visitor, person: Visitor, tree: Tree, pushed: str
) -> None:
    first = branch(tree, a="1\n")
    tree.git("checkout", "--quiet", "main")
    tree.commit("Meanwhile", other="1\n")
    tree.push("main")
    tree.git("checkout", "--quiet", "feature")
    second = tree.commit("More", b="2\n", mcp_yaml="schema: 2\n")
    tree.push("feature")
    open_pull(person)
    files = installed("GET", f"{PULLS}/1/files").json()
    assert {one["filename"]: one["status"] for one in files} == {
        "a": "added",
        "b": "added",
        "mcp_yaml": "modified",
    }
    assert "+schema: 2" in files[2]["patch"]
    commits = installed("GET", f"{PULLS}/1/commits?per_page=1")
    assert [one["sha"] for one in commits.json()] == [first]
    assert "page=2" in commits.links["next"]["url"]
    of_commit = installed("GET", f"{WEATHER}/commits/{second}/pulls").json()
    assert [one["number"] for one in of_commit] == [1]


def test_what_cannot_be_merged_is_not_opened(person: Visitor, tree: Tree, pushed: str) -> None:
    tree.push("main:same")
    branch(tree)
    open_pull(person)
    body = {"title": "Again", "head": "feature", "base": "main"}
    again = person("POST", PULLS, body)
    assert _message(again) == "A pull request already exists for octocat:feature."
    nothing = person("POST", PULLS, body | {"head": "same"})
    assert _message(nothing) == "No commits between main and same"
    assert _message(person("POST", PULLS, body | {"head": "gone"})) == "invalid"
    assert _message(person("POST", PULLS, body | {"base": "gone"})) == "invalid"
    assert _message(person("POST", PULLS, body | {"head": "nobody:feature"})) == "invalid"
    assert _message(person("POST", PULLS, body | {"title": " "})) == "missing_field"
    tree.git("checkout", "--quiet", "--orphan", "alone")
    tree.commit("Alone", x="1")
    tree.push("alone")
    assert "no history in common" in _message(person("POST", PULLS, body | {"head": "alone"}))


def test_a_push_to_the_head_is_a_synchronization(
    person: Visitor, installed: Visitor, tree: Tree, pushed: str, heard: Callable[[], list[Any]]
) -> None:
    first = branch(tree)
    open_pull(person)
    second = tree.commit("More", more="1\n")
    tree.push("feature")
    event = heard()[-1]
    assert (event["action"], event["before"], event["after"]) == ("synchronize", first, second)
    assert event["pull_request"]["head"]["sha"] == second
    assert installed("GET", f"{WEATHER}/git/ref/pull/1/head").json()["object"]["sha"] == second
    tree.push("feature:elsewhere")
    assert len(heard()) == 2


def test_closing_and_opening_again(
    person: Visitor, installed: Visitor, tree: Tree, pushed: str, heard: Callable[[], list[Any]]
) -> None:
    branch(tree)
    open_pull(person)
    closed = person("PATCH", f"{PULLS}/1", {"state": "closed"}).json()
    assert (closed["state"], closed["merged"]) == ("closed", False)
    assert closed["closed_at"]
    second = tree.commit("While it is closed", more="1\n")
    tree.push("feature")
    assert person("PATCH", f"{PULLS}/1", {"state": "open"}).json()["head"]["sha"] == second
    person("PATCH", f"{PULLS}/1", {"state": "open"})
    assert [one["action"] for one in heard()] == ["opened", "closed", "reopened"]
    person("PATCH", f"{PULLS}/1", {"state": "closed"})
    tree.git("commit", "--quiet", "--amend", "-m", "Other")
    tree.push("--force", "feature")
    refused = person("PATCH", f"{PULLS}/1", {"state": "open"})
    assert _message(refused).endswith("The feature branch was force-pushed or recreated.")
    tree.push("--delete", "feature")
    refused = person("PATCH", f"{PULLS}/1", {"state": "open"})
    assert _message(refused).endswith("The feature branch has been deleted.")
    assert installed("GET", f"{PULLS}/1").json()["head"]["sha"] == second


def test_deleting_the_branch_closes(
    person: Visitor, installed: Visitor, tree: Tree, pushed: str, heard: Callable[[], list[Any]]
) -> None:
    branch(tree)
    open_pull(person)
    assert person("DELETE", f"{WEATHER}/git/refs/heads/feature").status_code == 204
    assert heard()[-1]["action"] == "closed"
    assert heard()[-1]["pull_request"]["merged"] is False


def test_merging_pushes_a_merge_commit(
    person: Visitor,
    installed: Visitor,
    tree: Tree,
    pushed: str,
    heard: Callable[[], list[Any]],
    receiver: Receiver,
) -> None:
    head = branch(tree)
    open_pull(person)
    assert installed("GET", f"{PULLS}/1/merge").status_code == 404
    stale = person("PUT", f"{PULLS}/1/merge", {"sha": "f" * 40})
    assert (stale.status_code, "was modified" in stale.json()["message"]) == (409, True)
    merged = person("PUT", f"{PULLS}/1/merge", {"sha": head}).json()
    assert merged["merged"] is True
    event, push = heard()[-1], receiver.payloads("push")[-1]
    assert (event["action"], event["pull_request"]["merged"]) == ("closed", True)
    assert event["pull_request"]["merged_by"]["login"] == "octocat"
    assert event["pull_request"]["merge_commit_sha"] == merged["sha"] == push["after"]
    assert (push["ref"], push["before"], push["forced"]) == ("refs/heads/main", pushed, False)
    assert push["head_commit"]["message"].startswith("Merge pull request #1 from octocat/feature")
    assert installed("GET", f"{PULLS}/1/merge").status_code == 204
    assert person("PUT", f"{PULLS}/1/merge").status_code == 405
    assert _message(person("PATCH", f"{PULLS}/1", {"state": "open"})).endswith(
        "The pull request cannot be reopened."
    )


def test_squashing_leaves_one_parent(person: Visitor, tree: Tree, pushed: str) -> None:
    branch(tree)
    open_pull(person)
    assert person("PUT", f"{PULLS}/1/merge", {"merge_method": "rebase"}).status_code == 405
    merged = person("PUT", f"{PULLS}/1/merge", {"merge_method": "squash"}).json()
    commit = person("GET", f"{WEATHER}/commits/{merged['sha']}").json()
    assert [one["sha"] for one in commit["parents"]] == [pushed]
    assert commit["commit"]["message"] == "A change (#1)"


def test_conflicts_and_drafts_are_not_merged(person: Visitor, tree: Tree, pushed: str) -> None:
    branch(tree, mcp_yaml="schema: 3\n")
    open_pull(person, draft=True)
    assert "draft" in person("PUT", f"{PULLS}/1/merge").json()["message"]
    branch(tree, "other", mcp_yaml="schema: 4\n")
    open_pull(person, "other")
    tree.git("checkout", "--quiet", "main")
    tree.commit("Meanwhile", mcp_yaml="schema: 5\n")
    tree.push("main")
    found = person("GET", f"{PULLS}/2").json()
    assert (found["mergeable"], found["mergeable_state"]) == (False, "dirty")
    assert person("PUT", f"{PULLS}/2/merge").status_code == 405


def test_merging_by_hand_is_noticed(
    person: Visitor, installed: Visitor, tree: Tree, pushed: str, heard: Callable[[], list[Any]]
) -> None:
    head = branch(tree)
    open_pull(person)
    tree.push("feature:main")
    event = heard()[-1]
    assert (event["action"], event["pull_request"]["merged"]) == ("closed", True)
    assert event["pull_request"]["merge_commit_sha"] == head


def test_editing_says_what_was_there_before(
    person: Visitor, installed: Visitor, tree: Tree, pushed: str, heard: Callable[[], list[Any]]
) -> None:
    tree.push("main:stable", "main:done")
    branch(tree)
    open_pull(person, body="Old")
    person("PATCH", f"{PULLS}/1", {"title": "New", "body": "Newer", "base": "stable"})
    event = heard()[-1]
    assert event["action"] == "edited"
    assert event["changes"]["title"] == {"from": "A change"}
    assert event["changes"]["body"] == {"from": "Old"}
    assert event["changes"]["base"] == {"ref": {"from": "main"}, "sha": {"from": pushed}}
    assert event["pull_request"]["base"]["ref"] == "stable"
    person("PATCH", f"{PULLS}/1", {"title": "New"})
    assert len(heard()) == 2
    assert "gone" in _message(person("PATCH", f"{PULLS}/1", {"base": "gone"}))
    tree.push("feature:done")
    assert "no new commits" in _message(person("PATCH", f"{PULLS}/1", {"base": "done"}))
    person("PATCH", f"{PULLS}/1", {"state": "closed"})
    assert "closed" in _message(person("PATCH", f"{PULLS}/1", {"base": "main"}))


def test_lists_are_filtered(person: Visitor, tree: Tree, pushed: str) -> None:
    tree.push("main:stable")
    for name in ("one", "two", "three"):
        branch(tree, name)
        open_pull(person, name, base="stable" if name == "three" else "main")
    person("PATCH", f"{PULLS}/1", {"state": "closed"})

    def numbers(query: str) -> list[int]:
        return [one["number"] for one in person("GET", f"{PULLS}?{query}").json()]

    assert numbers("") == [3, 2]
    assert numbers("state=all&direction=asc") == [1, 2, 3]
    assert numbers("state=closed") == [1]
    assert numbers("base=stable") == [3]
    assert numbers("head=octocat:two") == [2]
    assert numbers("head=octocat:none") == []
    assert numbers("sort=updated&per_page=1") == [3]


def test_the_app_opens_a_pull_request_from_a_file_that_it_wrote(
    installed: Visitor, person: Visitor, pushed: str, heard: Callable[[], list[Any]]
) -> None:
    ref = {"ref": "refs/heads/sigil/manifest", "sha": pushed}
    assert installed("POST", f"{WEATHER}/git/refs", ref).status_code == 201
    file = {"message": "Add it", "content": "eDogMQo=", "branch": "sigil/manifest"}
    assert installed("PUT", f"{WEATHER}/contents/new.yaml", file).status_code == 201
    pull = open_pull(installed, "sigil/manifest")
    assert pull["user"]["login"] == "sigil[bot]"
    assert pull["author_association"] == "NONE"
    assert heard()[-1]["sender"] == pull["user"]
    issue = person("GET", f"{WEATHER}/issues/1").json()
    assert issue["performed_via_github_app"]["slug"] == "sigil"
    assert issue["pull_request"]["url"] == pull["url"]


def test_the_app_needs_the_permission(
    app: Visitor, github: GitHubStandIn, tree: Tree, install: Callable[..., int]
) -> None:
    tree.commit("Begin", a="1\n")
    tree.push("main")
    branch(tree)
    number = install("octocat/weather")
    reading = Visitor(github, access_token(app, number, permissions={"pull_requests": "read"}))
    body = {"title": "x", "head": "feature", "base": "main"}
    assert reading("POST", PULLS, body).status_code == 403
    assert reading("GET", PULLS).json() == []
    assert Visitor(github, None)("POST", PULLS, body).status_code == 401


def test_strangers_neither_merge_nor_close(
    github: GitHubStandIn, person: Visitor, tree: Tree, pushed: str
) -> None:
    branch(tree)
    open_pull(person)
    stranger = make_person(github, "hubot")
    assert stranger.rest("PUT", f"{PULLS}/1/merge").status_code == 403
    assert stranger.rest("PATCH", f"{PULLS}/1", {"state": "closed"}).status_code == 403
    body = {"title": "x", "head": "feature", "base": "main"}
    assert _message(stranger.rest("POST", PULLS, body)) == "must be a collaborator"
    grant(person, stranger, "triage")
    assert stranger.rest("PATCH", f"{PULLS}/1", {"title": "Mine"}).status_code == 403
    assert stranger.rest("PATCH", f"{PULLS}/1", {"state": "closed"}).status_code == 200


def test_nobody_pushes_to_the_refs_of_a_pull_request(
    person: Visitor, tree: Tree, pushed: str, github: GitHubStandIn
) -> None:
    branch(tree)
    open_pull(person)
    done = subprocess.run(
        ["git", "push", github.git_url("octocat/weather"), "main:refs/pull/1/head"],
        cwd=tree.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "hidden ref" in done.stderr
