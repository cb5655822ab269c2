"""The whole system as real processes, and what a person does with it: push, look, click."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import psutil
import psycopg
import pytest
import requests

from sandbox.record import SandboxRecord
from sandbox.stack import Stack
from tests.github_fixture import Checkout, new_repository
from tests.outside_evidence import assert_like_github
from tests.polling import eventually

SAMPLES = Path(__file__).parent / "samples"

# Dead workers are found in seconds instead of tens of them, and a module full of tests may write
# more in a minute than one account does in an hour.
QUICK = {
    "GITHUB_SPACING": "0",
    "SIGIL_HEARTBEAT": "0.3",
    "SIGIL_HEARTBEAT_LOST": "3",
    "SIGIL_SWEEP_INTERVAL": "1",
    "GITHUB_TIMEOUT": "2",
}


@dataclass
class RemoteGitHub:
    """The stand-in of a running system, as seen from outside it."""

    url: str
    token: str
    login: str

    @property
    def user(self) -> SimpleNamespace:
        """The account that owns everything."""
        return SimpleNamespace(login=self.login)

    def git_url(self, full_name: str, token: str | None = None) -> str:
        """A remote that may push, with another token than that of the owner of everything."""
        login, secret = ("x-access-token", token) if token else (self.login, self.token)
        return f"{self.url.replace('://', f'://{login}:{secret}@')}/{full_name}.git"

    def fail(self, method: str, path: str, **how: Any) -> None:
        """Make calls of an operation go wrong; `how` as in `sandbox.github.Fault`."""
        self._control("POST", "/faults", {"method": method, "path": path, **how})

    def has_failed(self) -> bool:
        """Whether a call has met the fault that waits for it."""
        listed = requests.get(f"{self.url}/_sandbox/faults", timeout=30).json()
        return any(fault["hits"] for fault in listed)

    def behave(self) -> None:
        """Forget all faults, and let go of calls that hang."""
        self._control("DELETE", "/faults")

    def webhooks(self, **mischief: Any) -> None:
        """Hold webhooks back, or send them in another order, as the stand-in's control says."""
        self._control("PATCH", "/webhooks", mischief)

    def traffic(self) -> str:
        """All that was said to it and by it, one exchange a line."""
        return requests.get(f"{self.url}/_sandbox/traffic", timeout=60).text

    def has_sent_all(self) -> bool:
        """Whether no webhook waits to be sent; one that failed is not sent again."""
        return bool(requests.get(f"{self.url}/_sandbox/webhooks", timeout=30).json()["idle"])

    def be_generous(self) -> None:
        """Lift the secondary limits, which a module full of tests would use up."""
        names = ("per_hour", "points_per_minute", "content_per_minute", "content_per_hour")
        self._control("PATCH", "/limits", dict.fromkeys(names, 10**6))

    def _control(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        url = f"{self.url}/_sandbox{path}"
        requests.request(method, url, json=body, timeout=30).raise_for_status()


@dataclass
class System:
    """A running system."""

    stack: Stack
    folder: Path

    @property
    def config(self) -> SandboxRecord:
        """Its URLs and secrets."""
        return self.stack.config

    @property
    def github(self) -> RemoteGitHub:
        """Its GitHub."""
        config = self.config
        return RemoteGitHub(config.github_url, config.github_user_token, config.github_user)

    def repository(self, name: str) -> Checkout:
        """A new repository with the App installed on it, as on all of the account's."""
        return new_repository(self.github, name, self.folder / name)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the database says."""
        with psycopg.connect(self.config.database_url, autocommit=True) as connection:
            cursor = connection.execute(query, parameters)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def run_of(self, sha: str) -> dict[str, Any] | None:
        """The newest run of a commit, as the web process tells it."""
        listed = requests.get(f"{self.config.web_url}/runs.json?sha={sha}", timeout=30).json()
        if not listed["runs"]:
            return None
        number = listed["runs"][0]["id"]
        run: dict[str, Any] = requests.get(
            f"{self.config.web_url}/runs/{number}.json", timeout=30
        ).json()
        return run

    def finished(self, sha: str, *, seconds: float = 120) -> dict[str, Any]:
        """Wait until the newest run of a commit has ended; return it."""

        def ended() -> dict[str, Any] | None:
            run = self.run_of(sha)
            return run if run and run["finished"] else None

        ended_run = eventually(ended, seconds=seconds)
        assert ended_run is not None
        return ended_run

    def reported(self, checkout: Checkout, sha: str) -> list[dict[str, Any]]:
        """Wait until every check run of a commit is completed; return them."""

        def completed() -> list[dict[str, Any]] | None:
            checks = checkout.checks(sha)
            closed = checks and all(check["status"] == "completed" for check in checks)
            return checks if closed else None

        done = eventually(completed, seconds=90)
        assert done is not None
        return done

    def log(self, number: int) -> str:
        """The log of a run."""
        return requests.get(f"{self.config.web_url}/runs/{number}/log.txt", timeout=30).text

    def kill_workers(self, process: str) -> int:
        """kill −9 everything that works below a process of the Procfile; return how many."""
        pool = psutil.Process(self.stack.processes.pid(process))
        workers = [
            child for child in pool.children(recursive=True) if "workers.worker" in _command(child)
        ]
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        return len(workers)

    def live_servers(self) -> list[str]:
        """The names of the servers that should run."""
        rows = self.rows("SELECT host_id FROM mcp_deployments WHERE state = 'live'")
        return sorted(row[0] for row in rows)

    def containers(self) -> list[str]:
        """The names of this system's containers; empty with the process host."""
        if self.config.host != "docker":
            return []
        labelled = {"label": f"sigil.instance={self.config.instance}"}
        with closing(docker.from_env()) as engine:
            found = engine.containers.list(all=True, filters=labelled)
            return sorted(str(container.name) for container in found)

    def servers(self) -> list[psutil.Process]:
        """The processes of deployed servers and of builds."""
        folder = str(self.config.servers_folder)
        return [process for process in psutil.process_iter() if folder in _command(process)]


def _command(process: psutil.Process) -> str:
    """A process's command line; empty when it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def plain(name: str, changes: Mapping[str, str] | None = None) -> dict[str, str | bytes]:
    """The files of the sample that builds fastest, as a package of that name."""
    folder = SAMPLES / "plain-http"
    files: dict[str, str | bytes] = {path.name: path.read_text() for path in folder.iterdir()}
    files["mcp.yaml"] = str(files["mcp.yaml"]).replace("name: plain", f"name: {name}")
    return files | dict(changes or {})


@pytest.fixture(scope="module")
def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """A system with the process host, for all tests of a module; `SETTINGS` of the module are
    further settings of it."""
    folder = Path(tempfile.mkdtemp(prefix="sigil-system-"))
    settings = QUICK | getattr(request.module, "SETTINGS", {})
    stack = Stack(folder / "sandbox", host="process", settings=settings)
    stack.start()
    started = System(stack, tmp_path_factory.mktemp("clones"))
    started.github.be_generous()
    yield started
    try:
        traffic = started.github.traffic()
    finally:
        stack.erase()
    assert_like_github(traffic)
