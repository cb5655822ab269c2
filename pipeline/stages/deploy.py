"""Deploy: start the artifact beside what serves now. Nothing is replaced before it is proved."""

import re

from pipeline import deployments
from pipeline.hosts.spec import server_labels, server_spec
from pipeline.stages.base import Result
from pipeline.stages.build import BuildResult
from pipeline.stages.context import RunContext
from pipeline.stages.manifest import ManifestResult


class DeployResult(Result):
    """The server that was started. `name` is Sigil's own name for it on the host."""

    host: str
    name: str
    url: str


def deploy(context: RunContext) -> DeployResult:
    """Start the server.

    Raises:
        StageError: as the host says.
    """
    manifest = context.result("manifest", ManifestResult).read()
    artifact = context.result("build", BuildResult).artifact
    spec = server_spec(
        server_name(context, manifest.name),
        manifest,
        artifact,
        labels=server_labels(
            instance=context.instance,
            repository=context.repository.full_name,
            environment=context.run.environment,
            run_id=context.run.id,
        ),
    )
    context.stop.check()
    deployments.announce(context.run, host=context.host.name, name=spec.name, artifact=artifact)
    instance = context.host.start(spec)
    deployments.started(context.run, instance)
    context.log(f"started {spec.name} on {context.host.name}: {instance.url}")
    return DeployResult(host=context.host.name, name=spec.name, url=instance.url)


def server_name(context: RunContext, package: str) -> str:
    """The server's name: the same for every worker that takes the run, and for no other run."""
    slug = re.sub(r"[^a-z0-9]+", "-", f"{package[:24]}-{context.run.environment[:16]}".lower())
    return f"sigil-{context.instance}-{slug.strip('-')}-{context.run.id}"
