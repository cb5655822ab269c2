"""Users, and the installations and repositories they own."""

from sandbox.github import render
from sandbox.github.errors import GitHubError, not_found
from sandbox.github.installing import Installer
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import Installation, Repository, User


@endpoint("GET", "/user", audience="user")
def get_authenticated_user(call: Call) -> Answer:
    """The calling user."""
    return Answer(render.profile(call.world, call.user))


@endpoint("GET", "/users/{username}", audience="anyone")
def get_user(call: Call) -> Answer:
    """Any account, also the App's own."""
    account = call.world.user(call.path["username"])
    if account is None:
        raise not_found()
    return Answer(render.profile(call.world, account))


@endpoint("GET", "/user/repos", audience="user")
def list_repositories(call: Call) -> Answer:
    """The calling user's repositories."""
    owned = [one for one in call.world.all_repositories() if one.owner is call.user]
    page, headers = call.page(owned)
    return Answer([render.repository(call.world, one) for one in page], headers=headers)


@endpoint("GET", "/user/installations", audience="user")
def list_installations(call: Call) -> Answer:
    """The installations on the calling user's account and organizations."""

    def mine(account: User) -> bool:
        return call.world.administers(call.user, account)

    own = [one for one in call.world.installations.values() if mine(one.account)]
    page, headers = call.page(own)
    body = {
        "total_count": len(own),
        "installations": [render.installation(call.world, one) for one in page],
    }
    return Answer(body, headers=headers)


@endpoint(
    "PUT", "/user/installations/{installation_id}/repositories/{repository_id}", audience="user"
)
def add_repository(call: Call) -> Answer:
    """Let an installation act on one repository more."""
    installation, repository = _own(call)
    Installer(call.world, call.events).add(installation, [repository], call.user)
    return Answer(status=204)


@endpoint(
    "DELETE", "/user/installations/{installation_id}/repositories/{repository_id}", audience="user"
)
def remove_repository(call: Call) -> Answer:
    """Take a repository from an installation."""
    installation, repository = _own(call)
    if installation.selection == "all":
        raise GitHubError(422, "Cannot remove a repository from an installation on all of them")
    if len(installation.repository_ids) == 1 and repository.id in installation.repository_ids:
        raise GitHubError(422, "Cannot remove the last repository of an installation")
    Installer(call.world, call.events).remove(installation, [repository], call.user)
    return Answer(status=204)


def _own(call: Call) -> tuple[Installation, Repository]:
    installation = call.world.installations.get(call.path["installation_id"])
    repository = call.world.repositories.get(call.path["repository_id"])
    if not installation or not repository or repository.owner is not installation.account:
        raise not_found()
    if not call.world.administers(call.user, installation.account):
        raise not_found()
    return installation, repository
