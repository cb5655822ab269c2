"""What a git push does: refs, and the push event that GitHub would send."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.github import GitHubStandIn
from tests.polling import eventually
from tests.sandbox.github.visitors import Receiver, Tree, Visitor

ZERO = "0" * 40


@pytest.fixture
def pushes(
    github: GitHubStandIn, receiver: Receiver, installed: Visitor
) -> Callable[[], list[dict[str, object]]]:
    """The push events so far."""

    def look() -> list[dict[str, object]]:
        eventually(github.hooks.idle)
        return receiver.payloads("push")

    return look


def test_the_first_push_creates_the_default_branch(pushes, tree: Tree, person, repository) -> None:
    sha = tree.commit("Begin", mcp_yaml="schema: 1\n", src__a="1\n")
    tree.push("main:trunk")
    (push,) = pushes()
    assert push["ref"] == "refs/heads/trunk"
    assert (push["before"], push["after"]) == (ZERO, sha)
    assert (push["created"], push["deleted"], push["forced"]) == (True, False, False)
    assert [commit["added"] for commit in push["commits"]] == [["mcp_yaml", "src/a"]]
    assert push["head_commit"]["id"] == sha
    assert push["head_commit"]["author"]["username"] == "octocat"
    assert push["pusher"]["name"] == "octocat"
    assert person("GET", f"/repos/{repository}").json()["default_branch"] == "trunk"


def test_a_push_lists_its_commits_oldest_first_with_their_files(pushes, tree: Tree) -> None:
    before = tree.commit("One", kept="1\n", gone="1\n" * 9, moved="2\n3\n4\n5\n" * 9)
    tree.push("main")
    second = tree.commit("Two", kept="2\n", new="x\n")
    (tree.folder / "gone").unlink()
    tree.git("mv", "moved", "here")
    third = tree.commit("Three")
    tree.push("main")
    push = pushes()[-1]
    assert (push["before"], push["after"], push["created"]) == (before, third, False)
    assert [commit["id"] for commit in push["commits"]] == [second, third]
    assert push["commits"][0]["modified"] == ["kept"]
    assert push["commits"][0]["added"] == ["new"]
    assert sorted(push["commits"][1]["removed"]) == ["gone", "moved"]
    assert push["commits"][1]["added"] == ["here"]
    assert push["compare"].endswith(f"/compare/{before[:12]}...{third[:12]}")


def test_a_new_branch_on_an_old_commit_has_a_base_and_no_commits(pushes, tree: Tree) -> None:
    tree.commit(a="1")
    tree.push("main")
    tree.push("main:staging")
    push = pushes()[-1]
    assert (push["created"], push["base_ref"], push["commits"]) == (True, "refs/heads/main", [])


def test_a_forced_push_says_so_and_keeps_the_old_commit_readable(
    pushes, tree: Tree, installed: Visitor, repository: str
) -> None:
    tree.commit("Base", a="1")
    old = tree.commit("Old", a="2")
    tree.push("main")
    tree.git("reset", "--quiet", "--hard", "HEAD~1")
    tree.push("--force", "main")
    push = pushes()[-1]
    assert (push["forced"], push["commits"], push["before"]) == (True, [], old)
    assert installed("GET", f"/repos/{repository}/tarball/{old}").status_code == 200


def test_a_deleted_branch_has_no_head_commit(pushes, tree: Tree) -> None:
    sha = tree.commit(a="1")
    tree.push("main", "main:old")
    tree.push("--delete", "old")
    push = pushes()[-1]
    assert (push["deleted"], push["after"], push["before"]) == (True, ZERO, sha)
    assert push["head_commit"] is None


def test_tags_are_pushed_with_the_commit_they_name(pushes, tree: Tree) -> None:
    sha = tree.commit(a="1")
    tree.push("main")
    tree.git("tag", "v1.0.0")
    tree.git("tag", "--annotate", "-m", "Second", "v2.0.0")
    tree.push("v1.0.0", "v2.0.0")
    light, annotated = pushes()[-2:]
    assert (light["ref"], light["after"]) == ("refs/tags/v1.0.0", sha)
    assert annotated["after"] == tree.git("rev-parse", "v2.0.0") != sha
    assert annotated["head_commit"]["id"] == sha
    assert light["base_ref"] == annotated["base_ref"] == "refs/heads/main"


def test_more_than_three_tags_at_once_are_not_announced(pushes, tree: Tree) -> None:
    tree.commit(a="1")
    tree.push("main")
    for number in range(4):
        tree.git("tag", f"v1.{number}.0")
    tree.push("--tags")
    assert [push["ref"] for push in pushes()] == ["refs/heads/main"]


def test_a_push_without_a_change_is_silent(pushes, tree: Tree) -> None:
    tree.commit(a="1")
    tree.push("main")
    tree.push("main")
    assert len(pushes()) == 1


def test_commits_beyond_the_limit_are_left_out(pushes, tree: Tree) -> None:
    tree.commit(a="1")
    tree.push("main")
    tip = tree.git("rev-parse", "HEAD")
    parents = (tip, *(f":{number}" for number in range(1, 2050)))
    stream = "".join(
        f"commit refs/heads/main\nmark :{number}\ncommitter O <o@example.com> 1700000000 +0000\n"
        f"data 1\nx\nfrom {parent}\nM 644 inline file\ndata <<.\n{number}\n.\n"
        for number, parent in enumerate(parents, start=1)
    )
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=tree.folder, input=stream.encode(), check=True
    )
    tree.push("main")
    push = pushes()[-1]
    assert len(push["commits"]) == 2048
    assert push["commits"][-1]["id"] == push["after"] == push["head_commit"]["id"]


def test_a_push_with_a_wrong_token_is_refused(tree: Tree, github: GitHubStandIn) -> None:
    tree.commit(a="1")
    wrong = github.git_url("octocat/weather", "ghs_" + "0" * 36)
    done = subprocess.run(
        ["git", "push", wrong, "main"],
        cwd=tree.folder,
        capture_output=True,
        text=True,
        check=False,
        env={"GIT_TERMINAL_PROMPT": "0", "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode != 0
    assert "Authentication failed" in done.stderr


def test_a_private_repository_cannot_be_cloned_without_a_token(
    person: Visitor, github: GitHubStandIn, tmp_path: Path
) -> None:
    person("POST", "/user/repos", {"name": "hidden", "private": True, "auto_init": True})
    environment = {"GIT_TERMINAL_PROMPT": "0", "PATH": "/usr/bin:/bin"}
    for url, expected in (
        (f"{github.url}/octocat/hidden.git", False),
        (github.git_url("octocat/hidden"), True),
    ):
        target = tmp_path / f"clone-{expected}"
        done = subprocess.run(
            ["git", "clone", "--quiet", url, target], check=False, env=environment
        )
        assert (done.returncode == 0) is expected
    assert (tmp_path / "clone-True/README.md").read_text() == "# hidden\n"


def test_an_uninstalled_app_hears_nothing(
    github: GitHubStandIn, receiver: Receiver, tree: Tree
) -> None:
    tree.commit(a="1")
    tree.push("main")
    eventually(github.hooks.idle)
    assert receiver.received == []
