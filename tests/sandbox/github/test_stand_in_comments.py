"""Issues, comments and reactions: who may, what is refused, and what is announced."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.github import GitHubStandIn
from tests.polling import eventually
from tests.sandbox.github.conftest import access_token
from tests.sandbox.github.people import WEATHER, Person, branch, grant, make_person, open_pull
from tests.sandbox.github.visitors import Receiver, Tree, Visitor

ON_PULL = f"{WEATHER}/issues/1/comments"
COMMENTS = f"{WEATHER}/issues/comments"


@pytest.fixture
def pull(tree: Tree, person: Visitor, installed: Visitor) -> Any:
    """Pull request 1."""
    tree.commit("Begin", a="1\n")
    tree.push("main")
    branch(tree)
    return open_pull(person)


@pytest.fixture
def hubot(github: GitHubStandIn) -> Person:
    """Somebody else."""
    return make_person(github, "hubot")


@pytest.fixture
def heard(github: GitHubStandIn, receiver: Receiver) -> Callable[[], list[Any]]:
    """The comment events so far."""

    def look() -> list[Any]:
        eventually(github.hooks.idle)
        return [one.payload for one in receiver.received if one.name.startswith("issue_comment")]

    return look


def test_a_persons_comment_is_announced_with_who_they_are(
    person: Visitor, hubot: Person, pull: Any, heard: Callable[[], list[Any]]
) -> None:
    made = hubot.rest("POST", ON_PULL, {"body": "/sigil deploy"})
    assert made.status_code == 201
    assert made.json()["author_association"] == "NONE"
    assert made.json()["performed_via_github_app"] is None
    grant(person, hubot, "write")
    hubot.rest("POST", ON_PULL, {"body": "Again"})
    person("POST", ON_PULL, {"body": "Mine"})
    events = heard()
    assert [one["comment"]["author_association"] for one in events] == [
        "NONE",
        "COLLABORATOR",
        "OWNER",
    ]
    first = events[0]
    assert (first["action"], first["sender"]["login"]) == ("created", "hubot")
    assert first["comment"]["body"] == "/sigil deploy"
    assert first["issue"]["number"] == 1
    assert first["issue"]["pull_request"]["url"] == pull["url"]
    assert person("GET", f"{WEATHER}/pulls/1").json()["comments"] == 3


def test_the_apps_comment_is_its_bots_and_is_changed_in_place(
    installed: Visitor, person: Visitor, pull: Any, heard: Callable[[], list[Any]]
) -> None:
    made = installed("POST", ON_PULL, {"body": "Building"}).json()
    assert (made["user"]["login"], made["user"]["type"]) == ("sigil[bot]", "Bot")
    assert made["performed_via_github_app"]["slug"] == "sigil"
    own = f"{COMMENTS}/{made['id']}"
    assert installed("PATCH", own, {"body": "Live"}).json()["body"] == "Live"
    installed("PATCH", own, {"body": "Live"})
    assert person("GET", own).json()["body"] == "Live"
    assert installed("DELETE", own).status_code == 204
    assert installed("GET", own).status_code == 404
    created, edited, deleted = heard()
    assert edited["changes"] == {"body": {"from": "Building"}}
    assert (edited["action"], deleted["action"]) == ("edited", "deleted")
    assert {one["sender"]["login"] for one in (created, edited, deleted)} == {"sigil[bot]"}


def test_comments_are_listed_oldest_first(installed: Visitor, pull: Any) -> None:
    for number in range(3):
        installed("POST", ON_PULL, {"body": f"Comment {number}"})
    listed = installed("GET", f"{ON_PULL}?per_page=2")
    assert [one["body"] for one in listed.json()] == ["Comment 0", "Comment 1"]
    assert "next" in listed.links
    assert installed("GET", f"{ON_PULL}?since=2999-01-01T00:00:00Z").json() == []


def test_texts_have_limits(installed: Visitor, pull: Any) -> None:
    assert installed("POST", ON_PULL, {"body": "ü" * 65_536}).status_code == 201
    refused = installed("POST", ON_PULL, {"body": "x" * 65_537})
    assert refused.status_code == 422
    words = "body is too long (maximum is 65536 characters)"
    assert refused.json()["errors"][0]["message"] == words
    assert installed("POST", ON_PULL, {"body": "  "}).status_code == 422
    assert installed("POST", ON_PULL, {"body": None}).status_code == 422
    assert installed("POST", ON_PULL, {}).status_code == 422
    assert installed("POST", f"{WEATHER}/issues/9/comments", {"body": "x"}).status_code == 404
    wide = {"title": "x" * 257, "head": "feature", "base": "main"}
    assert installed("POST", f"{WEATHER}/pulls", wide).status_code == 422


def test_others_comments_are_not_a_strangers_to_change(
    person: Visitor, installed: Visitor, hubot: Person, pull: Any
) -> None:
    own = f"{COMMENTS}/{person('POST', ON_PULL, {'body': 'Mine'}).json()['id']}"
    assert hubot.rest("PATCH", own, {"body": "Theirs"}).status_code == 403
    assert hubot.rest("DELETE", own).status_code == 403
    grant(person, hubot, "write")
    assert hubot.rest("PATCH", own, {"body": "Theirs"}).status_code == 200
    assert installed("PATCH", own, {"body": "The App's"}).status_code == 200


def test_reactions_are_left_once_each(
    installed: Visitor,
    person: Visitor,
    hubot: Person,
    pull: Any,
    heard: Callable[[], list[Any]],
    github: GitHubStandIn,
    app: Visitor,
) -> None:
    own = f"{COMMENTS}/{person('POST', ON_PULL, {'body': '/sigil help'}).json()['id']}"
    (installation,) = github.world.installations.values()
    installation.permissions["issues"] = "write"
    installed = Visitor(github, access_token(app, installation.id))
    first = installed("POST", f"{own}/reactions", {"content": "eyes"})
    assert (first.status_code, first.json()["user"]["login"]) == (201, "sigil[bot]")
    again = installed("POST", f"{own}/reactions", {"content": "eyes"})
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    hubot.rest("POST", f"{own}/reactions", {"content": "rocket"})
    assert installed("POST", f"{own}/reactions", {"content": "shrug"}).status_code == 422
    comment = installed("GET", own).json()
    assert (comment["reactions"]["eyes"], comment["reactions"]["total_count"]) == (1, 2)
    listed = person("GET", f"{own}/reactions?content=rocket").json()
    assert [one["user"]["login"] for one in listed] == ["hubot"]
    one = f"{own}/reactions/{first.json()['id']}"
    assert hubot.rest("DELETE", one).status_code == 404
    assert installed("DELETE", one).status_code == 204
    assert len(heard()) == 1


def test_a_plain_issue_is_no_pull_request(
    installed: Visitor, hubot: Person, pull: Any, heard: Callable[[], list[Any]]
) -> None:
    issue = hubot.rest("POST", f"{WEATHER}/issues", {"title": "Broken", "body": "Help"}).json()
    assert (issue["number"], "pull_request" in issue) == (2, False)
    hubot.rest("POST", f"{WEATHER}/issues/2/comments", {"body": "/sigil deploy"})
    (event,) = heard()
    assert "pull_request" not in event["issue"]
    assert installed("GET", f"{WEATHER}/pulls/2").status_code == 404
    listed = installed("GET", f"{WEATHER}/issues").json()
    assert [("pull_request" in one, one["number"]) for one in listed] == [(False, 2), (True, 1)]
    assert installed("GET", f"{WEATHER}/issues/2").json()["title"] == "Broken"


def test_an_app_needs_one_of_two_permissions(
    github: GitHubStandIn, app: Visitor, installed: Visitor, person: Visitor, pull: Any
) -> None:
    person("POST", f"{WEATHER}/issues", {"title": "Plain"})
    own = f"{COMMENTS}/{person('POST', ON_PULL, {'body': 'x'}).json()['id']}"
    (installation,) = github.world.installations.values()
    installation.permissions["issues"] = "write"
    for granted, on_pull, on_issue, reacting in (
        ({"pull_requests": "write"}, 201, 403, 403),
        ({"issues": "write"}, 201, 201, 201),
        ({"issues": "read"}, 403, 403, 403),
    ):
        visitor = Visitor(github, access_token(app, installation.id, permissions=granted))
        assert visitor("POST", ON_PULL, {"body": "x"}).status_code == on_pull
        plain = visitor("POST", f"{WEATHER}/issues/2/comments", {"body": "x"})
        assert plain.status_code == on_issue
        left = visitor("POST", f"{own}/reactions", {"content": "eyes"})
        assert left.status_code == reacting
    assert Visitor(github, None)("POST", ON_PULL, {"body": "x"}).status_code == 401


def test_a_new_issue_is_announced_to_an_app_that_asked(
    installed: Visitor, hubot: Person, github: GitHubStandIn, receiver: Receiver
) -> None:
    (installation,) = github.world.installations.values()
    installation.events.append("issues")
    hubot.rest("POST", f"{WEATHER}/issues", {"title": "Broken"})
    eventually(github.hooks.idle)
    (opened,) = receiver.payloads("issues.opened")
    assert (opened["issue"]["title"], opened["sender"]["login"]) == ("Broken", "hubot")
