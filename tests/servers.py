"""Builds and runs real MCP servers in tests: samples, inputs, and the official client."""

import asyncio
import dataclasses
import json
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from mcp import Client

from pipeline.builders.base import Artifact, BuildInput
from pipeline.hosts.base import DeploymentSpec
from pipeline.manifest import Manifest, parse

SAMPLES = Path(__file__).parent / "samples"
SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Lines:
    """A run's log."""

    lines: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines)


def write_tree(folder: Path, files: dict[str, str]) -> Path:
    """A source tree; texts are dedented."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


def manifest(**changes: Any) -> Manifest:
    """A small valid manifest with other values at the top level of the YAML."""
    values = {
        "schema": 1,
        "name": "probe",
        "description": "A server made for a test",
        "version": "1.0.0",
        "runtime": "python",
        "entrypoint": ["python", "server.py"],
    } | changes
    # JSON is YAML.
    return parse(json.dumps(values).encode())


def runs(pid: int) -> bool:
    """Whether a process runs. A zombie has ended, whenever its parent comes to ask for it."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def build_input(tree: Path, output: Path, *, of: Manifest | None = None) -> BuildInput:
    """What a builder needs to build `tree`, by its own mcp.yaml or by the manifest given."""
    return BuildInput(
        tree=tree,
        manifest=of or parse((tree / "mcp.yaml").read_bytes()),
        repository="octo-org/probe",
        sha=SHA,
        source_url="https://github.com/octo-org/probe",
        output=output,
    )


def spec_of(name: str, artifact: Artifact, of: Manifest, **changes: Any) -> DeploymentSpec:
    """A deployment of the artifact as its manifest wants it."""
    spec = DeploymentSpec(
        name=name,
        artifact=artifact,
        port=of.transport.port,
        path=of.transport.path,
        env=of.env or {},
        memory=of.resources.memory,
        cpu=of.resources.cpu,
        labels={"sigil.repository": "octo-org/probe"},
    )
    return dataclasses.replace(spec, **changes)


def tool_names(url: str, *, mode: str = "auto") -> list[str]:
    """The tools that the official client sees; empty while nothing answers."""

    async def ask() -> list[str]:
        async with Client(url, mode=mode, read_timeout_seconds=10) as client:
            return [tool.name for tool in (await client.list_tools()).tools]

    try:
        return asyncio.run(ask())
    except BaseExceptionGroup:
        return []


def call(url: str, tool: str, arguments: dict[str, Any]) -> str:
    """The text that a tool answers to the official client."""

    async def ask() -> str:
        async with Client(url, read_timeout_seconds=30) as client:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result
            return "".join(getattr(part, "text", "") for part in result.content)

    return asyncio.run(ask())
