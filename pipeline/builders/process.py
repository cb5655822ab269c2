"""Builds servers into a folder of this machine, for hosts without a docker engine.

It does not isolate: a build can read what Sigil's own user can read. It sees none of Sigil's
secrets in its environment, and the memory limit of builds does not hold here.
"""

import json
import platform
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path

from uv import find_uv_bin

from config.settings import settings
from pipeline.builders import bridge
from pipeline.builders.base import Artifact, BuildInput
from pipeline.builders.commands import MARK, Commands
from pipeline.builders.dockerfile import recipe_of
from pipeline.builders.folder import Folder, digest_of
from pipeline.builders.lockfiles import Command, Recipe, UnreadableFile
from pipeline.builders.source import source_folder, unreadable
from pipeline.leftovers import kill_marked
from pipeline.stages.base import Log, StageError, Stop


class ProcessBuilder:
    """The builder of folders. See `pipeline.builders.base.Builder`."""

    def build(self, request: BuildInput, *, log: Log, stop: Stop) -> Artifact:
        """Build into `request.output`, or take what a finished build has left there."""
        _check(request)
        folder = Folder(request.output.absolute())
        source = source_folder(request)
        digest = digest_of(source, *_inputs(request))
        # A worker that was killed may have left processes that still write here.
        kill_marked(MARK, str(folder.root))
        if folder.digest() != digest:
            _Build(request, folder, source, log, stop).run()
            folder.finish(digest)
        else:
            log("this build was finished before")
        return Artifact(
            kind="folder",
            reference=str(folder.root),
            digest=digest,
            command=_command(request, folder),
        )

    def has(self, artifact: Artifact) -> bool:
        """Whether the folder is there and finished."""
        return Folder(Path(artifact.reference)).digest() == artifact.digest

    def discard(self, artifact: Artifact) -> None:
        """Remove the folder."""
        kill_marked(MARK, artifact.reference)
        shutil.rmtree(artifact.reference, ignore_errors=True)


def _check(request: BuildInput) -> None:
    manifest = request.manifest
    if manifest.runtime.type == "docker":
        raise StageError(
            title="This server needs docker",
            detail="`runtime: docker` builds the repository's own Dockerfile, and this Sigil runs "
            "servers as plain processes. Use `runtime: python` or `runtime: node`, or ask the "
            "operator for a docker engine.",
        )
    if not manifest.entrypoint:
        raise StageError(
            title="mcp.yaml has no entrypoint",
            detail='Say how the server is started, such as `entrypoint: ["python", "-m", "x"]`.',
        )
    if manifest.transport.type == "stdio":
        bridge.check_path(manifest)


def _inputs(request: BuildInput) -> tuple[str, ...]:
    """What an artifact follows from besides the source."""
    manifest = request.manifest
    return (
        json.dumps(asdict(manifest.runtime), sort_keys=True),
        json.dumps([manifest.entrypoint, manifest.transport.type]),
        (bridge.LOCKS / "python" / "requirements.txt").read_text(),
        platform.machine(),
    )


class _Build:
    """The steps of one build."""

    def __init__(
        self, request: BuildInput, folder: Folder, source: Path, log: Log, stop: Stop
    ) -> None:
        self._manifest = request.manifest
        self._trusted = request.trusted
        self._folder = folder
        self._source = source
        self._log = log
        self._stop = stop
        self._deadline = time.monotonic() + settings().build_timeout

    def run(self) -> None:
        """Build into an empty folder."""
        shutil.rmtree(self._folder.root, ignore_errors=True)
        self._folder.home.mkdir(parents=True)
        self._folder.copy_source(self._source)
        if self._manifest.build.system_packages:
            names = ", ".join(self._manifest.build.system_packages)
            self._log(
                f"note: build.system_packages ({names}) are installed in images only; "
                "here the machine has to have them"
            )
        recipe = self._recipe()
        self._log(f"dependencies from {recipe.found}")
        if self._manifest.runtime.type == "python":
            self._python(recipe)
        else:
            self._node(recipe)
        if self._manifest.transport.type == "stdio":
            self._bridge()

    def _recipe(self) -> Recipe:
        try:
            return recipe_of(self._manifest, self._folder.app)
        except UnreadableFile as error:
            raise unreadable(error, self._manifest.build.context) from error

    def _python(self, recipe: Recipe) -> None:
        version = self._manifest.runtime.version
        # An interpreter of the machine, never one that uv would download.
        wanted = version or f"{sys.version_info.major}.{sys.version_info.minor}"
        try:
            self._step(
                ("uv", "venv", "--quiet", "--python", wanted, str(self._folder.venv)),
                "Create the virtual environment",
            )
        except StageError as error:
            if not error.title.startswith("The build failed"):
                raise
            raise StageError(
                title=f"This machine has no Python {wanted}",
                detail="Sigil runs servers as plain processes here, with the machine's own "
                f"Python; `runtime.version` asks for {wanted}. Ask for "
                f"{platform.python_version()}, for none, or ask the operator to install it.",
            ) from error
        for command in recipe.install:
            self._step(command, "Install the dependencies")
        for command in recipe.finish:
            self._step(command, "Install the project")

    def _node(self, recipe: Recipe) -> None:
        self._step(("node", "--version"), "Find Node")
        self._check_node_version()
        if recipe.tool_package:
            self._step(
                ("npm", "install", "--prefix", str(self._folder.tools), recipe.tool_package),
                f"Install {recipe.tool_package}",
            )
        install = recipe.install if recipe.finish else recipe.install_production
        for command in install:
            self._step(command, "Install the dependencies")
        self._folder.restore(self._source, "package.json")
        for command in recipe.finish:
            self._step(command, "Build the project")

    def _check_node_version(self) -> None:
        version = self._manifest.runtime.version
        if version is None:
            return
        script = (
            "process.exit((process.versions.node + '.').startsWith(process.argv[1] + '.') ? 0 : 1)"
        )
        try:
            self._step(("node", "-e", script, version), f"Check that Node is {version}")
        except StageError as error:
            raise StageError(
                title=f"This machine has no Node {version}",
                detail="Sigil runs servers as plain processes here, with the machine's own Node "
                "(its version is in the log). Ask for that one in `runtime.version`, for none, or "
                "ask the operator to install it.",
            ) from error

    def _bridge(self) -> None:
        venv = self._folder.bridge
        python = str(venv / "bin" / "python")
        locked = str(bridge.LOCKS / "python" / "requirements.txt")
        title = "Install the stdio bridge"
        self._step(("uv", "venv", "--quiet", "--python", sys.executable, str(venv)), title)
        self._step(("uv", "pip", "install", "--quiet", "--python", python, "-r", locked), title)

    def _step(self, command: Command, title: str) -> None:
        Commands(
            folder=self._folder.app,
            environment=_environment(self._folder, trusted=self._trusted),
            mark=str(self._folder.root),
            deadline=self._deadline,
            seconds=settings().build_timeout,
            log=self._log,
            stop=self._stop,
        ).run((self._program(command[0]), *command[1:]), title=title)

    def _program(self, name: str) -> str:
        if name == "uv":
            return find_uv_bin()
        program = self._folder.find_program(name)
        if program is None:
            raise StageError(
                title=f"This machine has no {name}",
                detail=f"Sigil runs servers as plain processes here, and a "
                f"{self._manifest.runtime.type} server needs `{name}`. Ask the operator to "
                "install it, or for a docker engine.",
            )
        return program


def _environment(folder: Folder, *, trusted: bool) -> dict[str, str]:
    """The environment of a build's commands. Downloads are kept between builds, but not those of
    strangers, who could put something else into the cache than what it says."""
    cache = settings().var / "cache" if trusted else folder.root / "cache"
    changes = {"UV_CACHE_DIR": str(cache / "uv"), "npm_config_cache": str(cache / "npm")}
    changes |= {"UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": str(folder.venv)}
    changes |= {"UV_PROJECT_ENVIRONMENT": str(folder.venv), "CI": "true"}
    if folder.venv.exists():
        changes["UV_PYTHON"] = str(folder.venv / "bin" / "python")
    environment = folder.environment(**changes)
    for name in ("UV_NO_SYNC", "UV_FROZEN"):
        environment.pop(name, None)
    return environment


def _command(request: BuildInput, folder: Folder) -> tuple[str, ...]:
    """The absolute command line of the server, in a bridge when it speaks stdio."""
    name, *arguments = request.manifest.entrypoint
    program = find_uv_bin() if name == "uv" else folder.find_program(name)
    if program is None:
        raise StageError(
            title=f"There is no program {name}",
            detail="The first part of `entrypoint` in mcp.yaml has to be a program that the "
            "server's dependencies install, a file of the repository that is executable, or one "
            "of the machine.",
        )
    server = (program, *arguments)
    if request.manifest.transport.type != "stdio":
        return server
    bridge_program = str(folder.bridge / "bin" / "mcp-proxy")
    return bridge.python_bridge(bridge_program, server, host="127.0.0.1")
