"""Other people at the stand-in, their forks and their pull requests, for its tests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from sandbox.github import GitHubStandIn
from tests.sandbox.github.visitors import Tree, Visitor

WEATHER = "/repos/octocat/weather"


@dataclass(frozen=True)
class Person:
    """An account of the stand-in, and what it may be called with."""

    github: GitHubStandIn
    login: str
    token: str
    rest: Visitor

    def git_url(self, full_name: str) -> str:
        """A remote that this person may push to, if the repository allows it."""
        return self.github.git_url(full_name, self.token)

    def click(self, number: int, verb: str, **fields: str) -> requests.Response:
        """Press a button of a pull request's page."""
        page = f"{self.github.url}/octocat/weather/pull/{number}/{verb}"
        return requests.post(page, data={"as": self.login, **fields}, timeout=30)


def make_person(github: GitHubStandIn, login: str) -> Person:
    """A new account."""
    answer = requests.post(f"{github.url}/_sandbox/accounts", json={"login": login}, timeout=30)
    assert answer.status_code == 201, answer.text
    token = answer.json()["token"]
    return Person(github, login, token, Visitor(github, token))


def grant(owner: Visitor, person: Person, role: str) -> None:
    """Give somebody a role in the repository."""
    asked = owner("PUT", f"{WEATHER}/collaborators/{person.login}", {"permission": role})
    if asked.status_code == 201:
        invitation = f"/user/repository_invitations/{asked.json()['id']}"
        assert person.rest("PATCH", invitation).status_code == 204


def fork(person: Person, folder: Path) -> Tree:
    """Fork the repository; a work tree with its main branch, which pushes to the fork."""
    made = person.rest("POST", f"{WEATHER}/forks")
    assert made.status_code == 202, made.text
    name = made.json()["full_name"]
    tree = Tree(folder, person.github, name, token=person.token)
    tree.git("pull", "--quiet", person.git_url(name), "main")
    return tree


def branch(tree: Tree, name: str = "feature", **files: str) -> str:
    """Commit files to a branch and push it; the commit."""
    tree.git("checkout", "--quiet", "-B", name)
    sha = tree.commit(f"Work on {name}", **(files or {name: "1\n"}))
    tree.push("--force", name)
    return sha


def open_pull(visitor: Visitor, head: str = "feature", **fields: Any) -> Any:
    """Open a pull request to main; what GitHub answered."""
    body = {"title": "A change", "head": head, "base": "main", **fields}
    answer = visitor("POST", f"{WEATHER}/pulls", body)
    assert answer.status_code == 201, answer.text
    return answer.json()
