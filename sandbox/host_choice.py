"""Chooses where the sandbox runs servers, when nobody said: docker only if it can build here."""

import os
from dataclasses import dataclass

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound

from config.settings import load
from pipeline.builders.dockerfile import DEFAULT_VERSIONS
from sandbox.base_images import NODE_IMAGE, PYTHON_IMAGE, settings_for_images

SECONDS = 20


@dataclass(frozen=True)
class HostSettings:
    """Settings of Sigil's that follow from the choice, and the reason, for people."""

    settings: dict[str, str]
    reason: str

    @classmethod
    def given(cls, host: str) -> "HostSettings":
        """The host that the caller named."""
        return cls({"SIGIL_HOST": host}, "it was asked for")


def choose_host() -> HostSettings:
    """Docker when an engine answers and has, or can pull, a base image; else plain processes.

    What the environment says (`SIGIL_HOST`, the images) is left alone.
    """
    if os.environ.get("SIGIL_HOST", "auto") != "auto":
        return HostSettings({}, "SIGIL_HOST says so")
    try:
        client = docker.DockerClient.from_env(timeout=SECONDS)
        try:
            client.ping()
            return _with_engine(client)
        finally:
            client.close()
    except (DockerException, requests.RequestException):
        return HostSettings({"SIGIL_HOST": "process"}, "no docker engine answers")


def _with_engine(client: docker.DockerClient) -> HostSettings:
    image = load().python_image.replace("{version}", DEFAULT_VERSIONS["python"])
    if _has(client, image):
        return HostSettings({}, "a docker engine answers")
    if _has(client, PYTHON_IMAGE) and _has(client, NODE_IMAGE):
        return HostSettings(settings_for_images(), "a docker engine with base images answers")
    try:
        client.images.get_registry_data(image)
    except (APIError, requests.RequestException):
        reason = f"the docker engine that answers can reach no registry to pull {image} from"
        return HostSettings({"SIGIL_HOST": "process"}, reason)
    return HostSettings({}, "a docker engine answers")


def _has(client: docker.DockerClient, image: str) -> bool:
    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True
