"""Repositories (docs.github.com/rest/repos/repos)."""

import re

from sandbox.github import bodies, pushes, render, roles
from sandbox.github.errors import GitHubError
from sandbox.github.git import Git
from sandbox.github.installing import Installer
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import Repository, User, World

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")


@endpoint("POST", "/user/repos", audience="user", content=True)
def create_repository(call: Call) -> Answer:
    """A new repository of the calling user, empty unless `auto_init`."""
    bodies.check("repository", call.body)
    return create_for(call, call.user)


def create_for(call: Call, owner: User) -> Answer:
    """Make the repository that the body describes, and announce it.

    Raises:
        GitHubError: 422 for a name that cannot be had.
    """
    name = proper_name(call.body["name"])
    if call.world.repository(owner.login, name) or name in (".", "..") or not name:
        taken = {
            "resource": "Repository",
            "code": "custom",
            "field": "name",
            "message": "name already exists on this account",
        }
        raise GitHubError(422, "Repository creation failed.", errors=[taken])
    repository = new_repository(
        call.world,
        owner,
        name,
        private=call.body.get("private", False),
        description=call.body.get("description"),
    )
    call.events.repository("created", repository, call.user)
    Installer(call.world, call.events).repository_created(repository, call.user)
    if call.body.get("auto_init"):
        _write_readme(call, repository)
    return Answer(render.full_repository(call.world, repository, role="admin"), 201)


def proper_name(name: str) -> str:
    """A repository's name: GitHub replaces what it may not contain rather than refuse it."""
    return _NOT_IN_NAMES.sub("-", name)


def new_repository(
    world: World, owner: User, name: str, *, private: bool, description: str | None
) -> Repository:
    """Make the bare repository and remember it."""
    number, now = world.new_id("repository"), world.clock.stamp()
    git = Git(world.folder / "repositories" / f"{number}.git")
    git.create()
    repository = Repository(number, name, owner, private, description, git, now, now, now)
    world.add_repository(repository)
    return repository


def _write_readme(call: Call, repository: Repository) -> None:
    user = call.user
    repository.git.first_commit(
        {"README.md": f"# {repository.name}\n"},
        name=user.name,
        email=user.email,
        message="Initial commit",
    )
    after = repository.git.refs()
    pushes.announce(call.world, call.events, repository, user, {}, after)


@endpoint("GET", "/repos/{owner}/{repo}")
def get_repository(call: Call) -> Answer:
    """One repository."""
    user = call.caller.user
    role = roles.effective(call.repository, user) if user else "read"
    return Answer(render.full_repository(call.world, call.repository, role=role))
