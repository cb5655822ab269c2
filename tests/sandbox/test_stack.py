"""The whole system, started and ended as `make up` and `make down` do."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import requests
from redis import Redis

from sandbox.places import Places
from sandbox.ports import PortTaken
from sandbox.stack import MARK, Stack
from tests.polling import eventually
from tests.stack_fixture import System


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process with the mark of the sandbox in `folder`, or that works in its folders."""
    runtime = Places(folder).runtime
    found = []
    for process in psutil.process_iter():
        try:
            inside = process.environ().get(MARK) == str(folder)
            # Redis writes its title over its environment.
            inside = inside or Path(process.cwd()).is_relative_to(runtime)
        except (psutil.Error, OSError):
            continue
        if inside:
            found.append(process)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a path too long for any Unix socket; whatever runs there is ended."""
    deep = tmp_path / ("a-very-long-name-" * 10) / "with a space and 100%"
    deep.mkdir(parents=True)
    yield deep
    Stack(deep).erase()


def test_the_record_says_how_to_reach_every_part(system: System) -> None:
    record = system.config
    file = system.stack.places.record
    assert json.loads(file.read_text())["web_url"] == record.web_url
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert requests.get(f"{record.web_url}/healthz", timeout=10).status_code == 200
    with psycopg.connect(record.database_url) as connection:
        row = connection.execute("SELECT name FROM sigil_instance").fetchone()
    assert row == (record.instance,)
    assert Redis.from_url(record.redis_url).ping()
    own = {"Authorization": f"Bearer {record.github_user_token}"}
    listed = requests.get(
        f"{record.github_api_url}/user/installations", headers=own, timeout=10
    ).json()
    assert [one["id"] for one in listed["installations"]] == [record.github_installation_id]
    assert str(listed["installations"][0]["app_id"]) == record.github_app_id
    assert "PRIVATE KEY" in Path(record.github_private_key_file).read_text()


def test_a_second_start_finds_the_first(system: System) -> None:
    assert Stack(system.stack.places.folder).start() == system.config


def test_secrets_are_their_owners_alone(system: System) -> None:
    for file in system.stack.places.secrets.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


@pytest.mark.faults
@pytest.mark.parametrize("name", ["web", "worker", "runner", "scheduler", "redis", "postgres"])
def test_a_killed_process_is_started_again(system: System, name: str) -> None:
    before = system.stack.processes.pid(name)
    system.stack.processes.kill(name)
    eventually(lambda: system.stack.processes.pid(name) not in (0, before))
    eventually(lambda: system.stack.processes.states()[name] == "RUNNING")


def test_it_runs_below_a_long_path_and_leaves_nothing_behind(folder: Path) -> None:
    one = Stack(folder, host="process")
    record = one.start()
    assert requests.get(f"{record.web_url}/healthz", timeout=10).status_code == 200
    assert set(one.processes.states()) == {
        *("postgres", "redis", "github", "web", "worker", "runner", "scheduler")
    }
    assert one.stop()
    assert processes_of(folder) == []
    assert not one.places.runtime.exists()
    assert not one.places.record.exists()
    assert not one.stop()


@pytest.mark.faults
def test_what_a_killed_system_left_behind_is_cleared_by_the_next_start(folder: Path) -> None:
    first = Stack(folder, host="process").start()
    os.kill(first.supervisor_pid, signal.SIGKILL)
    orphans = processes_of(folder)
    assert {"redis-server", "postgres", "gunicorn"} <= {orphan.name() for orphan in orphans}
    one = Stack(folder, host="process")
    assert one.running() is None
    second = one.start()
    assert not any(orphan.is_running() for orphan in orphans)
    assert second.supervisor_pid != first.supervisor_pid
    assert second.webhook_secret == first.webhook_secret


def test_a_taken_port_is_named_with_its_variable_and_nothing_is_left_running(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} .*GITHUB_PORT="):
            Stack(folder, github_port=port).start()
    assert processes_of(folder) == []


def test_up_status_and_down_speak_plainly(system: System) -> None:
    environ = {**os.environ, "PORT": "no"}
    wrong = subprocess.run(
        [sys.executable, "-m", "sandbox", "up"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 1
    assert "PORT=no is not a port" in wrong.stdout
    assert "Traceback" not in wrong.stderr
