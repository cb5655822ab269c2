"""The whole system on one machine: databases, the GitHub stand-in and the Procfile's processes.

Starts them in order, ends them in order, and leaves nothing behind. Pushes nothing.
"""

import contextlib
import fcntl
import functools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import psycopg
import requests
from honcho.environ import parse_procfile

from pipeline.leftovers import kill_marked
from sandbox import deployed, record
from sandbox.embedded import EmbeddedRedis, Postgres
from sandbox.github.server import APP_ID
from sandbox.github_account import Account
from sandbox.host_choice import HostSettings, choose_host
from sandbox.places import CODE, Places
from sandbox.ports import choose
from sandbox.preflight import HOST
from sandbox.record import SandboxRecord
from sandbox.secrets import SecretFiles, make_secrets
from sandbox.supervision import Program, Supervision

HostChoice = Literal["auto", "docker", "process"]

POSTGRES, REDIS, GITHUB = "postgres", "redis", "github"
MARK = "SIGIL_SANDBOX"
"""The environment variable that names the sandbox's folder in each of its processes."""
OWN = (POSTGRES, REDIS, GITHUB)
READY_SECONDS = 60


class StackError(Exception):
    """The system does not start. The text names the part and shows the end of its log."""


class Stack:
    """One sandbox, in one folder.

    Args:
        folder: Where it keeps all; another folder is another, independent sandbox.
        port: For Sigil's web process; None for any free one.
        github_port: For the GitHub stand-in; None for any free one.
        host: Where servers run; None takes docker if it can build here.
        settings: Further settings of Sigil's, by their environment variable.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        github_port: int | None = None,
        host: HostChoice | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.places = Places(folder.absolute())
        self._port = port
        self._github_port = github_port
        self._host = host
        self._settings = dict(settings or {})
        self._redis = EmbeddedRedis(self.places.runtime / "redis")
        self.processes = Supervision(self.places)

    @functools.cached_property
    def _chosen(self) -> HostSettings:
        return choose_host() if self._host is None else HostSettings.given(self._host)

    @property
    def host(self) -> str:
        """Where servers will run: `docker`, `process`, or `auto`."""
        return self._chosen.settings.get("SIGIL_HOST") or os.environ.get("SIGIL_HOST", "auto")

    @property
    def config(self) -> SandboxRecord:
        """What `sandbox.json` says.

        Raises:
            StackError: when the system does not run.
        """
        found = self.running()
        if found is None:
            raise StackError(f"Nothing runs in {self.places.folder}.")
        return found

    def running(self) -> SandboxRecord | None:
        """The record of the system that runs in this folder, or None."""
        return record.read(self.places.record) if self.processes.running() else None

    def start(self) -> SandboxRecord:
        """Start an empty system, or find it running.

        What a killed one left behind is ended and removed first; the secrets stay.

        Raises:
            StackError: naming the part that does not start.
            PortTaken: when a port is in use.
            PlaceError: when a folder cannot be used.
        """
        self.places.make()
        with self._only_one():
            found = self.running()
            if found is not None:
                return found
            self._end_everything()
            self._wipe()
            try:
                return self._start()
            except BaseException:
                self._end_everything()
                raise

    def stop(self) -> bool:
        """End all processes, those of deployed servers too; return whether there were any."""
        if not self.places.folder.exists():
            return False
        with self._only_one():
            return self._end_everything()

    def erase(self) -> None:
        """Stop it, and remove all that it stored."""
        self.stop()
        for folder in (self.places.database_root, self.places.folder):
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def _only_one(self) -> Iterator[None]:
        # Two `make up` at the same moment: the second waits, and finds the first one's system.
        with (self.places.folder / "stack.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _start(self) -> SandboxRecord:
        port = choose(self._port, "PORT")
        github_port = choose(self._github_port, "GITHUB_PORT")
        files = make_secrets(self.places.secrets)
        web_url, github_url = f"http://{HOST}:{port}", f"http://{HOST}:{github_port}"
        environ = self._environ(files, web_url, github_url) | self._chosen.settings | self._settings
        procfile = parse_procfile((CODE / "Procfile").read_text()).processes
        release = procfile.pop("release")
        webhook_url = f"{web_url}/webhook/github"
        github = _github_program(self.places, github_port, webhook_url, files)
        programs = [*self._databases(), github, *_sigil(procfile)]
        pid = self.processes.launch(programs, environ)
        for name in OWN:
            self.processes.start(name)
        self._await(REDIS, self._redis.answers)
        self._await(POSTGRES, lambda: _database_answers(environ["DATABASE_URL"]))
        self._release(release, environ)
        for name in procfile:
            self.processes.start(name)
        self._await(GITHUB, (self.places.github / "github.json").exists)
        self._await("web", lambda: _http_answers(f"{web_url}/healthz"))
        account = Account.read(self.places.github)
        found = SandboxRecord(
            web_url=web_url,
            webhook_url=webhook_url,
            webhook_secret=files.webhook_secret.read_text(),
            github_url=github_url,
            github_api_url=environ["GITHUB_API_URL"],
            git_url=f"{github_url}/{{owner}}/{{name}}.git",
            github_app_id=environ["GITHUB_APP_ID"],
            github_private_key_file=str(files.private_key),
            github_installation_id=account.install_app(),
            github_user=account.login,
            github_user_token=account.token,
            database_url=environ["DATABASE_URL"],
            redis_url=environ["REDIS_URL"],
            servers_folder=str(self.places.servers),
            log_folder=str(self.places.logs),
            host=self.host,
            host_reason=self._chosen.reason,
            instance=_instance(environ["DATABASE_URL"]),
            supervisor_pid=pid,
            supervisor_socket=str(self.places.supervisor_socket),
        )
        record.write(self.places.record, found)
        return found

    def _environ(self, files: SecretFiles, web_url: str, github_url: str) -> dict[str, str]:
        """What every process finds in its environment: Sigil's settings above all.

        A real system's address in the caller's environment (`DATABASE_URL`, the App's key) is
        never taken: the sandbox begins by wiping what it has.
        """
        programs = Path(sys.executable).parent
        return {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            MARK: str(self.places.folder),
            "PORT": web_url.rpartition(":")[2],
            "WEB_BIND": web_url.removeprefix("http://"),
            "DATABASE_URL": f"postgresql://postgres:@/postgres?host={self._sockets}",
            "REDIS_URL": self._redis.url,
            "SIGIL_ENVIRONMENT": "development",
            "SIGIL_PUBLIC_URL": web_url,
            "SIGIL_VAR": str(self.places.servers),
            "GITHUB_URL": github_url,
            "GITHUB_API_URL": github_url,
            "GITHUB_APP_ID": str(APP_ID),
            "GITHUB_PRIVATE_KEY": "",
            "GITHUB_PRIVATE_KEY_FILE": str(files.private_key),
            "GITHUB_WEBHOOK_SECRETS": files.webhook_secret.read_text(),
        }

    @property
    def _sockets(self) -> Path:
        return self.places.runtime / "pg"

    def _databases(self) -> list[Program]:
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        try:
            command, user = Postgres(self.places.database).foreground(self._sockets)
        except subprocess.CalledProcessError as error:
            raise StackError(f"PostgreSQL cannot make its data folder: {error}") from error
        return [
            # INT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
            Program(POSTGRES, command, priority=100, user=user, stop_signal="INT"),
            Program(REDIS, self._redis.foreground(), priority=110),
        ]

    def _release(self, command: str, environ: Mapping[str, str]) -> None:
        with (self.places.logs / "release.log").open("w") as log:
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                env=dict(environ),
                cwd=CODE,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise StackError(self._explain("release", f"exited with status {done.returncode}"))

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        give_up = time.monotonic() + READY_SECONDS
        while not ready():
            if time.monotonic() > give_up:
                raise StackError(self._explain(name, f"is not ready after {READY_SECONDS} s"))
            time.sleep(0.1)

    def _explain(self, name: str, what: str) -> str:
        log = self.places.logs / f"{name}.log"
        try:
            end = log.read_text(errors="replace").splitlines()[-15:]
        except FileNotFoundError:
            end = []
        return "\n".join([f"{name} {what}. The end of {log}:", *(f"    {line}" for line in end)])

    def _end_everything(self) -> bool:
        was_there = self.processes.running()
        if was_there:
            # First what could start further servers, then the servers, then what they all need.
            applications = set(self.processes.states()) - set(OWN)
            self.processes.stop(*applications)
        left = record.read(self.places.record)
        deployed.end_servers(self.places.servers, left.instance if left else "")
        self.processes.shut_down()
        # Redis writes its title over its environment, so the mark does not find it.
        self._redis.stop()
        ended = kill_marked(MARK, str(self.places.folder))
        self.places.record.unlink(missing_ok=True)
        shutil.rmtree(self.places.runtime, ignore_errors=True)
        return was_there or ended > 0

    def _wipe(self) -> None:
        for folder in (
            self.places.database,
            self.places.github,
            self.places.servers,
            self.places.logs,
        ):
            shutil.rmtree(folder, ignore_errors=True)
        self.places.make()


def _github_program(places: Places, port: int, webhook_url: str, files: SecretFiles) -> Program:
    command = [
        *(sys.executable, "-m", "sandbox.github", "--port", str(port)),
        *("--folder", str(places.github), "--webhook-url", webhook_url),
        *("--webhook-secret-file", str(files.webhook_secret)),
        *("--private-key-file", str(files.private_key)),
    ]
    return Program(GITHUB, command, priority=200)


def _sigil(procfile: Mapping[str, str]) -> list[Program]:
    # Platforms hand a Procfile's commands to a shell; with `exec` signals reach the process.
    return [Program(name, ["/bin/sh", "-c", f"exec {line}"]) for name, line in procfile.items()]


def _database_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _instance(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT name FROM sigil_instance").fetchone()
    assert row is not None
    return str(row[0])


def _http_answers(url: str) -> bool:
    try:
        with requests.Session() as session:
            # A proxy in the environment is for the outside world.
            session.trust_env = False
            return session.get(url, timeout=2).status_code < 500
    except requests.RequestException:
        return False
