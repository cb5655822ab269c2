"""Runs servers as containers of the local docker engine, which keeps and restarts them.

The published port is chosen once and written into the container, so that the address stays the
same when the engine or the machine starts again; a port that the engine would choose would not.
A container has no privileges and no capabilities, runs in its image's user, and cannot reach the
servers beside it.
"""

from datetime import UTC, datetime
from typing import Any, Literal

import docker.errors
from docker.models.containers import Container
from docker.types import LogConfig

from pipeline.engine import engine, engine_errors
from pipeline.hosts.base import DeploymentSpec, Instance
from pipeline.hosts.ports import free_port
from pipeline.stages.base import StageError

_MANAGED = "sigil.managed"
_PATH = "sigil.path"
# Servers of different authors share this network and cannot speak to each other over it.
_NETWORK = "sigil"
_PROCESSES = 512
_LOG = {"max-size": "5m", "max-file": "2"}
# After so many restarts, a server that again lived shorter than this many seconds is not coming
# up. The engine goes on trying once a minute, but nobody should wait for it.
_RESTARTS = 5
_SHORT_LIFE = 10.0
# Seconds that a server gets to end by itself when it is stopped.
_GRACE = 5
_PORT_TRIES = 5


class DockerHost:
    """The docker host. See `pipeline.hosts.base.Host`."""

    name: Literal["docker", "process"] = "docker"

    def start(self, spec: DeploymentSpec) -> Instance:
        """Start a container, or find the one of that name."""
        with engine_errors():
            _ensure_network()
            for _ in range(_PORT_TRIES):
                container = _get(spec.name) or _create(spec)
                try:
                    container.start()
                except docker.errors.APIError as error:
                    container.remove(force=True)
                    # Another program was quicker to take the port: choose another one.
                    if "port is already allocated" in str(error) or "in use" in str(error):
                        continue
                    raise _cannot_start(spec, error) from error
                container.reload()
                return _instance(container)
        raise StageError(
            title="No port for the server is free",
            detail="Sigil tries again by itself.",
            fault="ours",
        )

    def find(self, name: str) -> Instance | None:
        """The server of that name, or None."""
        with engine_errors():
            container = _get(name)
            return _instance(container) if container else None

    def stop(self, name: str) -> None:
        """Stop and remove the container, with its log and its volumes."""
        with engine_errors():
            container = _get(name)
            if container is None:
                return
            try:
                container.stop(timeout=_GRACE)
                container.remove(force=True, v=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                # Another worker is removing it at this moment.
                if error.status_code != 409:
                    raise
                container.wait(condition="removed")

    def logs(self, name: str, *, lines: int = 100) -> str:
        """The last lines of what the server printed."""
        with engine_errors():
            container = _get(name)
            if container is None:
                return ""
            return container.logs(tail=lines).decode(errors="replace")

    def list(self) -> list[Instance]:
        """All containers that a Sigil started on this engine."""
        with engine_errors():
            found = engine().containers.list(
                all=True, filters={"label": f"{_MANAGED}=true"}, ignore_removed=True
            )
            return [_instance(container) for container in found]

    def resume(self) -> None:
        """Nothing to do: the engine's restart policy brings its containers back."""


def _get(name: str) -> Container | None:
    try:
        container = engine().containers.get(name)
    except docker.errors.NotFound:
        return None
    # A name that starts like an id would find another container.
    return container if container.name == name else None


def _ensure_network() -> None:
    client = engine()
    if client.networks.list(names=[f"^{_NETWORK}$"]):
        return
    try:
        client.networks.create(
            _NETWORK,
            driver="bridge",
            check_duplicate=True,
            options={"com.docker.network.bridge.enable_icc": "false"},
            labels={_MANAGED: "true"},
        )
    except docker.errors.APIError as error:
        # Another worker made it a moment ago.
        if error.status_code != 409:
            raise


def _create(spec: DeploymentSpec) -> Container:
    port = free_port()
    try:
        return engine().containers.create(
            spec.artifact.digest,
            entrypoint=list(spec.artifact.command) or None,
            command=[] if spec.artifact.command else None,
            name=spec.name,
            environment={"HOST": "0.0.0.0", **spec.env, "PORT": str(spec.port)},  # noqa: S104
            labels={**(spec.labels or {}), _MANAGED: "true", _PATH: spec.path},
            ports={f"{spec.port}/tcp": ("127.0.0.1", port)},
            network=_NETWORK,
            mem_limit=spec.memory,
            memswap_limit=spec.memory,
            nano_cpus=int(spec.cpu * 1e9) if spec.cpu else None,
            pids_limit=_PROCESSES,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            # The client's types do not know this policy.
            restart_policy={"Name": "unless-stopped"},  # type: ignore[arg-type]
            log_config=LogConfig(type="json-file", config=_LOG),
            # The engine's own init ends zombies and passes signals on, which few servers do.
            init=True,
        )
    except docker.errors.ImageNotFound as error:
        raise StageError(
            title="The built image is gone",
            detail=f"The docker engine no longer has `{spec.artifact.reference}`. "
            "Run the check again to build it anew.",
        ) from error
    except docker.errors.APIError as error:
        # Another worker created it a moment ago.
        existing = _get(spec.name) if error.status_code == 409 else None
        if existing is None:
            raise
        return existing


def _cannot_start(spec: DeploymentSpec, error: docker.errors.APIError) -> StageError:
    if error.status_code is not None and error.status_code >= 500 and "runc" not in str(error):
        return StageError(
            title="The docker engine could not start the server",
            detail=f"Sigil tries again by itself. The engine says: {error.explanation}",
            fault="ours",
        )
    command = " ".join(spec.artifact.command) or "the image's command"
    return StageError(
        title="The server cannot be started",
        detail=f"The engine could not execute {command}: {error.explanation}. Check `entrypoint` "
        "in mcp.yaml.",
    )


def _instance(container: Container) -> Instance:
    attributes = container.attrs
    if "HostConfig" not in attributes or "PortBindings" not in attributes["HostConfig"]:
        container.reload()
        attributes = container.attrs
    bindings = attributes["HostConfig"]["PortBindings"] or {}
    port = next((binding[0]["HostPort"] for binding in bindings.values() if binding), "0")
    path = attributes["Config"]["Labels"].get(_PATH, "/mcp")
    return Instance(
        name=str(container.name),
        host_id=str(container.id),
        url=f"http://127.0.0.1:{port}{path}",
        state=_state(attributes),
    )


def _state(attributes: dict[str, Any]) -> Literal["starting", "running", "crashed", "stopped"]:
    state = attributes["State"]
    if state["Restarting"]:
        hopeless = attributes["RestartCount"] >= _RESTARTS and _last_life(state) < _SHORT_LIFE
        return "crashed" if hopeless else "starting"
    if state["Running"]:
        return "running"
    if state["Status"] == "created":
        return "starting"
    return "stopped"


def _last_life(state: dict[str, Any]) -> float:
    """Seconds that the server ran before it ended the last time."""
    return (_time(state["FinishedAt"]) - _time(state["StartedAt"])).total_seconds()


def _time(text: str) -> datetime:
    # The engine writes nanoseconds, more digits than Python reads.
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
