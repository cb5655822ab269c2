"""Servers as plain processes, kept by a real supervisord."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from pipeline.builders.base import Artifact
from pipeline.hosts.base import DeploymentSpec, Instance
from pipeline.hosts.keeper import Keeper
from pipeline.hosts.process import MARK, ProcessHost
from pipeline.stages.base import StageError
from tests.polling import eventually
from tests.servers import runs
from tests.servers_fixture import marked_processes

# Answers with what it sees, and with the pids of all its processes.
_SERVER = """\
import json, os, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

child = subprocess.Popen(["setsid", "sleep", "3222"])

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        pids = [os.getpid(), child.pid]
        seen = {"environment": dict(os.environ), "pids": pids, "cwd": os.getcwd()}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(seen).encode())

print("ready", flush=True)
HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Answer).serve_forever()
"""


def _artifact(folder: Path, code: str = _SERVER) -> Artifact:
    (folder / "app").mkdir(parents=True, exist_ok=True)
    (folder / "home").mkdir(exist_ok=True)
    (folder / "app" / "server.py").write_text(code)
    return Artifact(
        kind="folder",
        reference=str(folder),
        digest="sha256:0",
        command=(sys.executable, "server.py"),
    )


def _spec(name: str, artifact: Artifact, **changes: Any) -> DeploymentSpec:
    values: dict[str, Any] = {"port": 8080, "path": "/mcp", "env": {}} | changes
    return DeploymentSpec(name=name, artifact=artifact, **values)


def _ask(instance: Instance) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = requests.get(instance.url, timeout=5).json()
    except requests.ConnectionError:
        return {}
    return answer


def _keeper_process(var: Path) -> psutil.Process:
    return psutil.Process(int((var / "supervisord.pid").read_text()))


# What a worker does, in a process of its own: starts the servers that it is told to.
_WORKER = """\
import sys, time
from pathlib import Path
from pipeline.builders.base import Artifact
from pipeline.hosts.base import DeploymentSpec
from pipeline.hosts.process import ProcessHost

host, artifact = ProcessHost(Path(sys.argv[1])), Artifact.model_validate_json(sys.argv[2])
for name in sys.argv[3:]:
    host.start(DeploymentSpec(name=name, artifact=artifact, port=1, path="/", env={}))
print("started", flush=True)
sys.stdin.read()
"""


def _worker(var: Path, artifact: Artifact, *names: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(var), artifact.model_dump_json(), *names],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def _state(host: ProcessHost, name: str) -> str:
    found = host.find(name)
    return found.state if found else "gone"


def test_a_server_sees_its_own_environment_and_none_of_our_secrets(
    process_host: ProcessHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "GITHUB_PRIVATE_KEY", "SENTRY_DSN"):
        monkeypatch.setenv(name, "https://sentinel-31d2@sentry.example/1")
    awkward = "a \"b\" 'c' %(d)s $HOME ;# é\nsecond line"
    spec = _spec("sigil-env", _artifact(tmp_path / "a"), env={"AWKWARD": awkward, "PORT": "1"})

    seen = eventually(lambda: _ask(process_host.start(spec)))

    assert seen["environment"]["AWKWARD"] == awkward
    assert seen["environment"]["HOME"] == str(tmp_path / "a/home")
    assert f":{seen['environment']['PORT']}/mcp" in process_host.start(spec).url
    assert seen["cwd"] == str(tmp_path / "a/app")
    assert "sentinel-31d2" not in json.dumps(seen)


def test_stopping_ends_a_servers_daemons_too(
    process_host: ProcessHost, tmp_path: Path, var: Path
) -> None:
    instance = process_host.start(_spec("sigil-stop", _artifact(tmp_path / "a")))
    pids = eventually(lambda: _ask(instance))["pids"]

    process_host.stop("sigil-stop")

    assert [pid for pid in pids if runs(pid)] == []
    assert list((var / "servers").iterdir()) == []
    assert process_host.find("sigil-stop") is None


def test_a_killed_server_comes_back_at_the_same_address(
    process_host: ProcessHost, tmp_path: Path
) -> None:
    instance = process_host.start(_spec("sigil-back", _artifact(tmp_path / "a")))
    eventually(lambda: _state(process_host, "sigil-back") == "running")
    first = _ask(instance)["pids"][0]

    os.kill(first, signal.SIGKILL)

    second = eventually(lambda: _ask(instance))["pids"][0]
    assert second != first
    assert process_host.find("sigil-back") is not None


def test_a_server_that_never_lives_is_given_up(process_host: ProcessHost, tmp_path: Path) -> None:
    code = "raise SystemExit('no such configuration')"

    process_host.start(_spec("sigil-dies", _artifact(tmp_path / "a", code)))

    assert eventually(lambda: _state(process_host, "sigil-dies") == "crashed")
    assert "no such configuration" in process_host.logs("sigil-dies")


def test_starting_twice_gives_one_server(process_host: ProcessHost, tmp_path: Path) -> None:
    spec = _spec("sigil-once", _artifact(tmp_path / "a"))
    instance = process_host.start(spec)
    pid = eventually(lambda: _ask(instance))["pids"][0]

    again = process_host.start(spec)

    assert again.url == instance.url
    assert _ask(again)["pids"][0] == pid
    assert [found.name for found in process_host.list()] == ["sigil-once"]


def test_servers_get_different_ports_and_do_not_disturb_each_other(
    process_host: ProcessHost, tmp_path: Path
) -> None:
    artifact = _artifact(tmp_path / "a")
    instances = [process_host.start(_spec(f"sigil-n{i}", artifact)) for i in range(3)]
    pids = [eventually(lambda i=i: _ask(i))["pids"][0] for i in instances]  # type: ignore[misc]

    process_host.stop("sigil-n1")

    assert len({instance.url for instance in instances}) == 3
    assert _ask(instances[0])["pids"][0] == pids[0]
    assert _ask(instances[2])["pids"][0] == pids[2]


def test_no_server_outlives_a_killed_keeper_and_all_come_back(
    process_host: ProcessHost, tmp_path: Path, var: Path
) -> None:
    instance = process_host.start(_spec("sigil-keeper", _artifact(tmp_path / "a")))
    server = eventually(lambda: _ask(instance))["pids"][0]

    _keeper_process(var).kill()

    eventually(lambda: not runs(server))
    assert _state(process_host, "sigil-keeper") == "stopped"
    process_host.resume()
    assert eventually(lambda: _ask(instance))["pids"][0] != server
    assert instance.url in [found.url for found in process_host.list()]


def test_shutting_down_leaves_no_process_and_resuming_brings_servers_back(
    process_host: ProcessHost, tmp_path: Path, var: Path
) -> None:
    instance = process_host.start(_spec("sigil-down", _artifact(tmp_path / "a")))
    eventually(lambda: _ask(instance))
    keeper = _keeper_process(var)

    process_host.shutdown()

    assert not keeper.is_running()
    assert marked_processes(var) == []
    process_host.shutdown()
    process_host.resume()
    assert eventually(lambda: _ask(instance))


def test_a_server_outlives_the_worker_that_started_it(
    process_host: ProcessHost, tmp_path: Path, var: Path
) -> None:
    worker = _worker(var, _artifact(tmp_path / "a"), "sigil-worker")
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"started\n"

    os.killpg(worker.pid, signal.SIGKILL)
    worker.communicate()

    instance = process_host.find("sigil-worker")
    assert instance is not None
    assert eventually(lambda: _ask(instance))


def test_many_workers_may_start_servers_at_once(
    process_host: ProcessHost, tmp_path: Path, var: Path
) -> None:
    artifact = _artifact(tmp_path / "a")
    orders = (["sigil-a", "sigil-both"], ["sigil-both", "sigil-b"], ["sigil-c"])
    workers = [_worker(var, artifact, *names) for names in orders]

    assert [worker.communicate()[0] for worker in workers] == [b"started\n"] * 3

    found = {instance.name: instance for instance in process_host.list()}
    assert sorted(found) == ["sigil-a", "sigil-b", "sigil-both", "sigil-c"]
    assert len({instance.url for instance in found.values()}) == 4
    pids = [eventually(lambda i=i: _ask(i))["pids"][0] for i in found.values()]  # type: ignore[misc]
    running = {int(process.ppid()) for process in map(psutil.Process, pids)}
    assert running == {_keeper_process(var).pid}


def test_a_server_cannot_take_more_memory_than_it_may(
    process_host: ProcessHost, tmp_path: Path
) -> None:
    code = "x = bytearray(b'1' * 2**31); print('too', 'much'); import time; time.sleep(3224)"
    artifact = _artifact(tmp_path / "a", code)

    process_host.start(_spec("sigil-greedy", artifact, memory=128 * 2**20))

    eventually(lambda: _state(process_host, "sigil-greedy") == "crashed")
    assert "MemoryError" in process_host.logs("sigil-greedy")
    assert "too much" not in process_host.logs("sigil-greedy")


def test_of_a_log_the_last_lines_are_given(process_host: ProcessHost, tmp_path: Path) -> None:
    code = "[print(n, flush=True) for n in range(50)]; import time; time.sleep(3225)"
    process_host.start(_spec("sigil-log", _artifact(tmp_path / "a", code)))
    eventually(lambda: "49\n" in process_host.logs("sigil-log"))

    assert process_host.logs("sigil-log", lines=3) == "47\n48\n49\n"
    assert process_host.logs("sigil-other") == ""


def test_a_long_path_does_not_matter(tmp_path: Path) -> None:
    var = tmp_path / ("long folder name " * 6).strip() / "50% of it"
    host = ProcessHost(var)
    try:
        instance = host.start(_spec("sigil-long", _artifact(tmp_path / "a")))
        assert eventually(lambda: _ask(instance))
        assert len(str(var)) > 107
    finally:
        host.shutdown()
    assert marked_processes(var) == []


def test_the_description_of_a_server_is_for_our_own_eyes(
    process_host: ProcessHost, tmp_path: Path, var: Path
) -> None:
    process_host.start(_spec("sigil-mode", _artifact(tmp_path / "a"), env={"KEY": "value"}))

    assert (var / "servers/sigil-mode.json").stat().st_mode & 0o077 == 0
    assert (var / "supervisor.sock").stat().st_mode & 0o077 == 0


def test_what_is_not_there_can_be_stopped(process_host: ProcessHost) -> None:
    process_host.stop("sigil-nothing")

    assert process_host.list() == []
    assert process_host.find("sigil-nothing") is None


@pytest.mark.parametrize("name", ["", "-x", "../x", "a b", "x\n[supervisord]", "x" * 64])
def test_a_name_cannot_be_anything_else(process_host: ProcessHost, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        process_host.find(name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"command": ("/nowhere/python", "server.py")}, "gone"),
        ({"kind": "image"}, "cannot run an image"),
        ({"command": ()}, "cannot run an image"),
    ],
)
def test_what_cannot_be_started_is_refused(
    process_host: ProcessHost, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    artifact = _artifact(tmp_path / "a").model_copy(update=change)

    with pytest.raises(StageError, match=words) as caught:
        process_host.start(_spec("sigil-cannot", artifact))

    assert caught.value.fault == "yours"
    assert process_host.find("sigil-cannot") is None


def test_a_keeper_that_cannot_start_is_our_fault(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    with keeper.locked():
        (tmp_path / "servers" / "broken.ini").write_text("[program:x]\nno = command\n")
        with pytest.raises(StageError) as caught:
            keeper.ensure()

    assert caught.value.fault == "ours"
    assert not keeper.runs()


def test_a_stale_socket_is_no_obstacle(
    process_host: ProcessHost, tmp_path: Path, var: Path
) -> None:
    process_host.start(_spec("sigil-stale", _artifact(tmp_path / "a")))
    _keeper_process(var).kill()
    eventually(lambda: not Keeper(var).runs())
    assert (var / "supervisor.sock").exists()

    instance = process_host.start(_spec("sigil-stale", _artifact(tmp_path / "a")))

    assert eventually(lambda: _ask(instance))
    assert MARK in _ask(instance)["environment"]
