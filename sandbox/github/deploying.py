"""What GitHub does before it makes a deployment: looks at the checks, and brings a branch up to
date with the default branch.

Source: docs.github.com/rest/deployments/deployments, "Create a deployment".
"""

from typing import Any

from sandbox.github.errors import GitHubError
from sandbox.github.git import Git, UnknownObject
from sandbox.github.reports import latest
from sandbox.github.world import Repository, World
from sandbox.github.world_deployments import Environment

_PASSING = ("success", "neutral", "skipped")


class Gate:
    """The statuses and check runs of one commit, as deployments ask for them."""

    def __init__(self, repository: Repository, sha: str) -> None:
        runs = [run for run in repository.check_runs.values() if run.head_sha == sha]
        statuses = {one.context: one.state for one in repository.statuses if one.sha == sha}
        self._states = statuses | {
            run.name: _state(run.status, run.conclusion) for run in latest(runs)
        }

    def check(self, ref: str, required: list[str] | None) -> None:
        """Refuse when a context that counts is not successful.

        Args:
            ref: what is to be deployed, for the message.
            required: the contexts that count; None for all that were ever reported.

        Raises:
            GitHubError: 409, with the state of each context.
        """
        counting = list(self._states) if required is None else required
        states = {context: self._states.get(context, "pending") for context in counting}
        if all(state == "success" for state in states.values()):
            return
        # The form was seen in GitHub's answer quoted in drevops/vortex#1903.
        contexts = [{"context": name, "state": state} for name, state in states.items()]
        problem: dict[str, Any] = {
            "contexts": contexts,
            "resource": "Deployment",
            "field": "required_contexts",
            "code": "invalid",
        }
        words = f"Conflict: Commit status checks failed for {ref}."
        raise GitHubError(409, words, errors=[problem])


def _state(status: str, conclusion: str | None) -> str:
    if status != "completed":
        return "pending"
    return "success" if conclusion in _PASSING else "failure"


def catch_up(repository: Repository, ref: str) -> bool:
    """Merge the default branch into `ref` when it is behind it; whether that was done.

    Raises:
        GitHubError: 409 when the two do not merge, which no tag and no SHA can.
    """
    git, base = repository.git, repository.default_branch
    head, newest = git.commit_sha(ref), git.commit_sha(base)
    if git.reaches(newest, head):
        return False
    conflict = GitHubError(409, f"Conflict merging {base} into {ref}")
    if f"refs/heads/{ref}" not in git.refs():
        raise conflict
    try:
        git.run("update-ref", f"refs/heads/{ref}", _merge(git, head, newest, base, ref), head)
    except UnknownObject:
        raise conflict from None
    return True


def _merge(git: Git, head: str, newest: str, base: str, ref: str) -> str:
    tree = git.text("merge-tree", "--write-tree", head, newest)
    identity = ("-c", "user.name=GitHub", "-c", "user.email=noreply@github.com")
    message = f"Merge branch '{base}' into {ref}"
    return git.text(*identity, "commit-tree", "-p", head, "-p", newest, "-m", message, tree)


def adopt_environment(world: World, repository: Repository, name: str) -> None:
    """Make the environment that a deployment names, when it is not there yet."""
    environments = repository.deployments.environments
    if name not in environments:
        number = world.new_id("environment")
        environments[name] = Environment(number, name, world.clock.stamp())
