"""Runs servers as plain processes of this machine, kept by supervisord.

It does not isolate servers from the machine or from one another, so production refuses it. A
server has to listen on `PORT` (and should on `HOST`): the port in mcp.yaml is not used, because
two servers may ask for the same one. The memory limit is a coarse one: it holds for Node's heap,
and with 1 GiB to spare for the data segment of each process; the processor limit is not enforced.
"""

import json
import os
import re
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from config.settings import settings
from pipeline.builders.folder import Folder
from pipeline.hosts.base import DeploymentSpec, Instance
from pipeline.hosts.keeper import Keeper
from pipeline.hosts.ports import free_port
from pipeline.leftovers import kill_marked
from pipeline.stages.base import StageError

# Every process of a server carries this variable; its value is the server's file.
MARK = "SIGIL_SERVER"

_LAUNCHER = Path(__file__).with_name("launch.py")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

# Paths are relative to the folder that supervisord runs in.
# A server that ends within 3 seconds counts as a failed start; after three more tries, 1, 2 and 3
# seconds apart, supervisord gives up. A server that has lived longer is restarted at once.
_PROGRAM = """\
[program:{name}]
command = {python} -I {launcher} {spec}
autostart = true
autorestart = true
startsecs = 3
startretries = 3
stopsignal = TERM
stopwaitsecs = 5
stopasgroup = true
killasgroup = true
redirect_stderr = true
stdout_logfile = {log}
stdout_logfile_maxbytes = 5MB
stdout_logfile_backups = 1
"""

_STATES: dict[str, Literal["starting", "running", "crashed", "stopped"]] = {
    "STARTING": "starting",
    "BACKOFF": "starting",
    "RUNNING": "running",
    "FATAL": "crashed",
    # Ended and about to be started again.
    "EXITED": "starting",
}


@dataclass(frozen=True)
class _Files:
    """The files of one server."""

    program: Path
    spec: Path
    log: Path

    @classmethod
    def of(cls, keeper: Keeper, name: str) -> "_Files":
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a server's name: {name!r}")
        return cls(*(keeper.programs / f"{name}.{kind}" for kind in ("ini", "json", "log")))


class ProcessHost:
    """The process host. See `pipeline.hosts.base.Host`."""

    name: Literal["docker", "process"] = "process"

    def __init__(self, folder: Path | None = None) -> None:
        self._keeper = Keeper(folder or settings().var)

    def start(self, spec: DeploymentSpec) -> Instance:
        """Start a server, or find the one of that name."""
        files = _Files.of(self._keeper, spec.name)
        with self._keeper.locked():
            self._keeper.ensure()
            if not files.program.exists():
                _check(spec)
                _write(files.spec, json.dumps(_launch(spec, files, self._taken_ports())))
                _write(files.program, _program(spec.name, files))
            self._keeper.add(spec.name)
        instance = self.find(spec.name)
        # Another worker may have been told to stop it in this moment.
        return instance or Instance(spec.name, spec.name, "", "stopped")

    def find(self, name: str) -> Instance | None:
        """The server of that name, or None."""
        files = _Files.of(self._keeper, name)
        if not files.program.exists():
            return None
        return _instance(name, files, self._keeper.states())

    def stop(self, name: str) -> None:
        """Stop a server with all its processes, and remove its files."""
        files = _Files.of(self._keeper, name)
        with self._keeper.locked():
            self._keeper.remove(name)
            kill_marked(MARK, str(files.spec))
            # The program's file goes last: while it is there, stopping again finishes this.
            for file in (*files.log.parent.glob(f"{name}.log*"), files.spec, files.program):
                file.unlink(missing_ok=True)

    def logs(self, name: str, *, lines: int = 100) -> str:
        """The last lines of what the server printed."""
        log = _Files.of(self._keeper, name).log
        found: deque[str] = deque(maxlen=lines)
        for file in (log.with_name(log.name + ".1"), log):
            if file.exists():
                with file.open(errors="replace") as text:
                    found.extend(text)
        return "".join(found)

    def list(self) -> list[Instance]:
        """All servers of this `SIGIL_VAR`."""
        states = self._keeper.states()
        names = sorted(path.stem for path in self._keeper.programs.glob("*.ini"))
        return [_instance(name, _Files.of(self._keeper, name), states) for name in names]

    def resume(self) -> None:
        """Bring back all servers after the machine, or the keeper, was stopped.

        Cheap when they run; call it when Sigil starts, and now and then.
        """
        if not any(self._keeper.programs.glob("*.ini")):
            return
        with self._keeper.locked():
            if not self._keeper.runs():
                # What a killed keeper left behind would hold the ports.
                self._kill_all()
                self._keeper.ensure()
            for name in {path.stem for path in self._keeper.programs.glob("*.ini")} - set(
                self._keeper.states()
            ):
                self._keeper.add(name)

    def shutdown(self) -> None:
        """Stop all servers and the keeper; `resume` brings them back. Leaves no process."""
        with self._keeper.locked():
            self._keeper.shutdown()
            self._kill_all()

    def _kill_all(self) -> None:
        for path in self._keeper.programs.glob("*.json"):
            kill_marked(MARK, str(path))

    def _taken_ports(self) -> set[int]:
        return {_read(path)["port"] for path in self._keeper.programs.glob("*.json")}


def _check(spec: DeploymentSpec) -> None:
    command = spec.artifact.command
    if spec.artifact.kind != "folder" or not command:
        raise StageError(
            title="The process host cannot run an image",
            detail="The server was built for docker. Run the check again to build it for this "
            "host.",
        )
    if not os.access(command[0], os.X_OK):
        raise StageError(
            title="The built server is gone",
            detail=f"There is no program {Path(command[0]).name} in what was built. Run the check "
            "again to build it anew.",
        )


def _launch(spec: DeploymentSpec, files: _Files, taken: set[int]) -> dict[str, Any]:
    """What `launch.py` reads, and the few things that the host wants to know later."""
    port = free_port(taken)
    folder = Folder(Path(spec.artifact.reference))
    heap = {"NODE_OPTIONS": f"--max-old-space-size={spec.memory >> 20}"} if spec.memory else {}
    own = {"HOST": "127.0.0.1", **heap, **spec.env, "PORT": str(port), MARK: str(files.spec)}
    return {
        "command": list(spec.artifact.command),
        "environment": folder.environment(**own),
        "folder": str(folder.app),
        "memory": spec.memory,
        "port": port,
        "path": spec.path,
        "labels": dict(spec.labels or {}),
    }


def _program(name: str, files: _Files) -> str:
    def quoted(path: Path | str) -> str:
        # supervisord splits the command as a shell does, and expands what follows a %.
        return '"' + str(path).replace('"', '\\"').replace("%", "%%") + '"'

    return _PROGRAM.format(
        name=name,
        python=quoted(sys.executable),
        launcher=quoted(_LAUNCHER),
        spec=f"servers/{files.spec.name}",
        log=f"servers/{files.log.name}",
    )


def _write(path: Path, text: str) -> None:
    """Write a file that others cannot read, whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def _instance(name: str, files: _Files, states: dict[str, str]) -> Instance:
    try:
        spec = _read(files.spec)
    except FileNotFoundError:
        # Another worker is removing it at this moment.
        return Instance(name, name, "", "stopped")
    return Instance(
        name=name,
        host_id=name,
        url=f"http://127.0.0.1:{spec['port']}{spec['path']}",
        state=_STATES.get(states.get(name, ""), "stopped"),
    )
