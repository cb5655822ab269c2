"""A valid `mcp.yaml` as frozen dataclasses, and the problems of one that is not valid."""

from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.manifest.deploy_settings import DeploySettings


@dataclass(frozen=True)
class Runtime:
    """What runs the server. `version` is a language version such as `3.12` or `22`."""

    type: Literal["python", "node", "docker"]
    version: str | None


@dataclass(frozen=True)
class Build:
    """How the server is built. `context` is a folder of the repository, `.` for its root."""

    context: str
    dockerfile: str
    system_packages: tuple[str, ...]


@dataclass(frozen=True)
class Transport:
    """How the server speaks MCP. A stdio server is wrapped by a bridge that serves `path`."""

    type: Literal["streamable-http", "stdio"]
    path: str
    port: int


@dataclass(frozen=True)
class Healthcheck:
    """Seconds for one handshake, and seconds that a new server may take until it answers."""

    timeout: float
    start_period: float


@dataclass(frozen=True)
class Resources:
    """Limits of the running server: bytes and processors."""

    memory: int
    cpu: float


@dataclass(frozen=True)
class DeclaredTool:
    """A tool that `mcp.yaml` names, used when the server lists its tools only with credentials."""

    name: str
    description: str | None
    input_schema: dict[str, Any]


@dataclass(frozen=True)
class Manifest:
    """A valid `mcp.yaml`, defaults filled in."""

    name: str
    title: str
    description: str
    version: str
    runtime: Runtime
    build: Build
    entrypoint: tuple[str, ...]
    transport: Transport
    healthcheck: Healthcheck
    resources: Resources
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    env: dict[str, str] | None = None
    tools: tuple[DeclaredTool, ...] = ()
    deploy: DeploySettings = field(default_factory=DeploySettings)


@dataclass(frozen=True)
class Problem:
    """One thing wrong in `mcp.yaml`. Lines and columns count from 1."""

    line: int
    column: int
    path: str
    message: str


class ManifestError(Exception):
    """`mcp.yaml` is not valid; `problems` has every problem found, in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problem(s) in mcp.yaml")
        self.problems = problems
