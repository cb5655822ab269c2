"""Renders Dockerfiles and reads back which instruction does what. Pure: no engine, no network."""

import functools
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment

from pipeline.builders import bridge
from pipeline.builders.lockfiles import Recipe
from pipeline.builders.node_project import node_recipe
from pipeline.builders.python_project import python_recipe
from pipeline.manifest import Manifest, Runtime
from templates import environment

# What `{version}` becomes when mcp.yaml names none.
DEFAULT_VERSIONS = {"python": "3.12", "node": "22"}

_CHECK_PYTHON = (
    "import sys; have = '.'.join(map(str, sys.version_info[:3])); want = sys.argv[1]; "
    "sys.exit(None if (have + '.').startswith(want + '.') else "
    "f'mcp.yaml asks for Python {want}, and the base image of this Sigil has {have}')"
)
_CHECK_NODE = (
    "const have = process.versions.node, want = process.argv[1]; "
    "if (!(have + '.').startsWith(want + '.')) { console.error("
    "`mcp.yaml asks for Node ${want}, and the base image of this Sigil has ${have}`); "
    "process.exit(1) }"
)


def recipe_of(manifest: Manifest, folder: Path) -> Recipe:
    """How to install the project in `folder`. Raises `UnreadableFile`."""
    recipes = {"python": python_recipe, "node": node_recipe}
    return recipes[manifest.runtime.type](folder)


def base_image(pattern: str, runtime: Runtime) -> str:
    """The base image's name: `pattern` with `{version}` filled in."""
    return pattern.replace("{version}", runtime.version or DEFAULT_VERSIONS[runtime.type])


def render(
    manifest: Manifest,
    recipe: Recipe,
    *,
    base: str,
    bridge_image: str | None,
    labels: Mapping[str, str],
) -> str:
    """The Dockerfile of a Python or Node server.

    Args:
        base: The base image.
        bridge_image: An image with the bridge in /opt/bridge, for a stdio server.
        labels: The image's labels.
    """
    runtime = manifest.runtime
    return (
        _templates()
        .get_template(f"{runtime.type}.Dockerfile.j2")
        .render(
            labels=labels,
            base=base,
            version_check=_version_check(runtime),
            system_packages=manifest.build.system_packages,
            recipe=recipe,
            bridge=bridge_image,
            uv=version("uv"),
            port=manifest.transport.port,
            command=_command(manifest),
        )
    )


@functools.cache
def _templates() -> Environment:
    templates = environment("docker")
    templates.filters["quoted"] = _quoted
    return templates


def preload() -> None:
    """Compile the templates, so that a worker does it once for all the processes that it forks."""
    for templates in (_templates(), environment("bridges")):
        for name in templates.list_templates(extensions=["j2"]):
            templates.get_template(name)


def _quoted(value: str) -> str:
    """A value for LABEL: on one line, in quotes, and with nothing for the engine to expand.

    Source: https://docs.docker.com/reference/dockerfile/#environment-replacement
    """
    text = " ".join(value.split())
    for character in ("\\", '"', "$"):
        text = text.replace(character, f"\\{character}")
    return f'"{text}"'


def _version_check(runtime: Runtime) -> tuple[str, ...] | None:
    if runtime.version is None:
        return None
    if runtime.type == "python":
        return ("python3", "-c", _CHECK_PYTHON, runtime.version)
    return ("node", "-e", _CHECK_NODE, runtime.version)


def _command(manifest: Manifest) -> tuple[str, ...]:
    server = manifest.entrypoint
    if manifest.transport.type != "stdio":
        return server
    if manifest.runtime.type == "python":
        return bridge.python_bridge("/opt/bridge/bin/mcp-proxy", server, host="0.0.0.0")  # noqa: S104
    program = "/opt/bridge/node_modules/.bin/mcp-proxy"
    return bridge.node_bridge(program, server, host="0.0.0.0")  # noqa: S104


def render_bridge(runtime: str, *, base: str) -> str:
    """The Dockerfile of an image that has the runtime's bridge in /opt/bridge."""
    return environment("bridges").get_template(f"{runtime}/Dockerfile.j2").render(base=base)


_INSTRUCTION = re.compile(r"^\s*([A-Za-z]+)\s")


def step_titles(dockerfile: str) -> list[str | None]:
    """The `#: title` before each instruction of a rendered Dockerfile, in the order of its steps.

    The engine numbers its steps by instruction, from 1.
    """
    titles: list[str | None] = []
    title: str | None = None
    continued = False
    for line in dockerfile.splitlines():
        if line.startswith("#:"):
            title = line[2:].strip()
        elif not line.startswith("#") and line.strip():
            if not continued and _INSTRUCTION.match(line):
                titles.append(title)
                title = None
            continued = line.rstrip().endswith("\\")
    return titles
