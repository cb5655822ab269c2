"""The sandbox's process manager: supervisord, which restarts what dies and ends all in order."""

import contextlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from sandbox.places import CODE, Places


class SupervisionError(Exception):
    """The process manager, or a process of it, did not do what was asked. The text says which."""


@dataclass(frozen=True)
class Program:
    """One process to keep alive.

    Attributes:
        name: The name of its log file, too.
        command: The arguments, the program first.
        priority: Programs of a higher number are stopped first.
        user: The user to run as, or None for this one.
        stop_signal: What asks it to end in order.
        stop_wait: Seconds that it may take for that before it is killed.
    """

    name: str
    command: Sequence[str]
    priority: int = 300
    user: str | None = None
    stop_signal: str = "TERM"
    stop_wait: int = 15


class Supervision:
    """A supervisord of our own, in the background."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._config = places.folder / "supervisord.conf"
        self._pid_file = places.runtime / "supervisord.pid"

    def launch(self, programs: Sequence[Program], environ: Mapping[str, str]) -> int:
        """Start supervisord with no program running yet; return its process id.

        Raises:
            SupervisionError: when it does not come up.
        """
        self._config.write_text(self._configuration(programs))
        self._pid_file.unlink(missing_ok=True)
        try:
            subprocess.run(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)],
                env=dict(environ),
                cwd=CODE,
                check=True,
                capture_output=True,
                text=True,
                timeout=30,
            )
        except subprocess.CalledProcessError as error:
            raise SupervisionError(
                f"The process manager does not start: {error.stderr or error.stdout}"
            ) from error
        give_up = time.monotonic() + 30
        while not self.running():
            if time.monotonic() > give_up:
                log = self._places.logs / "supervisord.log"
                raise SupervisionError(f"The process manager does not answer; see {log}.")
            time.sleep(0.05)
        return int(self._pid_file.read_text())

    def _configuration(self, programs: Sequence[Program]) -> str:
        places = self._places
        lines = [
            "[unix_http_server]",
            f"file={places.supervisor_socket}",
            "chmod=0700",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
            "[supervisord]",
            f"identifier={places.runtime.name}",
            f"pidfile={self._pid_file}",
            f"logfile={_escaped(places.logs / 'supervisord.log')}",
            f"childlogdir={places.runtime}",
            *(["user=root"] if os.geteuid() == 0 else []),
        ]
        for program in programs:
            log = places.logs / f"{program.name}.log"
            lines += [
                f"[program:{program.name}]",
                f"command={_escaped(shlex.join(program.command))}",
                f"directory={_escaped(CODE)}" if program.user is None else "directory=/",
                *([f"user={program.user}"] if program.user else []),
                f"priority={program.priority}",
                "autostart=false",
                "autorestart=true",
                # Each retry waits a second longer than the one before.
                "startretries=1000",
                f"stopsignal={program.stop_signal}",
                f"stopwaitsecs={program.stop_wait}",
                "killasgroup=true",
                "redirect_stderr=true",
                # Supervisor expands this one twice.
                f"stdout_logfile={_escaped(_escaped(log))}",
                "stdout_logfile_maxbytes=10MB",
                "stdout_logfile_backups=1",
            ]
        return "\n".join(lines) + "\n"

    def running(self) -> bool:
        """Whether our supervisord answers."""
        try:
            return bool(self._call("getIdentification") == self._places.runtime.name)
        except (OSError, SupervisionError):
            return False

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(serverurl=f"unix://{self._places.supervisor_socket}")
        with ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            try:
                return getattr(proxy.supervisor, method)(*arguments)
            except Fault as fault:
                raise SupervisionError(fault.faultString, fault.faultCode) from fault

    def _ask(self, method: str, name: str, *, unless: int) -> None:
        try:
            self._call(method, name, False)
        except SupervisionError as error:
            if error.args[1] != unless:
                raise

    def states(self) -> dict[str, str]:
        """The state of each program, in supervisor's words: RUNNING, STOPPED, BACKOFF, …"""
        return {info["name"]: info["statename"] for info in self._call("getAllProcessInfo")}

    def pid(self, name: str) -> int:
        """The process id of a program, 0 when it does not run."""
        return int(self._call("getProcessInfo", name)["pid"])

    def start(self, name: str) -> None:
        """Start a program, without waiting. No error when it runs already."""
        self._ask("startProcess", name, unless=Faults.ALREADY_STARTED)

    def stop(self, *names: str) -> None:
        """Stop programs at the same time and wait until they ended. No error when they do not run.

        Each is asked first, and killed when it takes longer than its `stop_wait`.
        """
        for name in names:
            self._ask("stopProcess", name, unless=Faults.NOT_RUNNING)
        while any(self.pid(name) for name in names):
            time.sleep(0.05)

    def kill(self, name: str) -> None:
        """Kill a program and all that it started with SIGKILL; it is started again.

        Raises:
            SupervisionError: when it does not run.
        """
        pid = self.pid(name)
        if not pid:
            raise SupervisionError(f"{name} does not run.")
        process = psutil.Process(pid)
        # The parent first, or it would replace its children at once.
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()

    def shut_down(self) -> None:
        """Stop all programs, those of the highest priority number first, and supervisord itself."""
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            self._call("shutdown")
        except (OSError, ValueError, SupervisionError, psutil.NoSuchProcess):
            return
        process.wait()


def _escaped(value: object) -> str:
    # Supervisor expands %(name)s in its configuration.
    return str(value).replace("%", "%%")
