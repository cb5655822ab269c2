"""Chooses the host and its builder, as `SIGIL_HOST` says."""

from typing import Literal

from config.settings import Settings, SettingsError
from pipeline import engine
from pipeline.builders.base import Builder
from pipeline.builders.docker import DockerBuilder
from pipeline.builders.process import ProcessBuilder
from pipeline.hosts.base import Host
from pipeline.hosts.docker import DockerHost
from pipeline.hosts.process import ProcessHost


def choose_host(settings: Settings) -> Host:
    """The host that servers run on.

    Raises:
        SettingsError: when only the process host is left, and this is production.
    """
    if host_name(settings) == "docker":
        return DockerHost()
    return ProcessHost(settings.var)


def choose_builder(settings: Settings) -> Builder:
    """The builder whose artifacts run on `choose_host(settings)`. Raises as that does."""
    if host_name(settings) == "docker":
        return DockerBuilder()
    return ProcessBuilder()


def host_name(settings: Settings, *, timeout: int | None = None) -> Literal["docker", "process"]:
    """The name of the host that `choose_host` takes. Raises as that does.

    Args:
        timeout: As in `pipeline.engine.answers`.
    """
    if settings.host == "docker":
        return "docker"
    if settings.host == "auto" and engine.answers(timeout=timeout):
        return "docker"
    if settings.environment == "production":
        why = "is process" if settings.host == "process" else "is auto and no docker engine answers"
        raise SettingsError(
            f"SIGIL_HOST {why}: the process host does not isolate servers, so it is refused "
            "when SIGIL_ENVIRONMENT is production. Start a docker engine that this process can "
            "reach and set SIGIL_HOST=docker."
        )
    return "process"
