"""What a host needs to know to run an artifact as its manifest says."""

from collections.abc import Mapping

from pipeline.builders.base import Artifact
from pipeline.hosts.base import DeploymentSpec
from pipeline.manifest import Manifest


def server_spec(
    name: str, manifest: Manifest, artifact: Artifact, *, labels: Mapping[str, str]
) -> DeploymentSpec:
    """The same for the first start of a server and for every later one."""
    return DeploymentSpec(
        name=name,
        artifact=artifact,
        port=manifest.transport.port,
        path=manifest.transport.path,
        env=manifest.env or {},
        memory=manifest.resources.memory,
        cpu=manifest.resources.cpu,
        labels=labels,
    )


def server_labels(
    *, instance: str, repository: str, environment: str, run_id: int
) -> dict[str, str]:
    """What a server carries, so that a sweep, or a person, can tell whose it is."""
    return {
        "sigil.instance": instance,
        "sigil.repository": repository,
        "sigil.environment": environment,
        "sigil.run": str(run_id),
    }
