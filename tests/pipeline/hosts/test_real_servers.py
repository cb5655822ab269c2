"""Servers that nobody here wrote: built, started, asked, crashed and stopped on every host."""

from pathlib import Path

import psutil
import pytest

from pipeline.builders.base import Artifact
from pipeline.manifest import Manifest, parse
from pipeline.stages.base import Stop
from tests.polling import eventually
from tests.servers import SAMPLES, Lines, build_input, call, manifest, spec_of, tool_names
from tests.servers_fixture import House

_EVERYTHING_STDIO = manifest(
    name="everything-stdio",
    runtime="node",
    entrypoint=["mcp-server-everything", "stdio"],
    transport={"type": "stdio"},
)


def _own(sample: str) -> Manifest:
    return parse((SAMPLES / sample / "mcp.yaml").read_bytes())


def _build(house: House, sample: str, of: Manifest, output: Path) -> Artifact:
    return house.builder.build(
        build_input(SAMPLES / sample, output, of=of), log=Lines(), stop=Stop()
    )


def _youngest(processes: list[psutil.Process]) -> psutil.Process:
    """The server itself: what was started last, behind a bridge too."""
    return max(processes, key=lambda process: (process.create_time(), process.pid))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("sample", "of", "tool", "arguments", "answer"),
    [
        pytest.param(
            "clock-http", _own("clock-http"), "add", {"a": 2, "b": 40}, "42", id="sdk-http"
        ),
        pytest.param(
            "time-stdio",
            _own("time-stdio"),
            "convert_time",
            {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Kolkata"},
            "17:30",
            id="python-stdio",
        ),
        pytest.param(
            "everything-http",
            _own("everything-http"),
            "echo",
            {"message": "ahoy"},
            "ahoy",
            id="node-http",
            marks=pytest.mark.node,
        ),
        pytest.param(
            "everything-http",
            _EVERYTHING_STDIO,
            "echo",
            {"message": "ahoy"},
            "ahoy",
            id="node-stdio",
            marks=pytest.mark.node,
        ),
    ],
)
def test_a_real_server_lives_answers_survives_a_crash_and_leaves_nothing(
    house: House,
    tmp_path: Path,
    sample: str,
    of: Manifest,
    tool: str,
    arguments: dict[str, object],
    answer: str,
) -> None:
    artifact = _build(house, sample, of, tmp_path / "output")
    assert house.builder.has(artifact)
    name = house.new_name()

    instance = house.host.start(spec_of(name, artifact, of))
    assert tool in eventually(lambda: tool_names(instance.url))
    assert tool in tool_names(instance.url, mode="legacy")
    assert answer in call(instance.url, tool, arguments)

    assert house.host.start(spec_of(name, artifact, of)).url == instance.url
    assert [found.name for found in house.host.list()].count(name) == 1

    victim = _youngest(house.processes(name))
    victim.kill()
    victim.wait(timeout=30)
    eventually(lambda: tool in tool_names(instance.url))
    assert answer in call(instance.url, tool, arguments)
    assert house.host.logs(name)

    before = house.processes(name)
    assert before
    house.host.stop(name)
    assert house.host.find(name) is None
    assert name not in [found.name for found in house.host.list()]
    assert house.host.logs(name) == ""
    assert psutil.wait_procs(before, timeout=30)[1] == []
    house.host.stop(name)

    house.builder.discard(artifact)
    assert not house.builder.has(artifact)
