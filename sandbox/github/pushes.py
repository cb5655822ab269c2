"""What a `git push` changed, as the particular part of GitHub's push event.

Source: docs.github.com, "Webhook events and payloads", push.
"""

from sandbox.github import pull_updates, render, render_commits
from sandbox.github.events import Events
from sandbox.github.git import ZERO, Commit, UnknownObject
from sandbox.github.reports import suite_for
from sandbox.github.world import Json, Repository, User, World

COMMITS_LISTED = 2048
FILES_LISTED = 3000
# Of more tags than this in one push GitHub says nothing at all, nor of more branches than that.
TAGS_ANNOUNCED = 3
BRANCHES_ANNOUNCED = 5000

Refs = dict[str, str]


def announce(
    world: World, events: Events, repository: Repository, sender: User, before: Refs, after: Refs
) -> None:
    """Emit the events for all refs that differ between `before` and `after`, and those of the
    pull requests that the change concerns.
    """
    changed = [ref for ref in {**before, **after} if before.get(ref) != after.get(ref)]
    if not changed:
        return
    repository.pushed_at = repository.updated_at = world.clock.stamp()
    _adopt_default_branch(repository, after)
    for kind, limit in (("heads", BRANCHES_ANNOUNCED), ("tags", TAGS_ANNOUNCED)):
        refs = [ref for ref in changed if ref.startswith(f"refs/{kind}/")]
        if len(refs) <= limit:
            for ref in refs:
                _announce_ref(world, events, repository, sender, ref, before, after)
    pull_updates.after_push(world, events, repository, sender, before, after)


def _announce_ref(
    world: World,
    events: Events,
    repository: Repository,
    sender: User,
    ref: str,
    before: Refs,
    after: Refs,
) -> None:
    if ref not in before:
        events.ref("create", repository, sender, ref)
    payload = push(world, repository, ref, before, after)
    events.push(repository, sender, payload)
    if ref not in after:
        events.ref("delete", repository, sender, ref)
    elif ref.startswith("refs/heads/") and payload["head_commit"]:
        branch = ref.removeprefix("refs/heads/")
        _request_checks(
            world, events, repository, sender, branch, before.get(ref, ZERO), after[ref]
        )


def _request_checks(
    world: World,
    events: Events,
    repository: Repository,
    sender: User,
    branch: str,
    before: str,
    after: str,
) -> None:
    """Make a suite of the new commit for every App that may write checks."""
    for installation in world.installations_on(repository):
        if installation.permissions.get("checks") != "write" or installation.suspended_at:
            continue
        app = installation.app
        if any(one.head_sha == after and one.app is app for one in repository.suites):
            continue
        suite = suite_for(world, repository, app, after, branch, before)
        events.check_suite("requested", repository, sender, suite)


def _adopt_default_branch(repository: Repository, after: Refs) -> None:
    """The first branch pushed to an empty repository becomes its default branch."""
    branches = [ref.removeprefix("refs/heads/") for ref in after if ref.startswith("refs/heads/")]
    if branches and repository.default_branch not in branches:
        repository.git.set_head_branch(branches[0])


def push(world: World, repository: Repository, ref: str, before: Refs, after: Refs) -> Json:
    """The particular part of the push event for one ref."""
    git = repository.git
    old, new = before.get(ref, ZERO), after.get(ref, ZERO)
    created, deleted = old == ZERO, new == ZERO
    head = None if deleted else _commit_at(repository, new)
    forced = not created and not deleted and not git.reaches(old, new)
    commits = _commits(world, repository, ref, before, after) if head else []
    return {
        "ref": ref,
        "before": old,
        "after": new,
        "created": created,
        "deleted": deleted,
        "forced": forced,
        "base_ref": _base_ref(ref, after, head) if created else None,
        "compare": _compare_url(world, repository, ref, old, new),
        "commits": commits,
        "head_commit": _head_commit(world, repository, head) if head else None,
    }


def _commit_at(repository: Repository, sha: str) -> Commit | None:
    try:
        return repository.git.commit(sha)
    except UnknownObject:
        return None  # a tag may name something that is not a commit


def _commits(
    world: World, repository: Repository, ref: str, before: Refs, after: Refs
) -> list[Json]:
    if ref.startswith("refs/tags/"):
        return []
    old = [before[ref]] if ref in before else sorted(set(before.values()))
    selection = (after[ref], "--not", *old)
    fresh = _fresh(repository, after[ref], before)
    touched = repository.git.touched(*selection, limit=COMMITS_LISTED)
    listed, files = [], 0
    # Of a long push GitHub lists the newest commits, the oldest of them first.
    for commit in repository.git.commits(*selection, limit=COMMITS_LISTED)[::-1]:
        changes = touched[commit.sha][: max(0, FILES_LISTED - files)]
        files += len(changes)
        listed.append(_entry(world, repository, commit, changes, distinct=commit.sha in fresh))
    return listed


def _head_commit(world: World, repository: Repository, head: Commit) -> Json:
    changes = repository.git.touched(head.sha, limit=1)[head.sha]
    return _entry(world, repository, head, changes, distinct=True)


def _fresh(repository: Repository, new: str, before: Refs) -> set[str]:
    """Commits that no branch or tag had before this push."""
    old = sorted(set(before.values()))
    return set(repository.git.text("rev-list", new, "--not", *old).split())


def _base_ref(ref: str, after: Refs, head: Commit | None) -> str | None:
    if head is None:
        return None
    others = (name for name in after if name.startswith("refs/heads/") and name != ref)
    return next((name for name in others if after[name] == head.sha), None)


def _compare_url(world: World, repository: Repository, ref: str, old: str, new: str) -> str:
    page = render.page_url(world, repository)
    if old == ZERO:
        return f"{page}/compare/{ref.split('/', 2)[2]}"
    return f"{page}/compare/{old[:12]}...{new[:12]}"


def _entry(
    world: World,
    repository: Repository,
    commit: Commit,
    changes: list[tuple[str, str, str | None]],
    *,
    distinct: bool,
) -> Json:
    paths: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
    for letter, path, previous in changes:
        if previous and letter == "R":
            paths["removed"].append(previous)
        words = {"A": "added", "R": "added", "C": "added", "D": "removed"}
        paths[words.get(letter, "modified")].append(path)
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "distinct": distinct,
        "message": commit.message,
        # Here, and nowhere else, GitHub keeps the committer's own offset from UTC.
        "timestamp": commit.committer_date,
        "url": f"{render.page_url(world, repository)}/commit/{commit.sha}",
        "author": _person(world, commit.author_name, commit.author_email),
        "committer": _person(world, commit.committer_name, commit.committer_email),
        **paths,
    }


def _person(world: World, name: str, email: str) -> Json:
    account = render_commits.account_of(world, email)
    return {"name": name, "email": email} | ({"username": account.login} if account else {})
