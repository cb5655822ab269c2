"""Builds container images on the docker engine, with layers that the next build reuses."""

import hashlib
import re
import time
from collections.abc import Sequence
from pathlib import Path

import docker.errors

from config.settings import parse_memory, settings
from pipeline.builders import bridge
from pipeline.builders.base import Artifact, BuildInput
from pipeline.builders.context import DOCKERFILE, pack
from pipeline.builders.dockerfile import (
    base_image,
    recipe_of,
    render,
    render_bridge,
    step_titles,
)
from pipeline.builders.engine_build import EngineBuild, Limits, run_build
from pipeline.builders.foreign_images import REPOSITORY_LABEL, check_images
from pipeline.builders.lockfiles import UnreadableFile
from pipeline.builders.source import source_folder, unreadable
from pipeline.engine import engine, engine_errors
from pipeline.stages.base import Log, StageError, Stop


class DockerBuilder:
    """The builder of images. See `pipeline.builders.base.Builder`."""

    def build(self, request: BuildInput, *, log: Log, stop: Stop) -> Artifact:
        """Build an image, named by repository and commit, and identified by its id."""
        one = _Build(request, log, stop)
        if request.manifest.runtime.type == "docker":
            digest = one.own_dockerfile()
            command = request.manifest.entrypoint
        else:
            digest = one.rendered_dockerfile()
            command = ()
        return Artifact(kind="image", reference=one.tag, digest=digest, command=command)

    def has(self, artifact: Artifact) -> bool:
        """Whether the engine has the image."""
        with engine_errors():
            try:
                engine().images.get(artifact.digest)
            except docker.errors.ImageNotFound:
                return False
            return True

    def discard(self, artifact: Artifact) -> None:
        """Remove the image, unless a container still uses it. Shared layers stay."""
        with engine_errors():
            try:
                names = engine().images.get(artifact.digest).tags
                # The same files give the same image: under another name it is still wanted.
                if set(names) <= {artifact.reference}:
                    engine().images.remove(artifact.digest, force=True)
                elif artifact.reference in names:
                    engine().images.remove(artifact.reference)
            except docker.errors.ImageNotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise


class _Build:
    """One build: the deadline is that of all its parts together."""

    def __init__(self, request: BuildInput, log: Log, stop: Stop) -> None:
        self._request = request
        self._manifest = request.manifest
        self._log = log
        self._stop = stop
        self._folder = source_folder(request)
        self._deadline = time.monotonic() + settings().build_timeout
        self.tag = image_tag(request.repository, request.sha, trusted=request.trusted)

    def own_dockerfile(self) -> str:
        """Build the repository's Dockerfile as it is."""
        path = self._manifest.build.dockerfile
        if self._manifest.transport.type == "stdio":
            raise StageError(
                title="A stdio server cannot use runtime docker",
                detail="Sigil puts its bridge into images that it writes the Dockerfile for. Use "
                "`runtime: python` or `runtime: node`, or let the image serve streamable HTTP.",
            )
        if not (self._folder / path).is_file():
            raise StageError(
                title=f"There is no {path} in the repository",
                detail=f"`runtime: docker` builds `{path}` in `{self._manifest.build.context}`. "
                "Add it, or name it in `build.dockerfile`.",
            )
        # As bytes: reading text would make line ends of what is none for the engine.
        text = (self._folder / path).read_bytes().decode("utf-8-sig", errors="replace")
        check_images(text, repository=self._request.repository)
        return self._run(self._folder, dockerfile=None, path=path)

    def rendered_dockerfile(self) -> str:
        """Build a Dockerfile of ours around the repository's files."""
        runtime = self._manifest.runtime
        if not self._manifest.entrypoint:
            raise StageError(
                title="mcp.yaml has no entrypoint",
                detail="Say how the server is started, such as "
                '`entrypoint: ["python", "-m", "weather"]`.',
            )
        try:
            recipe = recipe_of(self._manifest, self._folder)
        except UnreadableFile as error:
            raise unreadable(error, self._manifest.build.context) from error
        self._log(f"dependencies from {recipe.found}")
        pattern = settings().python_image if runtime.type == "python" else settings().node_image
        base = base_image(pattern, runtime)
        self._have_base(base)
        stdio = self._manifest.transport.type == "stdio"
        bridge_image = self._bridge_image(base) if stdio else None
        dockerfile = render(
            self._manifest,
            recipe,
            base=base,
            bridge_image=bridge_image,
            labels=labels(self._request),
        )
        return self._run(self._folder, dockerfile=dockerfile, path=DOCKERFILE)

    def _have_base(self, name: str) -> None:
        """Pull the base image when the engine lacks it, with the engine's own credentials."""
        with engine_errors():
            client = engine()
            try:
                client.images.get(name)
            except docker.errors.ImageNotFound:
                self._log(f"pulling {name}")
                try:
                    client.images.pull(name)
                except docker.errors.NotFound as error:
                    raise _no_base(name, self._manifest.runtime.version) from error

    def _bridge_image(self, base: str) -> str:
        """The image with the bridge for this base image; made once, then found in the cache."""
        bridge.check_path(self._manifest)
        runtime = self._manifest.runtime.type
        folder = bridge.LOCKS / runtime
        dockerfile = render_bridge(runtime, base=base)
        name = hashlib.sha256(base.encode()).hexdigest()[:12]
        tag = f"sigil-bridge-{runtime}:{name}"
        self._run(folder, dockerfile=dockerfile, path=DOCKERFILE, tag=tag, fresh=False)
        return tag

    def _run(
        self,
        folder: Path,
        *,
        dockerfile: str | None,
        path: str,
        tag: str | None = None,
        fresh: bool | None = None,
    ) -> str:
        titles: Sequence[str | None] = step_titles(dockerfile) if dockerfile else ()
        current = settings()
        return run_build(
            EngineBuild(
                context=pack(folder, dockerfile=dockerfile, keep=path),
                dockerfile=path,
                tag=tag or self.tag,
                # In a Dockerfile of ours they are an instruction: given here, each would be a step.
                labels={} if dockerfile else labels(self._request),
                titles=titles,
                fresh=self._request.fresh if fresh is None else fresh,
            ),
            Limits(
                deadline=self._deadline,
                seconds=current.build_timeout,
                memory=parse_memory(current.build_memory),
                cpus=current.build_cpus,
            ),
            log=self._log,
            stop=self._stop,
        )


def _no_base(name: str, version: str | None) -> StageError:
    if version is None:
        return StageError(
            title=f"The base image {name} cannot be had",
            detail="The operator of this Sigil has to set `SIGIL_PYTHON_IMAGE` or "
            "`SIGIL_NODE_IMAGE` to an image that exists.",
            fault="ours",
        )
    return StageError(
        title=f"There is no base image for version {version}",
        detail=f"`runtime.version` in mcp.yaml asks for {version}, and the image `{name}` does "
        "not exist. Ask for a version that does, or for none.",
    )


def labels(request: BuildInput) -> dict[str, str]:
    """The image's labels.

    Source: https://github.com/opencontainers/image-spec/blob/main/annotations.md
    """
    manifest = request.manifest
    return {
        "org.opencontainers.image.source": request.source_url,
        "org.opencontainers.image.revision": request.sha,
        "org.opencontainers.image.version": manifest.version,
        "org.opencontainers.image.title": manifest.title,
        "org.opencontainers.image.description": manifest.description,
        REPOSITORY_LABEL: request.repository,
        "sigil.package": manifest.name,
    }


def image_tag(repository: str, sha: str, *, trusted: bool = True) -> str:
    """The image's name and tag for a commit: always the same, and legal for any repository.

    An image's name has rules of its own, so a repository's name that breaks them is folded, and
    told apart from others by a part of its hash. What a stranger's commit gives never takes the tag
    of what was built of the same commit later.
    """
    folded = "/".join(
        re.sub(r"[^a-z0-9]+", "-", part).strip("-") or "x" for part in repository.lower().split("/")
    )
    if folded != repository.lower():
        folded += "-" + hashlib.sha256(repository.lower().encode()).hexdigest()[:8]
    return f"sigil/{folded}:{sha}{'' if trusted else '-unapproved'}"
