"""The release run of a tag: its commit, and whether it is a prerelease, are asked of GitHub."""

from githubkit.exception import RequestFailed

from config.database import transaction
from pipeline import run_making
from pipeline.errands.base import Done, Errand, handles
from pipeline.github import reading
from pipeline.github.client import InstallationClient, speaking
from pipeline.manifest.deploying import read_deploy_settings
from pipeline.run_making import Wanted


@handles("tag")
def tag(errand: Errand) -> Done:
    """Make the release run; a tag's push and its release's event give the same one."""
    repository = errand.repository
    if repository.archived:
        return Done(f"{repository.full_name} is archived", in_vain=True)
    with speaking(errand.installation_id) as github:
        sha = reading.commit_of(github, repository, errand.subject.removeprefix("refs/"))
        settings = read_deploy_settings(reading.file_at(github, repository, sha))
        prerelease = _is_prerelease(github, errand)
    wanted = Wanted(
        repository_id=repository.id,
        kind="release",
        environment=settings.environment_of_release(prerelease),
        ref=errand.subject,
        sha=sha,
        delivery_id=errand.delivery_id,
        deploy_settings=settings.to_json(),
    )
    with transaction() as connection:
        created = run_making.create(connection, wanted)
    return Done(run_making.words(created), run_ids=(created.run.id,))


def _is_prerelease(github: InstallationClient, errand: Errand) -> bool:
    """Whether the version says so (semver: `v1.0.0-rc.1`), or the release of the tag does."""
    name = errand.subject.removeprefix("refs/tags/")
    if "-" in name.partition("+")[0]:
        return True
    repository = errand.repository
    try:
        release = github.rest.repos.get_release_by_tag(
            repository.owner, repository.name, reading.in_path(name)
        )
    except RequestFailed as error:
        if error.response.status_code == 404:
            return False
        raise
    return release.parsed_data.prerelease
