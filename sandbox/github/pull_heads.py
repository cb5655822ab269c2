"""The two ends of a pull request: where its head is, whether it can be merged, and its refs."""

from sandbox.github import git_writing, network
from sandbox.github.world import Repository, World
from sandbox.github.world_pulls import Issue, Pull


def head_repository(world: World, pull: Pull) -> Repository | None:
    """Where the head branch is; None when that repository was deleted."""
    return world.repositories.get(pull.head_repository_id)


def head_tip(world: World, pull: Pull) -> str | None:
    """The commit of the head branch; None when the branch or its repository is gone."""
    repository = head_repository(world, pull)
    return repository.git.refs().get(f"refs/heads/{pull.head_ref}") if repository else None


def base_tip(repository: Repository, pull: Pull) -> str | None:
    """The commit of the base branch; None when the branch is gone."""
    return repository.git.refs().get(f"refs/heads/{pull.base_ref}")


def set_head(world: World, repository: Repository, issue: Issue, sha: str) -> None:
    """Let the pull request's head be `sha`. Whether it can be merged is not known then."""
    pull = issue.pull
    assert pull is not None
    fork = head_repository(world, pull)
    if fork is not None and fork is not repository:
        network.share(world, fork)
    pull.head_sha, pull.mergeable = sha, None
    pull.base_sha = base_tip(repository, pull) or pull.base_sha
    issue.updated_at = world.clock.stamp()
    repository.git.run("update-ref", f"refs/pull/{issue.number}/head", sha)


def try_merge(repository: Repository, issue: Issue) -> None:
    """Find out whether the pull request can be merged, and keep the result as GitHub does."""
    pull = issue.pull
    assert pull is not None
    base = base_tip(repository, pull)
    tree = base and git_writing.merged_tree(repository.git, base, pull.head_sha)
    pull.mergeable = tree is not None
    ref = f"refs/pull/{issue.number}/merge"
    if not base or not tree:
        pull.merge_commit_sha = None
        repository.git.run("update-ref", "-d", ref)
        return
    pull.merge_commit_sha = git_writing.commit(
        repository.git,
        tree,
        (base, pull.head_sha),
        f"Merge {pull.head_sha} into {base}",
        git_writing.Signature(issue.author.name, issue.author.email),
        git_writing.GITHUB,
    )
    repository.git.run("update-ref", ref, pull.merge_commit_sha)


def merge_base(repository: Repository, pull: Pull) -> str:
    """Where the head's history leaves that of the base."""
    found = git_writing.merge_base(repository.git, pull.base_sha, pull.head_sha)
    return found or pull.base_sha
