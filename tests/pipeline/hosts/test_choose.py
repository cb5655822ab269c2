"""Which host and builder are taken."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import SettingsError, load
from pipeline.builders.docker import DockerBuilder
from pipeline.builders.process import ProcessBuilder
from pipeline.engine import forget_engine
from pipeline.hosts.choose import choose_builder, choose_host


@pytest.fixture
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An engine that does not answer."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    forget_engine()
    yield
    forget_engine()


@pytest.mark.docker
def test_an_engine_that_answers_is_taken() -> None:
    assert choose_host(load({})).name == "docker"
    assert isinstance(choose_builder(load({})), DockerBuilder)


@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_servers_run_as_processes(tmp_path: Path) -> None:
    settings = load({"SIGIL_VAR": str(tmp_path)})

    assert choose_host(settings).name == "process"
    assert isinstance(choose_builder(settings), ProcessBuilder)


@pytest.mark.usefixtures("no_engine")
def test_what_is_asked_for_is_taken_whether_or_not_it_answers() -> None:
    assert choose_host(load({"SIGIL_HOST": "docker"})).name == "docker"
    assert choose_host(load({"SIGIL_HOST": "process"})).name == "process"


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize("host", ["auto", "process"])
def test_production_refuses_to_run_servers_without_isolation(host: str) -> None:
    settings = load({"SIGIL_HOST": host, "SIGIL_ENVIRONMENT": "production"})

    with pytest.raises(SettingsError, match="SIGIL_HOST"):
        choose_host(settings)
    with pytest.raises(SettingsError, match="SIGIL_HOST"):
        choose_builder(settings)
