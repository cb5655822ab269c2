"""Ends what a sandbox deployed or was about to: containers, processes, builds."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import requests
from docker.errors import DockerException, NotFound
from docker.models.containers import Container

from pipeline.builders.commands import MARK
from pipeline.hosts.process import ProcessHost
from pipeline.leftovers import kill_marked

GRACE = 3
"""Seconds that a container gets to end by itself."""


def end_servers(folder: Path, instance: str) -> None:
    """End all of them.

    Args:
        folder: What the sandbox built and runs (`SIGIL_VAR`).
        instance: The name that this Sigil gave itself; marks its containers. Empty when it never
            came so far.
    """
    if instance:
        _remove_containers(instance)
    if folder.exists():
        ProcessHost(folder).shutdown()
        # Builds whose worker was killed.
        for build in folder.glob("builds/*"):
            kill_marked(MARK, str(build))


def _remove_containers(instance: str) -> None:
    try:
        client = docker.DockerClient.from_env(timeout=60)
    except DockerException:
        return
    try:
        containers = client.containers.list(
            all=True, filters={"label": f"sigil.instance={instance}"}, ignore_removed=True
        )
        with ThreadPoolExecutor(max_workers=8) as threads:
            list(threads.map(_remove, containers))
    except (DockerException, requests.RequestException) as error:
        print(f"The docker engine went away; containers may be left: {error}", file=sys.stderr)
    finally:
        client.close()


def _remove(container: Container) -> None:
    try:
        container.stop(timeout=GRACE)
        container.remove(force=True, v=True)
    except NotFound:
        return
