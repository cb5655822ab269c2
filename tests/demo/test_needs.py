"""What the demo asks of the machine for a repository of the user's."""

from pathlib import Path

import pytest

from sandbox.command import CommandFailed
from sandbox.demo import Options, check_needs


@pytest.fixture
def node_server(tmp_path: Path) -> Path:
    (tmp_path / "mcp.yaml").write_text("runtime: {type: node, version: '22'}\n")
    return tmp_path


def test_a_node_server_without_node_is_refused_at_once(
    node_server: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandFailed, match="apt-get install nodejs npm"):
        check_needs(node_server, "process")


def test_a_node_server_is_built_by_docker_without_node(
    node_server: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    check_needs(node_server, "auto")


@pytest.mark.parametrize("text", ["runtime: python\n", "", "[", "runtime: [1]\n"])
def test_anything_else_is_left_to_the_run(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mcp.yaml").write_text(text)
    monkeypatch.setenv("PATH", str(tmp_path))
    check_needs(tmp_path, "process")


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_arguments_that_are_no_json_object_are_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGS", text)
    with pytest.raises(CommandFailed, match="ARGS"):
        Options.from_environment()
