"""The git repository that the demo pushes: the sample server, or the user's own, left untouched."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox.places import CODE

SAMPLE = CODE / "sandbox" / "sample"
BRANCH = "main"

# The user's own settings could ask for a signature, run hooks or change files on the way.
_PLAIN = (
    *("-c", "user.name=Sigil demo", "-c", "user.email=demo@example.com"),
    *("-c", "commit.gpgsign=false", "-c", f"core.hooksPath={os.devnull}"),
    *("-c", "credential.helper=", "-c", f"init.defaultBranch={BRANCH}"),
    # A proxy in the settings is for the outside world.
    *("-c", "http.proxy="),
)


class GitFailed(Exception):
    """A git command failed. The text is what git said."""


@dataclass(frozen=True)
class WorkingCopy:
    """A repository to push from.

    Attributes:
        folder: Where it is.
        name: What it is called at GitHub.
        own: Whether it is the user's own folder, where nothing may be changed.
        notes: What the user should know about it.
    """

    folder: Path
    name: str
    own: bool
    notes: tuple[str, ...] = ()

    def head(self) -> str:
        """The commit to push, 40 hex digits."""
        return git(self.folder, "rev-parse", "HEAD")

    def push(self, remote: str) -> str:
        """Push the commit to the remote's main branch; return what git printed.

        Raises:
            GitFailed: when the remote does not take it.
        """
        if not self.own:
            git(self.folder, "remote", "add", "origin", remote)
        target = remote if self.own else "origin"
        return git(self.folder, "push", target, f"HEAD:refs/heads/{BRANCH}", both=True)


def sample(folder: Path) -> WorkingCopy:
    """A copy of the sample server in `folder`, committed, for the user to change and push."""
    copy = folder / "almanac"
    shutil.copytree(SAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    _commit_all(copy)
    return WorkingCopy(copy, copy.name, own=False)


def users_own(source: Path, folder: Path) -> WorkingCopy:
    """The user's repository. What is committed counts; a folder without git is copied.

    Args:
        source: A folder that holds mcp.yaml.
        folder: Where a copy goes, when one is needed.

    Raises:
        GitFailed: when git cannot read it.
    """
    source = source.expanduser().resolve()
    name = source.name or "server"
    try:
        top = Path(git(source, "rev-parse", "--show-toplevel")).resolve()
    except GitFailed:
        return _copied(source, folder / name, "is not a git repository: a copy of it was pushed")
    if top != source:
        return _committed(source, folder / name, f"is a folder of {top}: it was pushed by itself")
    if git(source, "rev-parse", "--is-shallow-repository") == "true":
        why = "is a shallow clone, which git cannot push: its last commit was pushed by itself"
        return _committed(source, folder / name, why)
    notes = []
    if git(source, "status", "--porcelain"):
        notes.append(f"{source} has changes that are not committed; they are not deployed.")
    return WorkingCopy(source, name, own=True, notes=tuple(notes))


def _copied(source: Path, copy: Path, why: str) -> WorkingCopy:
    leave_out = shutil.ignore_patterns(".venv", "venv", "node_modules", "__pycache__")
    shutil.copytree(source, copy, symlinks=True, ignore=leave_out)
    _commit_all(copy)
    return WorkingCopy(copy, copy.name, own=False, notes=(f"{source} {why}.",))


def _committed(source: Path, copy: Path, why: str) -> WorkingCopy:
    copy.mkdir()
    archive = copy.with_suffix(".tar")
    git(source, "archive", "--format=tar", f"--output={archive}", "HEAD")
    subprocess.run(["tar", "-xf", str(archive), "-C", str(copy)], check=True)
    archive.unlink()
    _commit_all(copy)
    return WorkingCopy(copy, copy.name, own=False, notes=(f"{source} {why}.",))


def _commit_all(folder: Path) -> None:
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Import")


def git(folder: Path, *arguments: str, both: bool = False) -> str:
    """Run git in `folder`, never asking a person anything; return what it printed.

    Args:
        both: Standard error too, where git says how a push went.

    Raises:
        GitFailed: with what git said.
    """
    done = subprocess.run(
        ["git", "-C", str(folder), *_PLAIN, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
    )
    if done.returncode != 0:
        raise GitFailed(f"git {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return (done.stderr + done.stdout if both else done.stdout).strip()
