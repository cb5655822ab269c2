"""What is missing is said at once, by a Python that has nothing installed."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import preflight

SCRIPT = Path(preflight.__file__)


def run(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """The script as `make` runs it: by its path, without our packages."""
    return subprocess.run(
        [sys.executable, "-I", str(SCRIPT), "--venv", ".venv", *arguments],
        env={**os.environ, "PATH": path or os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_machine_with_everything_passes_silently() -> None:
    done = run("--port", "PORT", "auto", "--port", "GITHUB_PORT", "auto")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = run(
            *("--port", "PORT", port),
            *("--port", "GITHUB_PORT", "many"),
            *("--repo", str(tmp_path)),
            path=str(tmp_path),
        )
    assert done.returncode == 1
    assert f"Port {port} " in done.stderr
    assert "PORT=<number>" in done.stderr
    assert "GITHUB_PORT=many is not a port" in done.stderr
    assert "git is not on the PATH" in done.stderr
    assert "has no mcp.yaml" in done.stderr


def test_the_same_port_twice_is_a_problem() -> None:
    assert preflight.check_ports([("PORT", "1"), ("GITHUB_PORT", "1")])[-1] == (
        "PORT and GITHUB_PORT are both 1."
    )


def test_an_old_python_is_told_which_newer_one_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    newer = tmp_path / "python3.12"
    newer.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(preflight, "PYTHON", (99, 0))
    (problem,) = preflight.check_python(tmp_path)
    assert "add PYTHON=python3.12 to the command" in problem


def test_a_python_without_venv_is_told_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda _name: None)
    (problem,) = preflight.check_python(tmp_path)
    assert f"apt-get install python3.{sys.version_info[1]}-venv" in problem
    (tmp_path / "made").touch()
    assert preflight.check_python(tmp_path) == []


def test_ports_are_not_asked_for_while_the_sandbox_itself_may_hold_them(tmp_path: Path) -> None:
    (tmp_path / "sandbox.json").touch()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert run("--port", "PORT", port, "--own", str(tmp_path / "sandbox.json")).returncode == 0
        done = run("--port", "PORT", port, "--other", str(tmp_path / "sandbox.json"))
    assert "make down" in done.stderr


def test_an_mcp_yaml_that_is_not_committed_is_a_problem(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "mcp.yaml").touch()
    (problem,) = preflight.check_repository(tmp_path)
    assert "is not committed" in problem


def test_an_mcp_yaml_in_a_plain_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "mcp.yaml").touch()
    assert preflight.check_repository(tmp_path) == []
