"""What a person may do in a repository. An owner is its admin, others were given a role.

Source: docs.github.com, "Repository roles for an organization" and "Permission levels for a
personal account repository". GitHub gives every collaborator of a person's repository the role
`write`; the accounts here stand for organisations too, so that each role can be given.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.github.world import Repository, User

ROLES = ("none", "read", "triage", "write", "maintain", "admin")
# The words with which a role is asked for, and its own name.
WORDS = {"pull": "read", "push": "write"} | {role: role for role in ROLES[1:]}
# The older words in which GitHub also says what a role may do.
_LEGACY = {"maintain": "write", "triage": "read"}


def given(repository: "Repository", user: "User") -> str:
    """The role that `user` was given; `none` also for those who may read like anybody."""
    if user is repository.owner or user.id in repository.owner.owners:
        return "admin"
    return repository.conversation.collaborators.get(user.id, "none")


def effective(repository: "Repository", user: "User") -> str:
    """The role that counts: everybody may read a public repository."""
    role = given(repository, user)
    return "read" if role == "none" and not repository.private else role


def includes(role: str, wanted: str) -> bool:
    """Whether `role` may do all that `wanted` may."""
    return ROLES.index(role) >= ROLES.index(wanted)


def legacy(role: str) -> str:
    """The role as `admin`, `write`, `read` or `none`."""
    return _LEGACY.get(role, role)


def flags(role: str) -> dict[str, bool]:
    """The role as the five abilities that GitHub lists with a repository."""
    named = {"admin": "admin", "maintain": "maintain", "push": "write"}
    named |= {"triage": "triage", "pull": "read"}
    return {name: includes(role, wanted) for name, wanted in named.items()}


def association(repository: "Repository", user: "User") -> str:
    """How an author belongs to a repository; GitHub writes it beside what they say.

    It is no permission: whoever once had a pull request merged stays a contributor.
    """
    if repository.owner is user:
        return "OWNER"
    if user.id in repository.owner.owners:
        return "MEMBER"
    if given(repository, user) != "none":
        return "COLLABORATOR"
    merged = any(
        issue.author is user and pull.merged_at for issue, pull in repository.conversation.pulls()
    )
    return "CONTRIBUTOR" if merged else "NONE"
