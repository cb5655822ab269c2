"""What a push does to pull requests: a new head, a lost branch, or commits that arrived at last."""

from sandbox.github import events_pulls, network, pull_heads
from sandbox.github.events import Events
from sandbox.github.world import Repository, User, World
from sandbox.github.world_pulls import Issue, Pull

Refs = dict[str, str]


def after_push(
    world: World, events: Events, repository: Repository, sender: User, before: Refs, after: Refs
) -> None:
    """Bring all pull requests from and to the changed branches up to date, and say so."""
    if repository.parent_id is not None:
        network.share(world, repository)
    changed = {ref for ref in {**before, **after} if before.get(ref) != after.get(ref)}
    for home in list(world.all_repositories()):
        for issue, pull in home.conversation.pulls():
            if issue.state != "open":
                continue
            head = f"refs/heads/{pull.head_ref}"
            base = f"refs/heads/{pull.base_ref}"
            if pull.head_repository_id == repository.id and head in changed:
                _head_moved(world, events, home, sender, issue, after.get(head))
            if home is repository and base in changed and issue.state == "open":
                _base_moved(world, events, home, sender, issue, after.get(base))


def _head_moved(
    world: World, events: Events, home: Repository, sender: User, issue: Issue, new: str | None
) -> None:
    pull = _pull(issue)
    if new is None:
        close(world, events, home, sender, issue)
        return
    old = pull.head_sha
    pull_heads.set_head(world, home, issue, new)
    events_pulls.pull_request(events, "synchronize", home, sender, issue, before=old, after=new)
    pull_heads.try_merge(home, issue)


def _base_moved(
    world: World, events: Events, home: Repository, sender: User, issue: Issue, new: str | None
) -> None:
    pull = _pull(issue)
    if new is None:
        close(world, events, home, sender, issue)
    elif home.git.reaches(pull.head_sha, new):
        # Somebody merged it by hand: GitHub notices and calls it merged.
        mark_merged(world, issue, sender, new)
        close(world, events, home, sender, issue)
    else:
        pull_heads.try_merge(home, issue)


def mark_merged(world: World, issue: Issue, user: User, commit: str) -> None:
    """Write down that a pull request was merged with `commit`. It is still to be closed."""
    pull = _pull(issue)
    pull.merged_at, pull.merged_by = world.clock.stamp(), user
    pull.merge_commit_sha = commit


def close(world: World, events: Events, home: Repository, sender: User, issue: Issue) -> None:
    """Close a pull request and say so."""
    issue.state, issue.closed_by = "closed", sender
    issue.closed_at = issue.updated_at = world.clock.stamp()
    events_pulls.pull_request(events, "closed", home, sender, issue)


def _pull(issue: Issue) -> Pull:
    assert issue.pull is not None
    return issue.pull
