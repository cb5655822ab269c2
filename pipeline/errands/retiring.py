"""The end of a preview, in GitHub's order: deployment inactive, deployment deleted, environment
deleted. Repeating it does no harm."""

from githubkit.exception import RequestFailed

from config.database import Connection, transaction
from pipeline import deployments, pull_requests, runs
from pipeline.errands.base import Done, Errand, NotYet
from pipeline.github.client import InstallationClient
from pipeline.github.comment import say_farewell
from pipeline.pull_requests import PullRequest
from pipeline.runs import Repository


def retire(github: InstallationClient, errand: Errand, pull: PullRequest) -> Done:
    """Take down what a closed pull request leaves: servers, deployments, the environment.

    Raises:
        NotYet: a run is under way, and would deploy after this.
    """
    repository, environment = errand.repository, pull_requests.environment(pull.number)
    with transaction() as connection:
        ended = _end_runs(connection, repository, pull.number)
        stopped = deployments.stop(connection, repository.id, environment) if ended else 0
    if not ended:
        raise NotYet(f"waiting for the run of #{pull.number} to end")
    removed = _delete_deployments(github, repository, environment)
    gone = _delete_environment(github, repository, environment)
    say_farewell(github, repository, pull)
    with transaction() as connection:
        pull_requests.retired(connection, repository.id, pull.number)
    parts = [
        f"#{pull.number} is {'merged' if pull.merged else 'closed'}",
        f"{stopped} server{'' if stopped == 1 else 's'} stopped" if stopped else "",
        f"{removed} deployment{'' if removed == 1 else 's'} deleted" if removed else "",
        "environment deleted" if gone else "",
    ]
    return Done(", ".join(part for part in parts if part), clear_up=stopped > 0)


def _end_runs(connection: Connection, repository: Repository, number: int) -> bool:
    """Cancel what waits or runs for a pull request; return whether nothing runs any more."""
    states = [
        runs.cancel(connection, run_id)
        for run_id in runs.open_of_pull(connection, repository.id, number)
    ]
    return "running" not in states


def _delete_deployments(
    github: InstallationClient, repository: Repository, environment: str
) -> int:
    """Delete all deployments of an environment; GitHub deletes only what is inactive.

    https://docs.github.com/en/rest/deployments/deployments#delete-a-deployment
    """
    count = 0
    while True:
        listed = github.rest.repos.list_deployments(
            repository.owner, repository.name, environment=environment, per_page=100
        ).parsed_data
        if not listed:
            return count
        for deployment in listed:
            github.rest.repos.create_deployment_status(
                repository.owner,
                repository.name,
                deployment.id,
                state="inactive",
                description="The pull request is closed",
            )
            _delete(github, f"/repos/{repository.full_name}/deployments/{deployment.id}")
            count += 1


def _delete_environment(
    github: InstallationClient, repository: Repository, environment: str
) -> bool:
    """Delete an environment, when the App was given the permission `administration: write`; without
    it an empty environment stays behind. False when there is none or it stays."""
    name = environment.replace("/", "%2F")
    try:
        return _delete(github, f"/repos/{repository.full_name}/environments/{name}")
    except RequestFailed as error:
        if error.response.status_code == 403:
            return False
        raise


def _delete(github: InstallationClient, path: str) -> bool:
    try:
        github.request("DELETE", path)
    except RequestFailed as error:
        if error.response.status_code == 404:
            return False
        raise
    return True
