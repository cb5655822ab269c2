"""Forks, and the objects that a repository shares with its forks.

At GitHub a repository and its forks keep their objects in one place, so a commit that was pushed
to a fork can be read in the repository that it was forked from. Here the fork's branches are
fetched into the other repository, under a name that nobody sees.
"""

from sandbox.github.git import Git, UnknownObject
from sandbox.github.world import Repository, User, World


def fork(
    world: World, source: Repository, owner: User, name: str, *, default_branch_only: bool
) -> Repository:
    """Copy a repository with its branches and tags."""
    number, now = world.new_id("repository"), world.clock.stamp()
    git = Git(world.folder / "repositories" / f"{number}.git")
    git.create(source.default_branch)
    wanted = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
    if default_branch_only:
        branch = f"refs/heads/{source.default_branch}"
        wanted = [f"+{branch}:{branch}"]
    if source.git.refs():
        _fetch(git, source.git, *wanted)
    repository = Repository(
        number,
        name,
        owner,
        source.private,
        source.description,
        git,
        now,
        now,
        source.pushed_at,
        parent_id=source.id,
    )
    world.add_repository(repository)
    return repository


def _fetch(target: Git, source: Git, *refspecs: str) -> None:
    quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--prune")
    target.run("fetch", *quiet, str(source.path), *refspecs)


def parent(world: World, repository: Repository) -> Repository | None:
    """What a repository was forked from, while that is there."""
    return world.repositories.get(repository.parent_id or 0)


def root(world: World, repository: Repository) -> Repository:
    """The repository from which all of the network were forked."""
    above = parent(world, repository)
    return root(world, above) if above else repository


def forks(world: World, repository: Repository) -> list[Repository]:
    """The forks of a repository, newest first."""
    return [one for one in world.all_repositories() if one.parent_id == repository.id]


def share(world: World, repository: Repository) -> None:
    """Give a fork's objects to the repositories above it."""
    above = parent(world, repository)
    while above is not None:
        _fetch(above.git, repository.git, f"+refs/heads/*:refs/network/{repository.id}/*")
        above = parent(world, above)


def member(world: World, repository: Repository, owner: str) -> Repository | None:
    """The repository of an account in the network of `repository`."""
    if repository.owner.login.lower() == owner.lower():
        return repository
    top = root(world, repository)
    for one in world.all_repositories():
        if one.owner.login.lower() == owner.lower() and root(world, one) is top:
            return one
    return None


def commit_sha(world: World, repository: Repository, name: str) -> str:
    """The commit that a name in a comparison stands for; `owner:branch` is one in a fork.

    Raises:
        UnknownObject: when there is none.
    """
    owner, colon, branch = name.rpartition(":")
    if not colon:
        return repository.git.commit_sha(name)
    holder = member(world, repository, owner)
    if holder is None:
        raise UnknownObject(name)
    return repository.git.commit_sha(holder.git.commit_sha(branch))
