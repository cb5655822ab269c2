"""What the demo pushes, and that the user's own folder stays as it was."""

from pathlib import Path

import pytest

from sandbox.repository import GitFailed, WorkingCopy, git, sample, users_own


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    path = tmp_path / "remote.git"
    path.mkdir()
    git(path, "init", "--quiet", "--bare")
    return path


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The user's repository, on a branch that is not called main."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "mcp.yaml").write_text("schema: 1\n")
    git(folder, "init", "--quiet", "--initial-branch=trunk")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "First")
    return folder


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    folder = tmp_path / "copies"
    folder.mkdir()
    return folder


def everything_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "index"
    }


def pushed_files(remote: Path) -> list[str]:
    return git(remote, "ls-tree", "-r", "--name-only", "main").splitlines()


def test_the_sample_is_pushed_from_a_copy_that_can_push_again(copies: Path, remote: Path) -> None:
    copy = sample(copies)
    copy.push(str(remote))
    assert "mcp.yaml" in pushed_files(remote)
    git(copy.folder, "commit", "--quiet", "--allow-empty", "--message", "Second")
    git(copy.folder, "push", "origin", "HEAD:main")
    assert git(remote, "rev-parse", "main") == copy.head()


def test_the_users_repository_is_pushed_and_not_changed(
    own: Path, copies: Path, remote: Path
) -> None:
    before = everything_in(own)
    copy = users_own(own, copies)
    copy.push(str(remote))
    assert git(remote, "rev-parse", "main") == git(own, "rev-parse", "HEAD")
    assert everything_in(own) == before


def test_what_is_not_committed_is_said_and_not_pushed(
    own: Path, copies: Path, remote: Path
) -> None:
    (own / "later.py").touch()
    copy = users_own(own, copies)
    copy.push(str(remote))
    assert "not committed" in copy.notes[0]
    assert pushed_files(remote) == ["mcp.yaml"]


def test_a_folder_without_git_is_copied(tmp_path: Path, copies: Path, remote: Path) -> None:
    plain = tmp_path / "plain"
    (plain / "node_modules" / "x").mkdir(parents=True)
    (plain / "node_modules" / "x" / "index.js").touch()
    (plain / "mcp.yaml").touch()
    copy = users_own(plain, copies)
    copy.push(str(remote))
    assert pushed_files(remote) == ["mcp.yaml"]
    assert not (plain / ".git").exists()


def test_a_folder_of_a_larger_repository_is_pushed_by_itself(
    own: Path, copies: Path, remote: Path
) -> None:
    server = own / "servers" / "one"
    server.mkdir(parents=True)
    (server / "mcp.yaml").touch()
    git(own, "add", "--all")
    git(own, "commit", "--quiet", "--message", "Second")
    (server / "later.py").touch()
    copy = users_own(server, copies)
    copy.push(str(remote))
    assert pushed_files(remote) == ["mcp.yaml"]
    assert copy.name == "one"


def test_a_shallow_clone_can_be_pushed(own: Path, copies: Path, remote: Path) -> None:
    git(own, "commit", "--quiet", "--allow-empty", "--message", "Second")
    shallow = own.parent / "shallow"
    git(own.parent, "clone", "--quiet", "--depth=1", f"file://{own}", str(shallow))
    users_own(shallow, copies).push(str(remote))
    assert pushed_files(remote) == ["mcp.yaml"]


def test_git_says_why_a_push_failed(copies: Path, tmp_path: Path) -> None:
    copy = sample(copies)
    assert isinstance(copy, WorkingCopy)
    with pytest.raises(GitFailed, match=r"git push: .*nowhere"):
        copy.push(str(tmp_path / "nowhere"))
