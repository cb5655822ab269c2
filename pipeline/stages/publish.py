"""Publish: the package, its version and tools, and the deployment that serves from now on."""

from config.database import Connection, transaction
from config.settings import settings
from pipeline import deployments
from pipeline.run_claims import hold
from pipeline.runs import PRODUCTION, Run
from pipeline.stages.base import Result, StageError
from pipeline.stages.build import BuildResult
from pipeline.stages.context import RunContext
from pipeline.stages.deploy import DeployResult
from pipeline.stages.manifest import ManifestResult
from pipeline.stages.verify import VerifyResult
from registry import packages
from registry.tools import Tool


class PublishResult(Result):
    """What is listed now. `notices` are remarks for the check run."""

    package: str
    version: str
    published: bool
    url: str
    notices: tuple[str, ...] = ()


def publish(context: RunContext) -> PublishResult:
    """List the version and make its server the live one, in one transaction.

    Raises:
        StageError: `yours` when the package's name or a released version belongs to another.
        LostClaim: the run is not this worker's any more; nothing was written.
    """
    manifest = context.result("manifest", ManifestResult).read()
    name = f"{settings().namespace}.{context.repository.owner}/{manifest.name}"
    if not _is_listed(context.run):
        return _serve_only(context, name, manifest.version)
    proved = context.result("verify", VerifyResult)
    facts = packages.PackageFacts(
        name=name,
        title=manifest.title,
        description=manifest.description,
        categories=manifest.categories,
        tags=manifest.tags,
    )
    try:
        with transaction() as connection:
            hold(connection, context.run)
            package = packages.upsert_package(
                connection,
                facts,
                workspace_id=context.repository.workspace_id,
                repository_id=context.repository.id,
            )
            version = packages.publish_version(connection, package, _version(context))
            ours = version.sha == context.run.sha
            if context.run.kind == "release" and not ours:
                raise _already_published(name, manifest.version, version.sha)
            deployments.promote(
                connection,
                context.run,
                package_id=package,
                version_id=version.id if ours else None,
                handshake=proved.model_dump(mode="json", exclude={"comparison"}),
            )
    except packages.NameTaken as error:
        raise StageError(
            f"The name {name} is taken",
            f"{error.owner} publishes a package of that name already. Choose another `name` in "
            "mcp.yaml and push again. What served before still serves.",
        ) from None
    context.log(f"{name} {manifest.version} is live")
    notices = () if ours else (_not_published(manifest.version, version.sha),)
    return PublishResult(
        package=name,
        version=manifest.version,
        published=ours,
        url=context.result("deploy", DeployResult).url,
        notices=notices,
    )


def _is_listed(run: Run) -> bool:
    """Whether the run publishes a version: what goes to production and what a tag names does.
    Elsewhere something is tried that may never get there, and a version is for ever."""
    return run.kind == "release" or (run.kind == "deploy" and run.environment == PRODUCTION)


def _serve_only(context: RunContext, name: str, version: str) -> PublishResult:
    """Make the server the live one of its environment, and leave the listing as it is."""
    run, url = context.run, context.result("deploy", DeployResult).url
    with transaction() as connection:
        hold(connection, run)
        package, listed = _listed(connection, run, name)
        deployments.promote(
            connection,
            run,
            package_id=package,
            version_id=listed,
            handshake=context.result("verify", VerifyResult).model_dump(
                mode="json", exclude={"comparison"}
            ),
        )
    context.log(f"{name} {version} serves in {run.environment}")
    return PublishResult(package=name, version=version, published=False, url=url)


def _listed(connection: Connection, run: Run, name: str) -> tuple[int | None, int | None]:
    """The package and the version that the deployment belongs to. A rollback brings back those of
    the deployment that served before."""
    if run.target_id is not None:
        row = connection.execute(
            "SELECT package_id, version_id FROM mcp_deployments WHERE id = %s", (run.target_id,)
        ).fetchone()
        assert row is not None
        return row[0], row[1]
    if run.kind == "preview":
        return None, None
    row = connection.execute(
        "SELECT id FROM mcp_packages WHERE lower(name) = lower(%s) AND repository_id = %s",
        (name, run.repository_id),
    ).fetchone()
    return (row[0] if row else None), None


def _version(context: RunContext) -> packages.VersionFacts:
    manifest = context.result("manifest", ManifestResult)
    proved = context.result("verify", VerifyResult)
    return packages.VersionFacts(
        version=manifest.read().version,
        sha=context.run.sha,
        run_id=context.run.id,
        artifact=context.result("build", BuildResult).artifact.model_dump(mode="json"),
        manifest=manifest.manifest,
        protocol=proved.protocol or "unknown",
        server_info=proved.server,
        tools=[Tool(**tool) for tool in proved.tools],
        verified=proved.verified,
    )


def _not_published(version: str, sha: str) -> str:
    return (
        f"Version {version} was published from {sha[:7]} and stays as it is: a version never "
        "changes. This commit is live, but not published as a version. To publish it, raise "
        "`version` in mcp.yaml and push again."
    )


def _already_published(name: str, version: str, sha: str) -> StageError:
    return StageError(
        f"Version {version} is already published from another commit",
        f"{name} {version} was published from {sha}, and a version never changes. Raise `version` "
        "in mcp.yaml, push, and tag that commit. What served before still serves.",
    )
