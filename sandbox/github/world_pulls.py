"""What the stand-in knows of issues, pull requests, comments and invitations of one repository."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox.github.world_accounts import App, User


@dataclass
class Reaction:
    """Somebody's emoji below a comment."""

    id: int
    user: User
    content: str
    created_at: str


@dataclass
class Comment:
    """A comment on an issue or a pull request; `app` when an App itself wrote it."""

    id: int
    number: int
    author: User
    app: App | None
    body: str
    created_at: str
    updated_at: str
    reactions: list[Reaction] = field(default_factory=list)


@dataclass
class Pull:
    """What makes an issue a pull request.

    The head's repository is kept by its number, because it may be deleted; `head_user` outlives it.
    `base_sha` is the base branch's commit when the head was last looked at.
    """

    id: int
    base_ref: str
    base_sha: str
    head_repository_id: int
    head_user: User
    head_ref: str
    head_sha: str
    draft: bool
    maintainer_can_modify: bool
    merged_at: str | None = None
    merged_by: User | None = None
    merge_commit_sha: str | None = None
    mergeable: bool | None = None


@dataclass
class Issue:
    """An issue, or with `pull` a pull request. `number` counts both in one row."""

    id: int
    number: int
    author: User
    app: App | None
    title: str
    body: str | None
    created_at: str
    updated_at: str
    state: str = "open"
    closed_at: str | None = None
    closed_by: User | None = None
    pull: Pull | None = None


@dataclass
class Invitation:
    """Somebody was asked to become a collaborator with a role and has not answered."""

    id: int
    invitee: User
    inviter: User
    role: str
    created_at: str


@dataclass
class Conversation:
    """All that people and the App say to each other in one repository, and who may do what."""

    collaborators: dict[int, str] = field(default_factory=dict)
    invitations: dict[int, Invitation] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def pulls(self) -> list[tuple[Issue, Pull]]:
        """The pull requests, oldest first."""
        return [(one, one.pull) for one in list(self.issues.values()) if one.pull]

    def comments_on(self, number: int) -> list[Comment]:
        """The comments on an issue or a pull request, oldest first."""
        return [one for one in list(self.comments.values()) if one.number == number]
