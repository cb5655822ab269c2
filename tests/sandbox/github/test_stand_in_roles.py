"""Who may do what in a repository, and how the App finds out."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.github import GitHubStandIn
from tests.sandbox.github.conftest import access_token
from tests.sandbox.github.people import WEATHER, Person, grant, make_person
from tests.sandbox.github.visitors import Tree, Visitor

COLLABORATORS = f"{WEATHER}/collaborators"


@pytest.fixture
def hubot(github: GitHubStandIn) -> Person:
    """Somebody else."""
    return make_person(github, "hubot")


@pytest.mark.parametrize(
    ("role", "permission"),
    [
        ("pull", "read"),
        ("triage", "read"),
        ("push", "write"),
        ("maintain", "write"),
        ("admin", "admin"),
    ],
)
def test_a_role_is_told_in_the_old_words_and_by_its_name(
    installed: Visitor, person: Visitor, hubot: Person, role: str, permission: str
) -> None:
    grant(person, hubot, role)
    told = installed("GET", f"{COLLABORATORS}/hubot/permission").json()
    named = {"pull": "read", "push": "write"}.get(role, role)
    assert (told["permission"], told["role_name"]) == (permission, named)
    assert told["user"]["permissions"]["push"] is (permission != "read")
    assert told["user"]["permissions"]["triage"] is (named != "read")


def test_strangers_read_what_is_public_and_nobody_else_is_known(
    installed: Visitor, hubot: Person
) -> None:
    assert installed("GET", f"{COLLABORATORS}/hubot/permission").json()["permission"] == "read"
    assert installed("GET", f"{COLLABORATORS}/octocat/permission").json()["role_name"] == "admin"
    for name in ("nobody", "sigil[bot]"):
        answer = installed("GET", f"{COLLABORATORS}/{name}/permission")
        assert (answer.status_code, answer.json()["message"]) == (404, f"{name} is not a user")


def test_strangers_have_no_permission_in_private(
    person: Visitor, hubot: Person, install: Callable[..., int]
) -> None:
    person("POST", "/user/repos", {"name": "hidden", "private": True, "auto_init": True})
    hidden = "/repos/octocat/hidden"
    told = person("GET", f"{hidden}/collaborators/hubot/permission").json()
    assert (told["permission"], told["role_name"]) == ("none", "none")
    assert hubot.rest("GET", hidden).status_code == 404
    invitation = person("PUT", f"{hidden}/collaborators/hubot", {"permission": "pull"}).json()
    assert hubot.rest("GET", hidden).status_code == 404
    hubot.rest("PATCH", f"/user/repository_invitations/{invitation['id']}")
    assert hubot.rest("GET", hidden).json()["permissions"]["pull"] is True
    assert hubot.rest("GET", f"{hidden}/contents/README.md").status_code == 200


def test_an_invitation_counts_when_it_is_accepted(
    installed: Visitor, person: Visitor, hubot: Person
) -> None:
    asked = person("PUT", f"{COLLABORATORS}/hubot")
    assert (asked.status_code, asked.json()["permissions"]) == (201, "write")
    again = person("PUT", f"{COLLABORATORS}/hubot", {"permission": "admin"}).json()
    assert (again["id"], again["permissions"]) == (asked.json()["id"], "admin")
    assert installed("GET", f"{COLLABORATORS}/hubot").status_code == 404
    (mine,) = hubot.rest("GET", "/user/repository_invitations").json()
    assert person("PATCH", f"/user/repository_invitations/{mine['id']}").status_code == 404
    assert hubot.rest("PATCH", f"/user/repository_invitations/{mine['id']}").status_code == 204
    assert installed("GET", f"{COLLABORATORS}/hubot").status_code == 204
    listed = installed("GET", COLLABORATORS).json()
    assert {one["login"]: one["role_name"] for one in listed} == {
        "octocat": "admin",
        "hubot": "admin",
    }
    assert person("PUT", f"{COLLABORATORS}/hubot", {"permission": "pull"}).status_code == 204
    assert hubot.rest("DELETE", f"{COLLABORATORS}/hubot").status_code == 204
    assert installed("GET", f"{COLLABORATORS}/hubot").status_code == 404


def test_only_admins_give_roles(
    person: Visitor, hubot: Person, github: GitHubStandIn, tree: Tree
) -> None:
    ghost = make_person(github, "ghost")
    assert ghost.rest("PUT", f"{COLLABORATORS}/hubot").status_code == 403
    grant(person, hubot, "maintain")
    refused = hubot.rest("PUT", f"{COLLABORATORS}/ghost")
    assert refused.json()["message"] == "Must have admin rights to Repository."
    assert person("PUT", f"{COLLABORATORS}/nobody").status_code == 404
    assert person("PUT", f"{COLLABORATORS}/octocat").status_code == 422
    assert person("PUT", f"{COLLABORATORS}/ghost", {"permission": "king"}).status_code == 422
    declined = person("PUT", f"{COLLABORATORS}/ghost").json()["id"]
    assert ghost.rest("DELETE", f"/user/repository_invitations/{declined}").status_code == 204
    assert ghost.rest("GET", "/user/repository_invitations").json() == []


def test_strangers_do_not_learn_who_collaborates(
    hubot: Person, github: GitHubStandIn, repository: str, app: Visitor, install: Any
) -> None:
    assert hubot.rest("GET", f"{COLLABORATORS}/octocat/permission").status_code == 403
    assert Visitor(github, None)("GET", COLLABORATORS).status_code == 401
    other = Visitor(github, github.token)("POST", "/user/repos", {"name": "other"}).json()
    elsewhere = Visitor(github, access_token(app, install(other["full_name"])))
    assert elsewhere("GET", f"{COLLABORATORS}/octocat/permission").status_code == 403


def test_writers_push_and_readers_do_not(
    person: Visitor, hubot: Person, tree: Tree, github: GitHubStandIn
) -> None:
    tree.commit("Begin", a="1\n")
    tree.push("main")
    grant(person, hubot, "triage")
    theirs = Tree(tree.folder.parent / "theirs", github, "octocat/weather", token=hubot.token)
    theirs.git("pull", "--quiet", github.git_url("octocat/weather"), "main")
    theirs.commit("Theirs", b="1\n")
    with pytest.raises(AssertionError, match="denied to hubot"):
        theirs.push("main")
    grant(person, hubot, "push")
    theirs.push("main")
    assert len(person("GET", f"{WEATHER}/commits").json()) == 2
