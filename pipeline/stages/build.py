"""Build: an artifact from the checked-out commit, once per commit."""

from psycopg.types.json import Jsonb

from config.database import transaction
from config.settings import settings
from pipeline.builders.base import Artifact, BuildInput
from pipeline.stages.base import Result
from pipeline.stages.context import RunContext
from pipeline.stages.manifest import ManifestResult
from pipeline.stages.source import checkout


class BuildResult(Result):
    """The artifact, and the run that built it when it was not this one."""

    artifact: Artifact
    built_by: int | None = None


def build(context: RunContext) -> BuildResult:
    """Build the commit, or take what a run of the same commit has built.

    Raises:
        StageError, RunStopped: as the builder says.
    """
    manifest = context.result("manifest", ManifestResult)
    earlier = _built_before(context, manifest)
    if earlier is not None:
        context.log(f"run {earlier.built_by} built this commit: {earlier.artifact.digest}")
        return earlier
    repository, run = context.repository, context.run
    request = BuildInput(
        tree=checkout(context),
        manifest=manifest.read(),
        repository=repository.full_name,
        sha=run.sha,
        source_url=f"{settings().github_url}/{repository.full_name}",
        output=context.output,
        trusted=run.trusted,
        fresh=run.trusted and _was_unapproved(context),
    )
    artifact = context.builder.build(request, log=context.log, stop=context.stop)
    context.log(f"built {artifact.reference} {artifact.digest}")
    return BuildResult(artifact=artifact)


def _was_unapproved(context: RunContext) -> bool:
    """Whether the commit may have been built before anybody approved it: a part of that build may
    be in the builder's cache."""
    with transaction() as connection:
        row = connection.execute(
            "SELECT 1 FROM runs WHERE repository_id = %s AND sha = %s AND NOT trusted LIMIT 1",
            (context.repository.id, context.run.sha),
        ).fetchone()
    return row is not None


def _built_before(context: RunContext, manifest: ManifestResult) -> BuildResult | None:
    """A commit is built once: a release, and the preview of a commit that was pushed as well, are
    what was built already, not something like it. A re-run of anything else builds anew, so that it
    can mend a build that went wrong.

    What was built of a fork's commit before anybody approved it serves only another check: its
    author chose the moment, and so what a download of the build was at that moment."""
    if context.run.requested and context.run.kind != "release":
        return None
    with transaction() as connection:
        row = connection.execute(
            """SELECT build.run_id, build.result -> 'artifact'
               FROM run_stages AS build
               JOIN runs ON runs.id = build.run_id
               JOIN run_stages AS manifest ON manifest.run_id = build.run_id
               LEFT JOIN mcp_deployments AS deployment ON deployment.run_id = build.run_id
               WHERE runs.repository_id = %(repository)s AND runs.sha = %(sha)s
                 AND runs.id <> %(run)s AND build.stage = 'build' AND build.state = 'succeeded'
                 AND manifest.stage = 'manifest' AND manifest.result -> 'manifest' = %(manifest)s
                 AND coalesce(deployment.state, 'live') <> 'failed'
                 AND coalesce(deployment.host, %(host)s) = %(host)s
                 AND (%(kind)s <> 'release' OR runs.state = 'succeeded')
                 AND (runs.trusted OR NOT %(trusted)s)
               -- What has served already goes before what was only built.
               ORDER BY deployment.live_at IS NULL, build.run_id DESC LIMIT 1""",
            {
                "repository": context.repository.id,
                "sha": context.run.sha,
                "run": context.run.id,
                "manifest": Jsonb(manifest.manifest),
                "host": context.host.name,
                "kind": context.run.kind,
                "trusted": context.run.trusted,
            },
        ).fetchone()
    if row is None:
        return None
    artifact = Artifact.model_validate(row[1])
    if not context.builder.has(artifact):
        return None
    return BuildResult(artifact=artifact, built_by=row[0])
