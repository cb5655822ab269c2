"""Writing through REST: files, branches and tags. Each change of a branch is a push."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.github import GitHubStandIn
from tests.polling import eventually
from tests.sandbox.github.conftest import access_token
from tests.sandbox.github.people import WEATHER
from tests.sandbox.github.visitors import Receiver, Tree, Visitor

REFS = f"{WEATHER}/git/refs"


@pytest.fixture
def sha(tree: Tree) -> str:
    """A pushed commit."""
    commit = tree.commit("Begin", mcp_yaml="schema: 1\n", src__a="1\n")
    tree.push("main")
    return commit


@pytest.fixture
def pushes(github: GitHubStandIn, receiver: Receiver) -> Callable[[], list[Any]]:
    """The push events so far."""

    def look() -> list[Any]:
        eventually(github.hooks.idle)
        return receiver.payloads("push")

    return look


def _file(text: str, **fields: str) -> dict[str, str]:
    return {"message": "Write", "content": base64.b64encode(text.encode()).decode(), **fields}


def test_a_file_is_made_changed_and_removed(
    installed: Visitor, sha: str, pushes: Callable[[], list[Any]], tree: Tree
) -> None:
    url = f"{WEATHER}/contents/deep/er/new.txt"
    made = installed("PUT", url, _file("one\n"))
    assert made.status_code == 201
    content, commit = made.json()["content"], made.json()["commit"]
    assert (content["path"], content["type"]) == ("deep/er/new.txt", "file")
    assert [one["sha"] for one in commit["parents"]] == [sha]
    assert commit["author"]["name"] == "sigil[bot]"
    assert commit["committer"]["name"] == "GitHub"
    changed = installed("PUT", url, _file("two\n", sha=content["sha"]))
    assert changed.status_code == 200
    body = {"message": "Away", "sha": changed.json()["content"]["sha"]}
    removed = installed("DELETE", url, body)
    assert (removed.status_code, removed.json()["content"]) == (200, None)
    first, second, third = pushes()[-3:]
    assert (first["before"], first["after"]) == (sha, commit["sha"])
    assert first["commits"][0]["added"] == ["deep/er/new.txt"]
    assert second["commits"][0]["modified"] == ["deep/er/new.txt"]
    assert third["commits"][0]["removed"] == ["deep/er/new.txt"]
    assert first["sender"]["login"] == "sigil[bot]"
    tree.git("fetch", "--quiet", tree.remote, "main")
    assert tree.git("ls-tree", "-r", "--name-only", "FETCH_HEAD").split() == ["mcp_yaml", "src/a"]


def test_a_file_is_not_overwritten_unseen(installed: Visitor, sha: str) -> None:
    url = f"{WEATHER}/contents/mcp_yaml"
    unseen = installed("PUT", url, _file("x"))
    assert unseen.status_code == 422
    assert unseen.json()["message"] == 'Invalid request.\n\n"sha" wasn\'t supplied.'
    stale = installed("PUT", url, _file("x", sha="f" * 40))
    assert (stale.status_code, stale.json()["message"]) == (
        409,
        f"mcp_yaml does not match {'f' * 40}",
    )
    away = {"message": "Away", "sha": "f" * 40}
    assert installed("DELETE", url, away).status_code == 409
    assert installed("DELETE", url, {"message": "Away"}).status_code == 422
    assert installed("DELETE", f"{WEATHER}/contents/gone", away).status_code == 404


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("new", {"branch": "gone"}, 404),
        ("new", {"content": "not base64!"}, 422),
        (".git/config", {}, 422),
        ("mcp_yaml/below", {}, 422),
        ("src", {}, 422),
    ],
)
def test_what_cannot_be_written_is_refused(
    installed: Visitor, sha: str, path: str, fields: dict[str, str], status: int
) -> None:
    answer = installed("PUT", f"{WEATHER}/contents/{path}", _file("x") | fields)
    assert answer.status_code == status, answer.text


def test_the_first_file_of_an_empty_repository_makes_its_branch(
    person: Visitor, installed: Visitor, pushes: Callable[[], list[Any]]
) -> None:
    made = person("PUT", f"{WEATHER}/contents/README.md", _file("# Hello\n"))
    assert made.status_code == 201
    assert made.json()["commit"]["parents"] == []
    (push,) = pushes()
    assert (push["ref"], push["created"]) == ("refs/heads/main", True)
    author = {"name": "Mona", "email": "mona@example.com", "date": "2020-01-01T00:00:00Z"}
    other = person("PUT", f"{WEATHER}/contents/b", _file("b") | {"author": author}).json()
    assert other["commit"]["author"] == author


def test_branches_and_tags_come_move_and_go(
    installed: Visitor, sha: str, tree: Tree, pushes: Callable[[], list[Any]], receiver: Receiver
) -> None:
    made = installed("POST", REFS, {"ref": "refs/heads/sigil/x", "sha": sha})
    assert (made.status_code, made.json()["object"]["sha"]) == (201, sha)
    assert made.headers["Location"] == made.json()["url"]
    again = installed("POST", REFS, {"ref": "refs/heads/sigil/x", "sha": sha})
    assert (again.status_code, again.json()["message"]) == (422, "Reference already exists")
    second = tree.commit("Second", a="2\n")
    tree.push("main")
    moved = installed("PATCH", f"{REFS}/heads/sigil/x", {"sha": second})
    assert moved.json()["object"]["sha"] == second
    back = installed("PATCH", f"{REFS}/heads/sigil/x", {"sha": sha})
    assert back.json()["message"] == "Update is not a fast forward"
    forced = installed("PATCH", f"{REFS}/heads/sigil/x", {"sha": sha, "force": True})
    assert forced.status_code == 200
    assert installed("POST", REFS, {"ref": "refs/tags/v1", "sha": sha}).status_code == 201
    matching = installed("GET", f"{WEATHER}/git/matching-refs/heads/sigil").json()
    assert [one["ref"] for one in matching] == ["refs/heads/sigil/x"]
    assert installed("DELETE", f"{REFS}/heads/sigil/x").status_code == 204
    assert installed("DELETE", f"{REFS}/heads/sigil/x").status_code == 422
    told = [(one["ref"], one["created"], one["forced"], one["deleted"]) for one in pushes()[-5:]]
    assert told == [
        ("refs/heads/main", False, False, False),
        ("refs/heads/sigil/x", False, False, False),
        ("refs/heads/sigil/x", False, True, False),
        ("refs/tags/v1", True, False, False),
        ("refs/heads/sigil/x", False, False, True),
    ]


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("heads/x", "Reference name must contain at least three slash-separated components."),
        ("refs/heads/", "refs/heads/ is not a valid ref name."),
        ("refs/heads/a..b", "refs/heads/a..b is not a valid ref name."),
        ("refs/pull/1/head", "refs/pull/1/head is not a valid ref name."),
    ],
)
def test_bad_names_are_refused(installed: Visitor, sha: str, ref: str, words: str) -> None:
    answer = installed("POST", REFS, {"ref": ref, "sha": sha})
    assert (answer.status_code, answer.json()["message"]) == (422, words)


def test_refs_name_what_is_there(installed: Visitor, sha: str, person: Visitor) -> None:
    unknown = installed("POST", REFS, {"ref": "refs/heads/x", "sha": "f" * 40})
    assert unknown.json()["message"] == "Object does not exist"
    assert installed("PATCH", f"{REFS}/heads/gone", {"sha": sha}).status_code == 422
    person("POST", "/user/repos", {"name": "empty"})
    body = {"ref": "refs/heads/x", "sha": sha}
    assert person("POST", "/repos/octocat/empty/git/refs", body).status_code == 409


def test_trees_and_blobs(installed: Visitor, sha: str) -> None:
    top = installed("GET", f"{WEATHER}/git/trees/{sha}").json()
    assert [(one["path"], one["type"]) for one in top["tree"]] == [
        ("mcp_yaml", "blob"),
        ("src", "tree"),
    ]
    whole = installed("GET", f"{WEATHER}/git/trees/main?recursive=1").json()
    assert [one["path"] for one in whole["tree"]] == ["mcp_yaml", "src", "src/a"]
    assert (whole["sha"], whole["truncated"]) == (top["sha"], False)
    file = whole["tree"][0]
    assert file["size"] == 10
    blob = installed("GET", f"{WEATHER}/git/blobs/{file['sha']}").json()
    assert base64.b64decode(blob["content"]) == b"schema: 1\n"
    assert installed("GET", f"{WEATHER}/git/trees/{'f' * 40}").status_code == 404
    assert installed("GET", f"{WEATHER}/git/blobs/{'f' * 40}").status_code == 404


def test_writing_needs_contents_write(
    app: Visitor, github: GitHubStandIn, sha: str, install: Any
) -> None:
    number = install("octocat/weather")
    reading = Visitor(github, access_token(app, number, permissions={"contents": "read"}))
    assert reading("PUT", f"{WEATHER}/contents/x", _file("x")).status_code == 403
    body = {"ref": "refs/heads/x", "sha": sha}
    assert reading("POST", REFS, body).status_code == 403
    assert reading("GET", f"{WEATHER}/git/trees/main").status_code == 200
