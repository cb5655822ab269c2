"""What a pushed commit asks for: the `deploy:` settings of its own `mcp.yaml` decide."""

from config.database import transaction
from pipeline import run_making
from pipeline.errands.base import Done, Errand, handles
from pipeline.github import reading
from pipeline.github.client import InstallationClient, speaking
from pipeline.manifest.deploying import DeploySettings, read_deploy_settings
from pipeline.run_making import Wanted
from pipeline.skipping import asks_to_skip

SKIPPED_BY_MESSAGE = "Skipped: the commit's message asks for it"
SKIPPED_BY_PATHS = "Skipped: none of the files that `deploy.paths` names has changed"


@handles("push")
def push(errand: Errand) -> Done:
    """Make the run of a branch's commit, or say why there is none."""
    branch = errand.subject.removeprefix("refs/heads/")
    repository, sha = errand.repository, str(errand.details["sha"])
    if repository.archived:
        return Done(f"{repository.full_name} is archived", in_vain=True)
    with speaking(errand.installation_id) as github:
        raw = reading.file_at(github, repository, sha)
        settings = read_deploy_settings(raw)
        environment = settings.environment_of_branch(branch, repository.default_branch)
        if environment is None:
            return Done(_untracked(branch, settings, repository.default_branch))
        if raw is None and not _is_known(repository.id):
            return Done(f"{branch} has no mcp.yaml")
        title = _skips(github, errand, settings)
    wanted = Wanted(
        repository_id=repository.id,
        kind="deploy",
        environment=environment,
        ref=errand.subject,
        sha=sha,
        before_sha=errand.details.get("before"),
        delivery_id=errand.delivery_id,
        deploy_settings=settings.to_json(),
    )
    with transaction() as connection:
        if title is not None:
            created = run_making.skip(connection, wanted, title)
        elif errand.details.get("seen"):
            created = run_making.ensure(connection, wanted)
        else:
            created = run_making.create(connection, wanted)
    return Done(run_making.words(created), run_ids=(created.run.id,))


def _untracked(branch: str, settings: DeploySettings, default_branch: str) -> str:
    if settings.push is None:
        return f"branch {branch} is not tracked: only a push to {default_branch} deploys"
    named = ", ".join(rule.branch for rule in settings.push) or "no branch"
    return f"branch {branch} is not tracked: deploy.on.push of its mcp.yaml names {named}"


def _is_known(repository_id: int) -> bool:
    """Whether the repository ever had a run: then a missing mcp.yaml is a mistake to tell."""
    with transaction() as connection:
        row = connection.execute(
            "SELECT 1 FROM runs WHERE repository_id = %s LIMIT 1", (repository_id,)
        ).fetchone()
    return row is not None


def _skips(github: InstallationClient, errand: Errand, settings: DeploySettings) -> str | None:
    """Why the commit is not to be run, or None. In doubt it is run."""
    sha, before = errand.details["sha"], errand.details.get("before")
    skip = errand.details.get("skip")
    if skip is None:
        skip = asks_to_skip(reading.message_of(github, errand.repository, sha))
    if skip:
        return SKIPPED_BY_MESSAGE
    if settings.paths and before:
        changed = reading.changed_between(github, errand.repository, before, sha)
        if not settings.touches(changed):
            return SKIPPED_BY_PATHS
    return None
