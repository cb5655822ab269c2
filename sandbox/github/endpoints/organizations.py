"""Organizations and their repositories, and the App's installation on an account
(docs.github.com/rest/orgs, /rest/repos, /rest/apps).
"""

from sandbox.github import bodies, render
from sandbox.github.endpoints.repositories import create_for
from sandbox.github.errors import GitHubError, not_found
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import Installation, User


@endpoint("GET", "/user/orgs", audience="user")
def list_organizations(call: Call) -> Answer:
    """The organizations that the calling user owns."""
    world = call.world
    owned = [one for one in world.users.values() if call.user.id in one.owners]
    page, headers = call.page(owned)
    return Answer([render.organization(world, one) for one in page], headers=headers)


@endpoint("POST", "/orgs/{org}/repos", audience="user", content=True)
def create_repository(call: Call) -> Answer:
    """A new repository of an organization, empty unless `auto_init`."""
    bodies.check("repository", call.body)
    owner = _organization(call)
    if not call.world.administers(call.user, owner):
        words = "You need admin access to the organization before adding a repository to it."
        raise GitHubError(403, words)
    return create_for(call, owner)


@endpoint("GET", "/orgs/{org}/repos", audience="anyone")
def list_repositories(call: Call) -> Answer:
    """An organization's repositories, as far as the caller may see them."""
    owner = _organization(call)
    seen = [
        one
        for one in call.world.all_repositories()
        if one.owner is owner and (not one.private or call.caller.reaches(one))
    ]
    page, headers = call.page(seen)
    return Answer([render.repository(call.world, one) for one in page], headers=headers)


@endpoint("GET", "/orgs/{org}/installation", audience="app")
def get_organization_installation(call: Call) -> Answer:
    """The App's installation on an organization."""
    return _installation(call, _organization(call))


@endpoint("GET", "/users/{username}/installation", audience="app")
def get_user_installation(call: Call) -> Answer:
    """The App's installation on any account."""
    account = call.world.user(call.path["username"])
    if account is None:
        raise not_found()
    return _installation(call, account)


def _organization(call: Call) -> User:
    found = call.world.user(call.path["org"])
    if found is None or found.type != "Organization":
        raise not_found()
    return found


def _installation(call: Call, account: User) -> Answer:
    def wanted(one: Installation) -> bool:
        return one.account is account and one.app is call.app

    with call.world.lock:
        found = next(filter(wanted, call.world.installations.values()), None)
    if found is None:
        raise not_found()
    return Answer(render.installation(call.world, found))
