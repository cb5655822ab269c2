"""The `Host` protocol: what Sigil asks of any place where servers run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from pipeline.builders.base import Artifact


@dataclass(frozen=True)
class DeploymentSpec:
    """One server to run.

    Attributes:
        name: Sigil's own name for it, unique per run (`sigil-<package>-<environment>-<run>`):
            lower-case letters, digits and hyphens, at most 63 characters. Starting the same name
            twice gives the same server, not two.
        artifact: What to run.
        port: The port that the server listens on inside; also injected as `PORT`.
        path: The path of the MCP endpoint, such as `/mcp`.
        env: Environment variables.
        memory: Bytes, or None for no limit.
        cpu: Processors, or None for no limit.
        labels: Kept with the server, so that a sweep can tell whose it is.
    """

    name: str
    artifact: Artifact
    port: int
    path: str
    env: Mapping[str, str]
    memory: int | None = None
    cpu: float | None = None
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Instance:
    """A server on a host.

    Attributes:
        name: As in its `DeploymentSpec`.
        host_id: The host's own name for it.
        url: The MCP endpoint, reachable from where Sigil runs.
        state: `crashed` means that the host has given up restarting it.
    """

    name: str
    host_id: str
    url: str
    state: Literal["starting", "running", "crashed", "stopped"]


class Host(Protocol):
    """A place where servers run, and go on running when the worker that started them ends.

    Every method raises `StageError(fault="ours")` when the host itself is away.
    """

    name: Literal["docker", "process"]

    def start(self, spec: DeploymentSpec) -> Instance:
        """Start a server and return at once; it is restarted when it crashes.

        Raises:
            StageError: `yours` when the artifact cannot start at all.
        """
        ...

    def find(self, name: str) -> Instance | None:
        """The server of that name, or None."""
        ...

    def stop(self, name: str) -> None:
        """Stop a server and remove all it used, its processes too. No error when there is none."""
        ...

    def logs(self, name: str, *, lines: int = 100) -> str:
        """The last lines of what the server printed, or an empty text."""
        ...

    def list(self) -> list[Instance]:
        """All servers of Sigil's on this host."""
        ...

    def resume(self) -> None:
        """Bring back the servers that ran here before the machine was stopped. Cheap when they
        run; called now and then."""
        ...
