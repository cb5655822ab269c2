"""Reading a repository through REST: archives, files, commits, comparisons, releases."""

import base64
import io
import tarfile

import pytest
import requests

from sandbox.github import GitHubStandIn
from tests.polling import eventually
from tests.sandbox.github.visitors import Receiver, Tree, Visitor

WEATHER = "/repos/octocat/weather"


@pytest.fixture
def sha(tree: Tree) -> str:
    """A pushed commit with a folder, a link and a name that needs quoting."""
    (tree.folder / "link").symlink_to("mcp_yaml")
    commit = tree.commit("Begin", mcp_yaml="schema: 1\n", src__weather="x = 'ü'\n")
    (tree.folder / "two words#.txt").write_text("2\n")
    commit = tree.commit("More")
    tree.push("main")
    return commit


def test_a_tarball_is_reached_by_a_link_with_a_short_life(
    installed: Visitor, sha: str, github: GitHubStandIn
) -> None:
    redirect = installed("GET", f"{WEATHER}/tarball/{sha}", allow_redirects=False)
    assert redirect.status_code == 302
    location = redirect.headers["Location"]
    answer = requests.get(location, timeout=30)
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        names = archive.getnames()
        assert names[0] == f"octocat-weather-{sha[:7]}"
        assert f"{names[0]}/src/weather" in names
        assert archive.getmember(f"{names[0]}/link").linkname == "mcp_yaml"
    github.advance(301)
    assert requests.get(location, timeout=30).status_code == 404


def test_a_tarball_of_nothing_is_not_found(installed: Visitor, sha: str) -> None:
    assert installed("GET", f"{WEATHER}/tarball/{'f' * 40}").status_code == 404
    assert installed("GET", f"{WEATHER}/tarball/main..{sha}").status_code == 404


def test_a_private_tarball_needs_contents_read(
    installed: Visitor, person: Visitor, github: GitHubStandIn
) -> None:
    person("POST", "/user/repos", {"name": "hidden", "private": True, "auto_init": True})
    assert person("GET", "/repos/octocat/hidden/tarball/main").status_code == 200
    assert installed("GET", "/repos/octocat/hidden/tarball/main").status_code == 404
    assert Visitor(github, None)("GET", "/repos/octocat/hidden/tarball/main").status_code == 404


def test_contents_are_files_folders_and_links(installed: Visitor, sha: str) -> None:
    file = installed("GET", f"{WEATHER}/contents/src/weather?ref={sha}").json()
    assert base64.b64decode(file["content"]).decode() == "x = 'ü'\n"
    assert (file["type"], file["encoding"], file["path"]) == ("file", "base64", "src/weather")
    root = installed("GET", f"{WEATHER}/contents/").json()
    assert {one["name"]: one["type"] for one in root} == {
        "link": "symlink",
        "mcp_yaml": "file",
        "src": "dir",
        "two words#.txt": "file",
    }
    assert requests.get(root[-1]["download_url"], timeout=30).text == "2\n"
    assert installed("GET", f"{WEATHER}/contents/link").json()["target"] == "mcp_yaml"
    raw = {"Accept": "application/vnd.github.raw+json"}
    assert installed("GET", f"{WEATHER}/contents/mcp_yaml", headers=raw).text == "schema: 1\n"


@pytest.mark.parametrize("path", ["nothing", "src/nothing", "mcp_yaml/below", "../etc", "-x"])
def test_contents_that_are_not_there_are_not_found(installed: Visitor, sha: str, path: str) -> None:
    assert installed("GET", f"{WEATHER}/contents/{path}").status_code == 404


def test_an_empty_repository_says_so(installed: Visitor) -> None:
    assert installed("GET", f"{WEATHER}/contents/").json()["message"] == "This repository is empty."
    assert installed("GET", f"{WEATHER}/commits").status_code == 409
    assert installed("GET", f"{WEATHER}/commits/main").status_code == 409
    assert installed("GET", f"{WEATHER}/branches/main").status_code == 404


def test_commits_are_found_by_branch_tag_and_short_sha(
    installed: Visitor, sha: str, tree: Tree
) -> None:
    tree.push("main:feature/one", "main:refs/tags/v1")
    for name in ("main", "feature/one", "heads/main", "v1", sha, sha[:8]):
        commit = installed("GET", f"{WEATHER}/commits/{name}").json()
        assert commit["sha"] == sha
    assert [file["filename"] for file in commit["files"]] == ["two words#.txt"]
    assert commit["author"]["login"] == "octocat"
    unknown = installed("GET", f"{WEATHER}/commits/{'f' * 40}")
    assert unknown.json()["message"] == f"No commit found for SHA: {'f' * 40}"
    listed = installed("GET", f"{WEATHER}/commits?per_page=1")
    assert [one["sha"] for one in listed.json()] == [sha]
    assert "next" in listed.links
    assert len(installed("GET", f"{WEATHER}/commits?path=src/weather").json()) == 1
    assert installed("GET", f"{WEATHER}/commits?since=2090-01-01T00:00:00Z").json() == []
    branch = installed("GET", f"{WEATHER}/branches/feature/one").json()
    assert branch["commit"]["sha"] == sha
    reference = installed("GET", f"{WEATHER}/git/ref/heads/feature/one").json()
    assert reference["object"] == {
        "sha": sha,
        "type": "commit",
        "url": reference["object"]["url"],
    }
    assert installed("GET", f"{WEATHER}/git/ref/heads/feature").status_code == 404


def test_a_comparison_lists_at_most_300_files(installed: Visitor, sha: str, tree: Tree) -> None:
    for number in range(310):
        (tree.folder / f"f{number:03}").write_text("1\n")
    head = tree.commit("Many")
    tree.push("main")
    compared = installed("GET", f"{WEATHER}/compare/{sha}...main").json()
    assert (compared["status"], compared["ahead_by"], compared["behind_by"]) == ("ahead", 1, 0)
    assert len(compared["files"]) == 300
    assert [one["sha"] for one in compared["commits"]] == [head]
    backwards = installed("GET", f"{WEATHER}/compare/main...{sha}").json()
    assert (backwards["status"], backwards["behind_by"]) == ("behind", 1)
    assert installed("GET", f"{WEATHER}/compare/main...nothing").status_code == 404


def test_publishing_a_release_makes_its_tag(
    person: Visitor, installed: Visitor, sha: str, receiver: Receiver, github: GitHubStandIn
) -> None:
    body = {"tag_name": "v1.0.0", "name": "One", "body": "First"}
    answer = person("POST", f"{WEATHER}/releases", body)
    assert answer.status_code == 201
    eventually(github.hooks.idle)
    assert receiver.names()[-4:] == [
        "push",
        "release.created",
        "release.published",
        "release.released",
    ]
    push, release = receiver.payloads("push")[-1], receiver.payloads("release.published")[0]
    assert (push["ref"], push["after"]) == ("refs/tags/v1.0.0", sha)
    assert release["release"]["tag_name"] == "v1.0.0"
    assert person("POST", f"{WEATHER}/releases", body).status_code == 422
    found = installed("GET", f"{WEATHER}/releases/tags/v1.0.0").json()
    assert found["id"] == answer.json()["id"]
    wrong = {"tag_name": "v2", "target_commitish": "nothing"}
    assert person("POST", f"{WEATHER}/releases", wrong).status_code == 422


def test_a_draft_release_is_silent_and_hidden(
    person: Visitor, github: GitHubStandIn, sha: str
) -> None:
    person("POST", f"{WEATHER}/releases", {"tag_name": "v1", "draft": True})
    assert len(person("GET", f"{WEATHER}/releases").json()) == 1
    assert Visitor(github, None)("GET", f"{WEATHER}/releases").json() == []
    assert person("GET", f"{WEATHER}/releases/tags/v1").status_code == 404


def test_a_repository_name_is_taken_once(person: Visitor, repository: str) -> None:
    again = person("POST", "/user/repos", {"name": "Weather"})
    assert again.status_code == 422
    assert again.json()["errors"][0]["message"] == "name already exists on this account"
    changed = person("POST", "/user/repos", {"name": "a b/c"})
    assert changed.json()["full_name"] == "octocat/a-b-c"
