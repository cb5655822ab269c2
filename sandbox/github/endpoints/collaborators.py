"""Who may do what in a repository (docs.github.com/rest/collaborators)."""

from sandbox.github import bodies, render_issues, roles
from sandbox.github.errors import (
    GitHubError,
    not_accessible,
    not_found,
    requires_authentication,
    validation_failed,
)
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import Repository, User
from sandbox.github.world_pulls import Invitation

_ALL = "/repos/{owner}/{repo}/collaborators"
_ONE = _ALL + "/{username}"
_MINE = "/user/repository_invitations"


@endpoint("GET", _ONE + "/permission")
def get_permission(call: Call) -> Answer:
    """What somebody may do in the repository; anybody may read a public one."""
    _may_look(call)
    account = call.world.user(call.path["username"])
    if account is None or account.type != "User":
        raise GitHubError(404, f"{call.path['username']} is not a user")
    role = roles.effective(call.repository, account)
    body = {
        "permission": roles.legacy(role),
        "user": render_issues.collaborator(call.world, account, role),
        "role_name": role,
    }
    return Answer(body)


@endpoint("GET", _ALL)
def list_collaborators(call: Call) -> Answer:
    """The owner and all who were given a role."""
    _may_look(call)
    with call.world.lock:
        found = [
            (user, roles.given(call.repository, user))
            for user in call.world.users.values()
            if user.type == "User" and roles.given(call.repository, user) != "none"
        ]
    page, headers = call.page(found)
    body = [render_issues.collaborator(call.world, *one) for one in page]
    return Answer(body, headers=headers)


@endpoint("GET", _ONE)
def check_collaborator(call: Call) -> Answer:
    """204 for a collaborator, 404 for anybody else."""
    _may_look(call)
    if roles.given(call.repository, _user(call)) == "none":
        raise not_found()
    return Answer(status=204)


@endpoint("PUT", _ONE, permission="administration:write", content=True)
def add_collaborator(call: Call) -> Answer:
    """Invite somebody, or give a collaborator another role at once."""
    bodies.check("collaborator", call.body)
    conversation, invitee = call.repository.conversation, _user(call)
    role = roles.WORDS.get(call.body.get("permission", "push"))
    if role is None:
        raise validation_failed("Repository", "permission", "permission is not a valid role")
    if invitee is call.repository.owner:
        words = "Repository owner cannot be a collaborator"
        raise validation_failed("Repository", "base", words)
    if invitee.id in conversation.collaborators:
        conversation.collaborators[invitee.id] = role
        return Answer(status=204)
    now, inviter = call.world.clock.stamp(), call.caller.account
    with call.world.lock:
        for one in conversation.invitations.values():
            if one.invitee is invitee:
                one.role = role
                return Answer(_rendered(call, one), 201)
        item = Invitation(call.world.new_id("invitation"), invitee, inviter, role, now)
        conversation.invitations[item.id] = item
    return Answer(_rendered(call, item), 201)


@endpoint("DELETE", _ONE, permission="administration:write", role="read")
def remove_collaborator(call: Call) -> Answer:
    """Take a role away; everybody may lay down their own."""
    user, conversation = _user(call), call.repository.conversation
    if user is not call.caller.user:
        call.require_role("admin")
    with call.world.lock:
        conversation.collaborators.pop(user.id, None)
        for number, one in list(conversation.invitations.items()):
            if one.invitee is user:
                del conversation.invitations[number]
    return Answer(status=204)


@endpoint("GET", _MINE, audience="user")
def list_my_invitations(call: Call) -> Answer:
    """The invitations that the calling user has not answered."""
    found = [(where, one) for where, one in _open(call) if one.invitee is call.user]
    page, headers = call.page(found)
    body = [render_issues.invitation(call.world, *one) for one in page]
    return Answer(body, headers=headers)


@endpoint("PATCH", _MINE + "/{invitation_id}", audience="user")
def accept_invitation(call: Call) -> Answer:
    """Become a collaborator."""
    repository, item = _mine(call)
    with call.world.lock:
        del repository.conversation.invitations[item.id]
        repository.conversation.collaborators[call.user.id] = item.role
    return Answer(status=204)


@endpoint("DELETE", _MINE + "/{invitation_id}", audience="user")
def decline_invitation(call: Call) -> Answer:
    """Stay what one is."""
    repository, item = _mine(call)
    del repository.conversation.invitations[item.id]
    return Answer(status=204)


def _may_look(call: Call) -> None:
    """Refuse those who may not know about collaborators: strangers, also in public."""
    if call.caller.anonymous:
        raise requires_authentication()
    if call.caller.user:
        if not roles.includes(call.caller.role(call.repository), "write"):
            raise GitHubError(403, "Must have push access to view repository collaborators.")
    elif not call.caller.may(call.repository, "metadata", "read"):
        raise not_accessible("metadata=read")


def _user(call: Call) -> User:
    account = call.world.user(call.path["username"])
    if account is None or account.type != "User":
        raise not_found()
    return account


def _rendered(call: Call, item: Invitation) -> object:
    return render_issues.invitation(call.world, call.repository, item)


def _open(call: Call) -> list[tuple[Repository, Invitation]]:
    return [
        (repository, one)
        for repository in list(call.world.all_repositories())
        for one in list(repository.conversation.invitations.values())
    ]


def _mine(call: Call) -> tuple[Repository, Invitation]:
    for repository, one in _open(call):
        if one.id == call.path["invitation_id"] and one.invitee is call.user:
            return repository, one
    raise not_found()
