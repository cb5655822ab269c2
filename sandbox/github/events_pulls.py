"""The webhooks about pull requests, issues and comments.

Source: docs.github.com, "Webhook events and payloads".
"""

from sandbox.github import render_issues, render_pulls
from sandbox.github.events import Events
from sandbox.github.world import Json, Repository, User
from sandbox.github.world_pulls import Comment, Issue

# GitHub says these before it has tried whether the pull request can be merged.
BEFORE_MERGING_IS_TRIED = {"opened", "reopened", "synchronize"}


def pull_request(
    events: Events,
    action: str,
    repository: Repository,
    sender: User,
    issue: Issue,
    **more: Json | str,
) -> None:
    """Say what happened to a pull request, to those who listen at its base repository.

    Args:
        events: where it is said.
        action: `opened`, `synchronize`, `closed` and so on.
        repository: the base repository.
        sender: whose doing it is.
        issue: the pull request.
        more: what only this action has: `before` and `after`, or `changes`.
    """
    rendered = render_pulls.full(events.world, repository, issue)
    if action in BEFORE_MERGING_IS_TRIED:
        rendered |= {"mergeable": None, "rebaseable": None, "mergeable_state": "unknown"}
    payload: Json = {"action": action, "number": issue.number, "pull_request": rendered, **more}
    events.emit("pull_request", payload, repository, sender)


def issue_comment(
    events: Events,
    action: str,
    repository: Repository,
    sender: User,
    comment: Comment,
    changes: Json | None = None,
) -> None:
    """`created`, `edited` (with `changes`) or `deleted`."""
    issue = repository.conversation.issues[comment.number]
    payload: Json = {
        "action": action,
        "issue": render_issues.issue(events.world, repository, issue),
        "comment": render_issues.comment(events.world, repository, comment),
        **({"changes": changes} if changes else {}),
    }
    events.emit("issue_comment", payload, repository, sender)


def issues(events: Events, action: str, repository: Repository, sender: User, issue: Issue) -> None:
    """`opened`, of an issue that is no pull request."""
    rendered = render_issues.issue(events.world, repository, issue)
    events.emit("issues", {"action": action, "issue": rendered}, repository, sender)
