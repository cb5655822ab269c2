"""Commits, files and comparisons as GitHub's JSON."""

from urllib.parse import quote

from sandbox.github import render
from sandbox.github.clock import normalised
from sandbox.github.git import EMPTY_TREE, Change, Commit
from sandbox.github.world import Json, Repository, User, World, node_id

FILES_LISTED = 300
_WORDS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied"}


def commit(world: World, repository: Repository, item: Commit) -> Json:
    """A commit (`commit`), without its files."""
    api, page = render.repository_url(world, repository), render.page_url(world, repository)
    url = f"{api}/commits/{item.sha}"
    git_url = f"{api}/git/commits/{item.sha}"
    unsigned: Json = {"verified": False, "reason": "unsigned", "signature": None}
    return {
        "sha": item.sha,
        "node_id": node_id("Commit", int(item.sha[:8], 16)),
        "commit": {
            "author": _signature(item.author_name, item.author_email, item.author_date),
            "committer": _signature(item.committer_name, item.committer_email, item.committer_date),
            "message": item.message,
            "tree": {"sha": item.tree, "url": f"{api}/git/trees/{item.tree}"},
            "url": git_url,
            "comment_count": 0,
            "verification": {**unsigned, "payload": None, "verified_at": None},
        },
        "url": url,
        "html_url": f"{page}/commit/{item.sha}",
        "comments_url": f"{url}/comments",
        "author": _account(world, item.author_email),
        "committer": _account(world, item.committer_email),
        "parents": [
            {
                "sha": parent,
                "url": f"{api}/commits/{parent}",
                "html_url": f"{page}/commit/{parent}",
            }
            for parent in item.parents
        ],
    }


def full_commit(world: World, repository: Repository, item: Commit) -> Json:
    """A commit asked for by itself, with its files and counted lines."""
    base = item.parents[0] if item.parents else EMPTY_TREE
    changes = repository.git.changes(base, item.sha)
    added = sum(change.additions for change in changes)
    removed = sum(change.deletions for change in changes)
    return {
        **commit(world, repository, item),
        "stats": {"total": added + removed, "additions": added, "deletions": removed},
        "files": [
            changed_file(world, repository, change, base, item.sha)
            for change in changes[:FILES_LISTED]
        ],
    }


def changed_file(
    world: World, repository: Repository, change: Change, base: str, head: str
) -> Json:
    """One file of a commit or a comparison (`diff-entry`)."""
    api, page = render.repository_url(world, repository), render.page_url(world, repository)
    previous = {"previous_filename": change.previous} if change.previous else {}
    path = quote(change.path)
    patch = repository.git.patch(base, head, change.path)
    return {
        "sha": change.sha,
        "filename": change.path,
        "status": _WORDS.get(change.status, "changed"),
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{page}/blob/{head}/{path}",
        "raw_url": f"{page}/raw/{head}/{path}",
        "contents_url": f"{api}/contents/{path}?ref={head}",
        **({"patch": patch} if patch else {}),
        **previous,
    }


def simple_commit(item: Commit) -> Json:
    """A commit inside a check suite (`simple-commit`)."""
    return {
        "id": item.sha,
        "tree_id": item.tree,
        "message": item.message,
        "timestamp": normalised(item.committer_date),
        "author": {"name": item.author_name, "email": item.author_email},
        "committer": {"name": item.committer_name, "email": item.committer_email},
    }


def _signature(name: str, email: str, date: str) -> Json:
    return {"name": name, "email": email, "date": normalised(date)}


def _account(world: World, email: str) -> Json | None:
    account = account_of(world, email)
    return render.user(world, account) if account else None


def account_of(world: World, email: str) -> User | None:
    """The account that an e-mail address in a commit belongs to."""
    with world.lock:
        found = [user for user in world.users.values() if user.email == email]
    return found[0] if found else None
