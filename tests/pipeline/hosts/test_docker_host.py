"""Servers as containers of a real engine."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from config.settings import settings
from pipeline.builders.base import Artifact
from pipeline.builders.docker import DockerBuilder
from pipeline.engine import engine
from pipeline.hosts.base import DeploymentSpec, Instance
from pipeline.hosts.docker import DockerHost
from pipeline.stages.base import StageError, Stop
from tests.polling import eventually
from tests.servers import Lines, build_input, manifest, write_tree

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

# Answers with what it sees; GET /reach?host=… says whether it reaches another server.
_SERVER = """\
import json, os, socket
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        seen = {"environment": dict(os.environ), "uid": os.getuid(), "pid": os.getpid()}
        seen["capabilities"] = [l for l in open("/proc/self/status") if l.startswith("Cap")]
        if "?" in self.path:
            host, port = self.path.split("?")[1].split(":")
            try:
                socket.create_connection((host, int(port)), 2).close()
                seen["reached"] = True
            except OSError as error:
                seen["reached"] = False
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(seen).encode())

print("ready", flush=True)
HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Answer).serve_forever()
"""


@pytest.fixture
def artifact(images: None, tmp_path: Path) -> Iterator[Artifact]:
    """An image with a small server."""
    tree = write_tree(tmp_path / "tree", {"server.py": _SERVER})
    request = build_input(tree, tmp_path / "output", of=manifest())
    built = DockerBuilder().build(request, log=Lines(), stop=Stop())
    yield built
    DockerBuilder().discard(built)


def _spec(name: str, artifact: Artifact, **changes: Any) -> DeploymentSpec:
    values: dict[str, Any] = {"port": 8080, "path": "/mcp", "env": {}} | changes
    return DeploymentSpec(name=name, artifact=artifact, **values)


def _ask(instance: Instance, query: str = "") -> dict[str, Any]:
    try:
        answer: dict[str, Any] = requests.get(instance.url + query, timeout=10).json()
    except requests.ConnectionError:
        return {}
    return answer


def _state(name: str) -> str:
    found = DockerHost().find(name)
    return found.state if found else "gone"


def test_a_container_can_do_little(docker_host: Callable[[], str], artifact: Artifact) -> None:
    spec = _spec(
        docker_host(), artifact, env={"A": "1"}, memory=96 * 2**20, cpu=0.5, labels={"x": "y"}
    )

    instance = DockerHost().start(spec)

    seen = eventually(lambda: _ask(instance))
    assert seen["uid"] == 10001
    assert {line.split()[1] for line in seen["capabilities"]} == {"0" * 16}
    assert seen["environment"]["A"] == "1"
    assert seen["environment"]["PORT"] == "8080"
    attributes = engine().containers.get(spec.name).attrs
    limits = attributes["HostConfig"]
    assert limits["Memory"] == limits["MemorySwap"] == 96 * 2**20
    assert limits["NanoCpus"] == 500_000_000
    assert limits["PidsLimit"] > 0
    assert not limits["Privileged"]
    assert "no-new-privileges" in limits["SecurityOpt"]
    assert limits["LogConfig"]["Config"]["max-size"]
    assert [binding["HostIp"] for binding in limits["PortBindings"]["8080/tcp"]] == ["127.0.0.1"]
    assert attributes["Config"]["Labels"]["x"] == "y"


def test_servers_do_not_reach_each_other(
    docker_host: Callable[[], str], artifact: Artifact
) -> None:
    one = DockerHost().start(_spec(docker_host(), artifact))
    other = DockerHost().start(_spec(docker_host(), artifact))
    eventually(lambda: _ask(one))
    eventually(lambda: _ask(other))
    networks = engine().containers.get(other.name).attrs["NetworkSettings"]["Networks"]
    address = next(iter(networks.values()))["IPAddress"]

    assert address
    assert _ask(one, f"?{address}:8080")["reached"] is False
    assert _ask(one, "?127.0.0.1:8080")["reached"] is True


def test_starting_twice_gives_one_server(
    docker_host: Callable[[], str], artifact: Artifact
) -> None:
    spec = _spec(docker_host(), artifact)
    first = DockerHost().start(spec)
    eventually(lambda: _ask(first))

    again = DockerHost().start(spec)

    assert (again.url, again.host_id) == (first.url, first.host_id)
    assert [found.name for found in DockerHost().list()].count(spec.name) == 1


def test_a_name_that_begins_another_is_another(
    docker_host: Callable[[], str], artifact: Artifact
) -> None:
    instance = DockerHost().start(_spec(docker_host(), artifact))

    assert DockerHost().find(instance.name[:-1]) is None
    assert DockerHost().find(instance.host_id[:12]) is None


def test_the_address_stays_when_the_container_starts_again(
    docker_host: Callable[[], str], artifact: Artifact
) -> None:
    instance = DockerHost().start(_spec(docker_host(), artifact))
    eventually(lambda: _ask(instance))

    engine().containers.get(instance.name).restart(timeout=1)

    assert eventually(lambda: _ask(instance))
    found = DockerHost().find(instance.name)
    assert found is not None
    assert (found.url, found.state) == (instance.url, "running")


def test_a_server_that_never_lives_is_given_up(
    docker_host: Callable[[], str], artifact: Artifact
) -> None:
    dies = artifact.model_copy(update={"command": ("python3", "-c", "exit('no configuration')")})
    instance = DockerHost().start(_spec(docker_host(), dies))

    assert eventually(lambda: _state(instance.name) == "crashed", seconds=120)
    assert "no configuration" in DockerHost().logs(instance.name)


def test_a_command_that_is_not_there_is_named_in_the_log(
    docker_host: Callable[[], str], artifact: Artifact
) -> None:
    wrong = artifact.model_copy(update={"command": ("no-such-program",)})

    instance = DockerHost().start(_spec(docker_host(), wrong))

    # The engine's init is what starts, and it does not find the program.
    assert eventually(lambda: _state(instance.name) == "crashed", seconds=120)
    assert "no-such-program" in DockerHost().logs(instance.name)


def test_an_image_that_is_gone_is_said(docker_host: Callable[[], str], artifact: Artifact) -> None:
    gone = artifact.model_copy(update={"digest": "sha256:" + "0" * 64})

    with pytest.raises(StageError, match="gone") as caught:
        DockerHost().start(_spec(docker_host(), gone))

    assert caught.value.fault == "yours"


def test_of_a_log_the_last_lines_are_given(
    docker_host: Callable[[], str], artifact: Artifact
) -> None:
    code = "[print(n) for n in range(50)]; import time; time.sleep(3227)"
    talks = artifact.model_copy(update={"command": ("python3", "-u", "-c", code)})
    instance = DockerHost().start(_spec(docker_host(), talks))
    eventually(lambda: "49" in DockerHost().logs(instance.name))

    assert DockerHost().logs(instance.name, lines=2) == "48\n49\n"


def test_what_is_not_there_can_be_stopped() -> None:
    DockerHost().stop("sigil-test-nothing")

    assert DockerHost().find("sigil-test-nothing") is None
    assert DockerHost().logs("sigil-test-nothing") == ""


def test_an_image_of_the_authors_own_dockerfile_runs_with_its_own_command(
    images: None, docker_host: Callable[[], str], tmp_path: Path
) -> None:
    base = settings().python_image.replace("{version}", "3.12")
    files = {
        "own/Dockerfile": f'FROM {base}\nCOPY server.py /\nCMD ["python3", "/server.py"]\n',
        "own/server.py": _SERVER,
    }
    tree = write_tree(tmp_path / "tree", files)
    of = manifest(runtime="docker", build={"context": "own"})
    of = type(of)(**{**vars(of), "entrypoint": ()})
    built = DockerBuilder().build(
        build_input(tree, tmp_path / "output", of=of), log=Lines(), stop=Stop()
    )

    instance = DockerHost().start(_spec(docker_host(), built))

    assert eventually(lambda: _ask(instance))["environment"]["PORT"] == "8080"
    DockerHost().stop(instance.name)
    DockerBuilder().discard(built)
