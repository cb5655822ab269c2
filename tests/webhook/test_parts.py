"""What the pages say of the place where servers run."""

from pathlib import Path

import pytest

from config.settings import settings
from pipeline.engine import forget_engine
from webhook.parts import read_host


@pytest.mark.parametrize(
    ("host", "environment", "state", "text"),
    [
        ("auto", "development", "up", "plain processes"),
        ("process", "development", "up", "plain processes"),
        ("docker", "development", "down", "does not answer"),
        ("docker", "production", "down", "does not answer"),
        ("auto", "production", "down", "no docker engine answers"),
        ("process", "production", "down", "SIGIL_HOST is process"),
    ],
)
def test_without_an_engine_the_host_is_what_the_settings_leave(
    host: str,
    environment: str,
    state: str,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    monkeypatch.setenv("SIGIL_HOST", host)
    monkeypatch.setenv("SIGIL_ENVIRONMENT", environment)
    settings.cache_clear()
    forget_engine()
    part = read_host()
    settings.cache_clear()
    assert part.state == state
    assert text in part.text


@pytest.mark.docker
@pytest.mark.parametrize("host", ["auto", "docker"])
def test_an_engine_that_answers_is_said(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGIL_HOST", host)
    settings.cache_clear()
    part = read_host()
    settings.cache_clear()
    assert (part.state, part.text) == ("up", "Docker answers; servers run in containers.")
