"""The floor of the pipeline: the same Dockerfile and context, built and started by hand.

`docker build`, `docker run` with the same limits, and MCP handshakes until the first one succeeds.
"""

import os
import re
import subprocess
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.builders.context import DOCKERFILE, pack
from pipeline.builders.dockerfile import base_image, recipe_of, render
from pipeline.manifest import Manifest, parse
from registry.handshake import shake_hands

_PAUSE = 0.02
_GIVE_UP_SECONDS = 60
# The engine of the bench may have no BuildKit; Sigil does not use it either.
_ENVIRON = os.environ | {"DOCKER_BUILDKIT": "0"}


@dataclass(frozen=True)
class ByHand:
    """What it took, in seconds. `answering` is from `docker run` to the end of the handshake."""

    building: float
    answering: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.building + self.answering


def deploy(folder: Path, tag: str, python_image: str) -> ByHand:
    """Build and start the repository in `folder`, and remove the container again.

    Raises:
        RuntimeError, TimeoutError: it does not build, start or answer.
    """
    manifest = parse((folder / "mcp.yaml").read_bytes())
    base = base_image(python_image, manifest.runtime)
    dockerfile = render(
        manifest,
        recipe_of(manifest, folder),
        base=base,
        bridge_image=None,
        labels={"org.opencontainers.image.revision": tag},
    )
    with tempfile.TemporaryDirectory() as context:
        with pack(folder, dockerfile=dockerfile) as packed, tarfile.open(fileobj=packed) as archive:
            archive.extractall(context, filter="data")
        began = time.monotonic()
        _output("docker", "build", "--file", f"{context}/{DOCKERFILE}", "--tag", tag, context)
    built = time.monotonic()
    answered = _answers(tag, manifest)
    return ByHand(built - began, answered - built)


def _answers(tag: str, manifest: Manifest) -> float:
    """Start a container; return the moment when it has answered."""
    port = manifest.transport.port
    limits = ["--memory", str(manifest.resources.memory), "--cpus", str(manifest.resources.cpu)]
    command = ["docker", "run", "--detach", "--init", "--cap-drop", "ALL", *limits]
    environ = ["--env", "HOST=0.0.0.0", "--publish", f"127.0.0.1::{port}"]
    container = _output(*command, *environ, tag)
    try:
        address = _output("docker", "port", container, f"{port}/tcp")
        give_up = time.monotonic() + _GIVE_UP_SECONDS
        while shake_hands(f"http://{address}{manifest.transport.path}").verdict != "open":
            if time.monotonic() > give_up:
                raise TimeoutError(_output("docker", "logs", container))
            time.sleep(_PAUSE)
        return time.monotonic()
    finally:
        _output("docker", "rm", "--force", "--volumes", container)


def steps(image: str) -> list[str]:
    """The instructions that an image was made by, whatever the files in it and its labels."""
    history = _output("docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    lines = re.sub(r":[0-9a-f]{64}\b", "", history).splitlines()
    return [line for line in lines if "LABEL" not in line]


def remove(image: str) -> None:
    """Remove an image and the layers that only it uses, if it is there."""
    subprocess.run(["docker", "rmi", "--force", image], capture_output=True, check=False)


def _output(*command: str) -> str:
    done = subprocess.run(command, env=_ENVIRON, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:2])}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout.strip()
