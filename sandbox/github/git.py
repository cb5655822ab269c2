"""A bare git repository, asked through the git command. It knows nothing of GitHub."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ZERO = "0" * 40
_SHA = re.compile(r"[0-9a-f]{40}")
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
# Nothing is collected as garbage. Nobody pushes to a pull request's refs, and nobody sees a fork's
# branches in the repository that it was forked from.
_CONFIG = """
[http]
	receivepack = true
[uploadpack]
	allowAnySHA1InWant = true
	allowFilter = true
[gc]
	auto = 0
[maintenance]
	auto = false
[core]
	quotePath = false
[receive]
	autogc = false
	hideRefs = refs/pull
[transfer]
	hideRefs = refs/network
"""


@dataclass(frozen=True)
class Commit:
    """One commit. Times are ISO 8601 with the author's own offset."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author_name: str
    author_email: str
    author_date: str
    committer_name: str
    committer_email: str
    committer_date: str
    message: str


@dataclass(frozen=True)
class Change:
    """One path that differs between two trees; `status` is git's letter."""

    status: str
    path: str
    previous: str | None
    sha: str
    additions: int
    deletions: int


@dataclass(frozen=True)
class Entry:
    """One entry of a tree."""

    mode: str
    kind: str
    sha: str
    size: int
    path: str


class UnknownObject(Exception):
    """Git does not find what was asked for."""


def environment() -> dict[str, str]:
    """An environment in which git reads no configuration of this machine or its user."""
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_TERMINAL_PROMPT": "0",
    }


class Git:
    """The bare repository in `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._head: str | None = None
        # What has a SHA never changes and is never collected, so it is read once.
        self._known: dict[str, Commit] = {}

    def create(self, default_branch: str = "main") -> None:
        """Make the empty repository. Nothing that was ever pushed is collected as garbage."""
        self.path.mkdir(parents=True)
        self.run("init", "--quiet", "--bare", "--template=", f"--initial-branch={default_branch}")
        # One write instead of a process for each setting: tests make many repositories.
        with (self.path / "config").open("a") as file:
            file.write(_CONFIG)

    def run(
        self,
        *arguments: str,
        input: bytes | None = None,
        variables: dict[str, str] | None = None,
    ) -> bytes:
        """Standard output of a git command.

        Args:
            arguments: of git.
            input: what it reads from standard input.
            variables: added to its environment.

        Raises:
            UnknownObject: when git refuses; its standard error is the text.
        """
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=environment() | (variables or {}),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise UnknownObject(done.stderr.decode(errors="replace").strip())
        return done.stdout

    def text(
        self,
        *arguments: str,
        input: bytes | None = None,
        variables: dict[str, str] | None = None,
    ) -> str:
        """Standard output of a git command, as text without the last line end."""
        output = self.run(*arguments, input=input, variables=variables)
        return output.decode(errors="replace").rstrip("\n")

    def refs(self) -> dict[str, str]:
        """Every branch and tag with the object that it names."""
        lines = self.text(
            "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags"
        )
        return dict(line.split(" ", 1) for line in lines.splitlines())

    def head_branch(self) -> str:
        """The branch that HEAD names."""
        if self._head is None:
            self._head = self.text("symbolic-ref", "--short", "HEAD")
        return self._head

    def set_head_branch(self, branch: str) -> None:
        """Make `branch` the default."""
        self.run("symbolic-ref", "HEAD", f"refs/heads/{branch}")
        self._head = branch

    def pull_refs(self) -> dict[str, str]:
        """The refs that GitHub keeps for pull requests: `refs/pull/1/head` and so on."""
        lines = self.text("for-each-ref", "--format=%(refname) %(objectname)", "refs/pull")
        return dict(line.split(" ", 1) for line in lines.splitlines())

    def commit_sha(self, name: str) -> str:
        """The commit that a branch, tag or (short) SHA names.

        Raises:
            UnknownObject: when there is none.
        """
        if name.startswith("-") or ".." in name:
            raise UnknownObject(name)
        if name in self._known:
            return name
        # GitHub takes no branch or tag that is named like a SHA.
        refs = () if _SHA.fullmatch(name) else (f"refs/heads/{name}", f"refs/tags/{name}")
        for candidate in (*refs, name):
            try:
                return self.text(
                    "rev-parse", "--verify", "--quiet", "--end-of-options", candidate + "^{commit}"
                )
            except UnknownObject:
                continue
        raise UnknownObject(name)

    def commits(self, *selection: str, limit: int | None = None) -> list[Commit]:
        """Commits in git's order, newest first. `selection` is what `git log` takes."""
        form = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B%x1e"
        count = [] if limit is None else [f"--max-count={limit}"]
        raw = self.text("log", f"--format={form}", *count, *selection)
        found = []
        for record in raw.split("\x1e"):
            if not record.strip():
                continue
            sha, tree, parents, *people, message = record.lstrip("\n").split("\x00")
            author, committer = people[:3], people[3:]
            found.append(
                Commit(
                    sha,
                    tree,
                    tuple(parents.split()),
                    *(author[0], author[1], author[2]),
                    *(committer[0], committer[1], committer[2]),
                    message.rstrip("\n"),
                )
            )
        return found

    def touched(self, *selection: str, limit: int) -> dict[str, list[tuple[str, str, str | None]]]:
        """Commit → git's letter, path and former path of all it changed, in one call of git."""
        raw = self.text(
            *("log", "--format=%x1e%H%x1f", "--name-status", "-z", "-M"),
            *("--diff-merges=first-parent", f"--max-count={limit}", *selection),
        )
        found = {}
        for record in raw.split("\x1e")[1:]:
            sha, _, tail = record.partition("\x1f")
            fields = iter(field for field in tail.split("\x00") if field.strip("\n"))
            found[sha] = changes = list[tuple[str, str, str | None]]()
            for field in fields:
                letter, path, previous = field.lstrip("\n"), next(fields), None
                if letter[0] in "RC":
                    path, previous = next(fields), path
                changes.append((letter[0], path, previous))
        return found

    def commit(self, name: str) -> Commit:
        """One commit.

        Raises:
            UnknownObject: when there is none of that name.
        """
        sha = self.commit_sha(name)
        if sha not in self._known:
            self._known[sha] = self.commits(sha, limit=1)[0]
        return self._known[sha]

    def kind(self, sha: str) -> str:
        """`commit`, `tag`, `tree` or `blob`."""
        return self.text("cat-file", "-t", sha)

    def reaches(self, ancestor: str, descendant: str) -> bool:
        """Whether `ancestor` is in the history of `descendant`."""
        try:
            self.run("merge-base", "--is-ancestor", ancestor, descendant)
        except UnknownObject:
            return False
        return True

    def changes(self, base: str, head: str) -> list[Change]:
        """Paths that differ from `base` to `head` (commits or trees), with counted lines."""
        raw = self.text("diff-tree", "-r", "-M", "--raw", "--no-abbrev", "-z", base, head)
        counts = self._line_counts(base, head)
        fields = iter(raw.split("\x00"))
        found = []
        for entry in fields:
            if not entry:
                continue
            _, _, before, after, letter = entry.lstrip(":").split(" ")
            path, previous = next(fields), None
            if letter[0] in "RC":
                previous, path = path, next(fields)
            sha = before if letter[0] == "D" else after
            found.append(Change(letter[0], path, previous, sha, *counts.get(path, (0, 0))))
        return found

    def _line_counts(self, base: str, head: str) -> dict[str, tuple[int, int]]:
        fields = iter(
            self.text("diff-tree", "-r", "-M", "--numstat", "-z", base, head).split("\x00")
        )
        counts = {}
        for entry in fields:
            if not entry:
                continue
            added, removed, path = entry.split("\t")
            if not path:
                next(fields)
                path = next(fields)
            counts[path] = (0, 0) if added == "-" else (int(added), int(removed))
        return counts

    def patch(self, base: str, head: str, path: str) -> str:
        """The hunks of one path, without git's header lines."""
        lines = self.text("diff-tree", "-p", "-M", base, head, "--", path).splitlines()
        first = next((n for n, line in enumerate(lines) if line.startswith("@@")), len(lines))
        return "\n".join(lines[first:])

    def tree(self, commit: str, path: str) -> list[Entry]:
        """The entries in a folder; for a file the one entry of the file itself."""
        arguments = ["ls-tree", "-z", "-l", "--full-tree", commit]
        if path:
            kind = self.text("ls-tree", "--full-tree", "--format=%(objecttype)", commit, path)
            arguments.append(path + "/" if kind == "tree" else path)
        return self._listed(*arguments)

    def entries(self, tree: str, *, recursive: bool) -> list[Entry]:
        """The entries of a tree, or with `recursive` of all that is below it, folders too."""
        return self._listed("ls-tree", "-z", "-l", *(["-r", "-t"] if recursive else []), tree)

    def _listed(self, *arguments: str) -> list[Entry]:
        found = []
        for line in self.text(*arguments).split("\x00"):
            if line:
                head, name = line.split("\t", 1)
                mode, kind, sha, size = head.split()
                found.append(Entry(mode, kind, sha, 0 if size == "-" else int(size), name))
        return found

    def blob(self, sha: str) -> bytes:
        """The content of a file."""
        return self.run("cat-file", "blob", sha)

    def archive(self, commit: str, prefix: str) -> bytes:
        """A gzipped tar archive of a commit, every path below `prefix`."""
        return self.run("archive", "--format=tar.gz", f"--prefix={prefix}/", commit)

    def first_commit(self, files: dict[str, str], *, name: str, email: str, message: str) -> None:
        """Commit `files` to the default branch of an empty repository."""
        listing = ""
        for path, content in files.items():
            blob = self.run("hash-object", "-w", "--stdin", input=content.encode()).decode().strip()
            listing += f"100644 blob {blob}\t{path}\n"
        tree = self.run("mktree", input=listing.encode()).decode().strip()
        identity = ["-c", f"user.name={name}", "-c", f"user.email={email}"]
        commit = self.text(*identity, "commit-tree", "-m", message, tree)
        self.run("update-ref", f"refs/heads/{self.head_branch()}", commit)
