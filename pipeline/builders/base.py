"""The artifact a build makes, and the protocol of a builder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pipeline.manifest import Manifest
from pipeline.stages.base import Log, Result, Stop


class Artifact(Result):
    """Something that a host can run, named by its content.

    Attributes:
        kind: `image` runs on docker (and, later, Railway); `folder` on the process host.
        reference: The image's name and tag, or the folder's absolute path.
        digest: `sha256:…` of the image, or of the folder's inputs. The same digest is the same
            artifact; promotion and rollback go by it.
        command: What starts the server, bridge included. Empty when the image knows.
    """

    kind: Literal["image", "folder"]
    reference: str
    digest: str
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuildInput:
    """What a builder needs to know.

    Attributes:
        tree: The checked-out commit, the whole repository. A builder does not change it.
        manifest: The validated `mcp.yaml`.
        repository: `owner/name`, for names and labels.
        sha: The commit, 40 hex digits.
        source_url: The repository's web page, for the OCI label.
        output: A folder that is this build's own, for folder artifacts; may hold the leftovers of
            a build that was killed.
        trusted: False for a fork's commit that nobody approved: it leaves nothing behind that
            another build takes up.
        fresh: Whether to take nothing up that an earlier build of the same files has left.
    """

    tree: Path
    manifest: Manifest
    repository: str
    sha: str
    source_url: str
    output: Path
    trusted: bool = True
    fresh: bool = False


class Builder(Protocol):
    """Makes an artifact from a commit."""

    def build(self, request: BuildInput, *, log: Log, stop: Stop) -> Artifact:
        """Build, logging each line as it comes.

        The same input may be built twice (a worker died in the middle); the second build finds or
        replaces what the first one left.

        Raises:
            StageError: `yours` when the repository does not build (the title names the failing
                step, the detail says what to do), `ours` when the engine is away.
            RunStopped: as soon as `stop` says so; nothing is left running.
        """
        ...

    def has(self, artifact: Artifact) -> bool:
        """Whether an artifact that was built before can still be started from here."""
        ...

    def discard(self, artifact: Artifact) -> None:
        """Remove an artifact that nothing runs any more. No error when it is gone."""
        ...
