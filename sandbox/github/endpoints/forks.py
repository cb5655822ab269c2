"""Forks (docs.github.com/rest/repos/forks)."""

import itertools

from sandbox.github import bodies, network, render
from sandbox.github.errors import GitHubError
from sandbox.github.installing import Installer
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import User

_ALL = "/repos/{owner}/{repo}/forks"


@endpoint("POST", _ALL, audience="user", content=True)
def create_fork(call: Call) -> Answer:
    """Copy a repository to the calling user's account, or to an organization of theirs."""
    bodies.check("fork", call.body)
    source, owner = call.repository, _owner(call)
    if owner is source.owner:
        # GitHub answers with the repository itself rather than refuse.
        return Answer(render.full_repository(call.world, source, role="admin"), 202)
    present = [one for one in network.forks(call.world, source) if one.owner is owner]
    if present:
        return Answer(render.full_repository(call.world, present[0], role="admin"), 202)
    if not source.git.refs():
        words = "The repository exists, but it contains no Git content. Empty repositories cannot"
        raise GitHubError(403, f"{words} be forked.")
    fork = network.fork(
        call.world,
        source,
        owner,
        _free_name(call, owner),
        default_branch_only=call.body.get("default_branch_only", False),
    )
    call.events.repository("created", fork, call.user)
    Installer(call.world, call.events).repository_created(fork, call.user)
    return Answer(render.full_repository(call.world, fork, role="admin"), 202)


def _owner(call: Call) -> User:
    name = call.body.get("organization")
    if not name:
        return call.user
    account = call.world.user(name)
    if account is None or not call.world.administers(call.user, account):
        invalid = {"resource": "Fork", "field": "organization", "code": "invalid"}
        raise GitHubError(422, "Validation Failed", errors=[invalid])
    return account


def _free_name(call: Call, owner: User) -> str:
    """The wanted name, with a number when the account has such a repository already."""
    wanted: str = call.body.get("name") or call.repository.name
    names = itertools.chain([wanted], (f"{wanted}-{number}" for number in itertools.count(1)))
    return next(name for name in names if not call.world.repository(owner.login, name))


@endpoint("GET", _ALL)
def list_forks(call: Call) -> Answer:
    """The forks of a repository, newest first."""
    page, headers = call.page(network.forks(call.world, call.repository))
    body = [render.repository(call.world, one) for one in page]
    return Answer(body, headers=headers)
