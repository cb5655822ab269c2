"""What a pull request asks for now, whichever of its events came last: a preview, a check, or that
its preview goes away."""

from typing import Any

from config.database import transaction
from pipeline import pull_requests, run_making
from pipeline.errands.base import Done, Errand, handles
from pipeline.errands.push import SKIPPED_BY_MESSAGE, SKIPPED_BY_PATHS
from pipeline.errands.retiring import retire
from pipeline.github import reading
from pipeline.github.client import InstallationClient, speaking
from pipeline.manifest.deploying import DeploySettings, read_deploy_settings
from pipeline.pull_requests import PullRequest
from pipeline.run_making import Wanted
from pipeline.runs import Kind, Repository
from pipeline.skipping import asks_to_skip


@handles("pull")
def pull(errand: Errand) -> Done:
    """Read the pull request, and make the run that it asks for. `details` may hold `actor`, the
    person who asked for a preview although nothing asks for it by itself."""
    repository, number = errand.repository, int(errand.subject.removeprefix("#"))
    actor = errand.details.get("actor")
    with speaking(errand.installation_id) as github:
        found = read_pull(github, repository, number)
        with transaction() as connection:
            pull_requests.record(connection, found)
        if found.state == "closed":
            return retire(github, errand, found)
        if repository.archived:
            return Done(f"{repository.full_name} is archived")
        # The base branch decides: whoever opens a pull request must not.
        base = reading.file_at(github, repository, found.base_ref)
        settings = read_deploy_settings(base)
        if settings.pull_request == "none":
            return Done(f"deploy.on.pull_request of {found.base_ref} says none")
        # One that takes the file away gets a check that says so.
        if base is None and reading.file_at(github, repository, found.head_sha) is None:
            return Done(f"#{number} has no mcp.yaml")
        title = None if actor else _skips(github, repository, found, settings)
    with transaction() as connection:
        approver = pull_requests.approver(connection, repository.id, number, found.head_sha)
        trusted = not found.fork or approver is not None
        wanted = Wanted(
            repository_id=repository.id,
            kind=_kind(found, settings, trusted=trusted, asked=actor is not None),
            environment=pull_requests.environment(number),
            ref=f"refs/pull/{number}/head",
            sha=found.head_sha,
            delivery_id=errand.delivery_id,
            pull_number=number,
            trusted=trusted,
            actor=actor,
            deploy_settings=settings.to_json(),
        )
        if title is not None:
            created = run_making.skip(connection, wanted, title)
        else:
            created = run_making.create(connection, wanted)
            if actor and not created.new:
                created = run_making.rerun(
                    connection, created.run, delivery_id=errand.delivery_id, actor=actor
                )
    return Done(run_making.words(created), run_ids=(created.run.id,))


def _kind(pull: PullRequest, settings: DeploySettings, *, trusted: bool, asked: bool) -> Kind:
    if not trusted:
        return "check"
    if asked:
        return "preview"
    return "check" if pull.draft or settings.pull_request == "check" else "preview"


def _skips(
    github: InstallationClient, repository: Repository, pull: PullRequest, settings: DeploySettings
) -> str | None:
    if asks_to_skip(reading.message_of(github, repository, pull.head_sha)):
        return SKIPPED_BY_MESSAGE
    if settings.paths and not settings.touches(
        reading.changed_by_pull(github, repository, pull.number)
    ):
        return SKIPPED_BY_PATHS
    return None


def read_pull(github: InstallationClient, repository: Repository, number: int) -> PullRequest:
    """A pull request as it is at GitHub now."""
    body: Any = github.rest.pulls.get(repository.owner, repository.name, number).json()
    head, base = body["head"], body["base"]
    head_repository = (head.get("repo") or {}).get("full_name")
    return PullRequest(
        repository_id=repository.id,
        number=number,
        head_sha=head["sha"],
        head_ref=head["ref"],
        head_repository=head_repository,
        fork=(head.get("repo") or {}).get("id") != base["repo"]["id"],
        base_ref=base["ref"],
        author=body["user"]["login"],
        draft=bool(body.get("draft")),
        state=body["state"],
        merged=bool(body.get("merged")),
    )
