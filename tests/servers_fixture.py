"""Fixtures for tests that build and run servers."""

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from config.settings import settings
from pipeline.builders.base import Builder
from pipeline.builders.docker import DockerBuilder
from pipeline.builders.process import ProcessBuilder
from pipeline.engine import engine
from pipeline.hosts.base import Host
from pipeline.hosts.docker import DockerHost
from pipeline.hosts.process import MARK, ProcessHost
from sandbox import base_images


@pytest.fixture
def var(short_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`SIGIL_VAR` of this test; downloads are kept for the whole test run."""
    cache = short_folder / "cache"
    cache.mkdir(exist_ok=True)
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "cache").symlink_to(cache)
    monkeypatch.setenv("SIGIL_VAR", str(folder))
    settings.cache_clear()
    yield folder
    settings.cache_clear()


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Base images: those that the settings name, or ours, made once for each machine."""
    if "SIGIL_PYTHON_IMAGE" not in os.environ or "SIGIL_NODE_IMAGE" not in os.environ:
        for name, value in base_images.ensure().items():
            monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def process_host(var: Path) -> Iterator[ProcessHost]:
    """A process host of its own; afterwards nothing of it may be left."""
    host = ProcessHost(var)
    yield host
    host.shutdown()
    assert not marked_processes(var)


def marked_processes(var: Path) -> list[psutil.Process]:
    """The processes of all servers below `var`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(str(var)):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return [process for process in found if process.is_running() and not _zombie(process)]


def _zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def docker_host(images: None) -> Iterator[Callable[[], str]]:
    """Gives names for servers on docker; afterwards no container of those names may be left."""
    names: list[str] = []

    def new_name() -> str:
        names.append(f"sigil-test-{uuid.uuid4().hex[:12]}")
        return names[-1]

    yield new_name
    for name in names:
        DockerHost().stop(name)
    left = {container.name for container in engine().containers.list(all=True)}
    assert not left & set(names)


@dataclass(frozen=True)
class House:
    """A host, its builder, and what a test needs around them."""

    host: Host
    builder: Builder
    new_name: Callable[[], str]
    processes: Callable[[str], list[psutil.Process]]


def _container_processes(name: str) -> list[psutil.Process]:
    found = engine().containers.list(filters={"name": f"^{name}$"})
    if not found:
        return []
    found[0].reload()
    pid = int(found[0].attrs["State"]["Pid"])
    try:
        return psutil.Process(pid).children(recursive=True) if pid else []
    except psutil.NoSuchProcess:
        return []


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def house(request: pytest.FixtureRequest, var: Path) -> House:
    """Each host in turn, with the builder that belongs to it."""
    if request.param == "docker":
        new_name = request.getfixturevalue("docker_host")
        return House(DockerHost(), DockerBuilder(), new_name, _container_processes)
    host: ProcessHost = request.getfixturevalue("process_host")
    return House(
        host,
        ProcessBuilder(),
        lambda: f"sigil-test-{uuid.uuid4().hex[:12]}",
        lambda name: [
            process
            for process in marked_processes(var)
            if process.environ()[MARK].endswith(f"/{name}.json")
        ],
    )
