"""The keeper of the process host: one supervisord for each `SIGIL_VAR`.

Starts it when it is needed, detached from the worker that asks, and speaks to it over a Unix
socket. Knows programs by name and configuration file; what they are is the host's business.
Source: http://supervisord.org/api.html
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from pipeline.environment import clean_environment
from pipeline.stages.base import StageError

# Source: unix(7), less the ".<pid>" that supervisord adds to the path while it binds.
_SOCKET_LIMIT = 107 - 10
# Seconds for supervisord to answer after its start, and to end after it was told to.
_START, _END = 20.0, 30.0
_POLL = 0.05

# Paths are relative to the folder that supervisord runs in, so that no character of the folder's
# own path can mean something to supervisord.
_CONFIGURATION = """\
[unix_http_server]
file = {socket}
chmod = 0700
[supervisord]
logfile = supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 1
pidfile = supervisord.pid
{user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[include]
files = servers/*.ini
"""


class Keeper:
    """supervisord for one folder. Every method raises `StageError` (`ours`) when it fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "servers"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock that lets one worker at a time change what runs."""
        self.programs.mkdir(parents=True, exist_ok=True)
        with (self.folder / "keeper.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def runs(self) -> bool:
        """Whether supervisord answers."""
        try:
            self._call("getState")
        except OSError:
            return False
        return True

    def ensure(self) -> None:
        """Start supervisord when it does not run. It starts every program there is a file for.

        Call it with the lock held.
        """
        if self.runs():
            return
        configuration = self.folder / "supervisord.conf"
        configuration.write_text(self._configuration())
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
        try:
            # It forks into a session of its own, so it outlives the worker, the job and the
            # terminal; its environment is what every server inherits.
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_START,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _trouble("supervisord did not start in time") from error
        if done.returncode != 0:
            raise _trouble(done.stderr.decode(errors="replace").strip())
        self._wait_until(self.runs, _START, "supervisord does not answer")

    def add(self, name: str) -> None:
        """Start the program of that name, whose file has been written."""
        with _supervisor_errors():
            self._call("reloadConfig")
            try:
                self._call("addProcessGroup", name)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode != Faults.ALREADY_ADDED:
                    raise

    def remove(self, name: str) -> None:
        """Stop the program and forget it. No error when supervisord does not run or know it."""
        with _supervisor_errors():
            if not self.runs():
                return
            try:
                self._call("stopProcessGroup", name)
                self._call("removeProcessGroup", name)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode != Faults.BAD_NAME:
                    raise

    def states(self) -> dict[str, str]:
        """The state of each program, in supervisord's words; empty when it does not run."""
        with _supervisor_errors():
            if not self.runs():
                return {}
            return {info["name"]: info["statename"] for info in self._call("getAllProcessInfo")}

    def shutdown(self) -> None:
        """Stop all programs and supervisord itself. No error when it does not run."""
        with _supervisor_errors():
            if not self.runs():
                return
            process = psutil.Process(self._call("getPID"))
            # All at once; a shutdown alone would stop one after the other.
            self._call("stopAllProcesses")
            self._call("shutdown")
            try:
                process.wait(timeout=_END)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(timeout=_END)

    def _configuration(self) -> str:
        return _CONFIGURATION.format(
            socket=os.path.relpath(self._socket(), self.folder),
            # supervisord complains when root does not say so.
            user="user = root" if os.geteuid() == 0 else "",
        )

    def _socket(self) -> Path:
        """The socket's path: in the folder, or in a private one when that path is too long."""
        path = self.folder / "supervisor.sock"
        if len(os.fsencode(path)) <= _SOCKET_LIMIT:
            return path
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        private = Path(tempfile.gettempdir()) / f"sigil-{os.geteuid()}-{digest}"
        private.mkdir(mode=0o700, exist_ok=True)
        if private.is_symlink() or private.stat().st_uid != os.geteuid():
            raise _trouble(f"{private} belongs to somebody else")
        return private / "supervisor.sock"

    def _call(self, method: str, *arguments: str) -> Any:
        # A connection is not shared: the proxy keeps one open, and its state, between calls.
        transport = SupervisorTransport(None, None, serverurl=f"unix://{self._socket()}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def _wait_until(self, condition: Any, seconds: float, problem: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise _trouble(problem)
            time.sleep(_POLL)


@contextmanager
def _supervisor_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, xmlrpc.client.Error) as error:
        raise _trouble(f"{type(error).__name__}: {error}") from error


def _trouble(problem: str) -> StageError:
    return StageError(
        title="The process host did not do its part",
        detail=f"Sigil tries again by itself. The reason is: {problem}",
        fault="ours",
    )
