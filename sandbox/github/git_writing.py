"""Makes trees, commits and merges in a bare repository. It moves no branch and knows no GitHub."""

from dataclasses import dataclass

from sandbox.github.git import Git, UnknownObject

_FILE = "100644"
_FOLDER = "040000"


class PathTaken(Exception):
    """A file stands where a path needs a folder, or the other way round."""


@dataclass(frozen=True)
class Signature:
    """Who made a commit; `date` is ISO 8601, None for now."""

    name: str
    email: str
    date: str | None = None


# Whoever clicks or calls, it is GitHub that commits.
GITHUB = Signature("GitHub", "noreply@github.com")


def with_file(git: Git, tree: str, path: str, content: bytes | None) -> str:
    """The tree with one file written, or removed when `content` is None.

    Raises:
        PathTaken: when a part of the path before its last is a file, or its last is a folder.
    """
    blob = None
    if content is not None:
        blob = git.run("hash-object", "-w", "--stdin", input=content).decode().strip()
    return _changed(git, tree, path.split("/"), blob) or _written(git, {})


def _changed(git: Git, tree: str | None, parts: list[str], blob: str | None) -> str | None:
    """The tree with the change made below it; None when nothing is left in it."""
    entries = _entries(git, tree) if tree else {}
    name, *below = parts
    mode, kind, sha = entries.get(name, (_FOLDER if below else _FILE, "", ""))
    if kind and (kind == "tree") is not bool(below):
        raise PathTaken(name)
    new = _changed(git, sha or None, below, blob) if below else blob
    if new is None:
        entries.pop(name, None)
    else:
        entries[name] = (mode, "tree" if below else "blob", new)
    return _written(git, entries) if entries else None


def _entries(git: Git, tree: str) -> dict[str, tuple[str, str, str]]:
    found = {}
    for line in git.text("ls-tree", "-z", tree).split("\x00"):
        if line:
            head, name = line.split("\t", 1)
            mode, kind, sha = head.split()
            found[name] = (mode, kind, sha)
    return found


def _written(git: Git, entries: dict[str, tuple[str, str, str]]) -> str:
    listing = "".join(
        f"{mode} {kind} {sha}\t{name}\x00" for name, (mode, kind, sha) in entries.items()
    )
    return git.run("mktree", "-z", input=listing.encode()).decode().strip()


def commit(
    git: Git,
    tree: str,
    parents: tuple[str, ...],
    message: str,
    author: Signature,
    committer: Signature,
) -> str:
    """A new commit, which nothing names yet."""
    identity = []
    for role, one in (("author", author), ("committer", committer)):
        identity += ["-c", f"{role}.name={one.name}", "-c", f"{role}.email={one.email}"]
    dates = {"GIT_AUTHOR_DATE": author.date, "GIT_COMMITTER_DATE": committer.date}
    named = [argument for parent in parents for argument in ("-p", parent)]
    return git.text(
        *(*identity, "commit-tree", *named, "-F", "-", tree),
        input=message.encode(),
        variables={name: date for name, date in dates.items() if date},
    )


def merged_tree(git: Git, base: str, head: str) -> str | None:
    """The tree of merging two commits; None when they conflict."""
    try:
        return git.text("merge-tree", "--write-tree", base, head).splitlines()[0]
    except UnknownObject:
        return None


def merge_base(git: Git, base: str, head: str) -> str | None:
    """The newest commit in the history of both; None for two that have none in common."""
    try:
        return git.text("merge-base", base, head)
    except UnknownObject:
        return None
