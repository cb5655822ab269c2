"""`make demo` from the outside: a process in a terminal, with its output and its exit status."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.repository import git, sample
from sandbox.stack import MARK, Stack
from tests.polling import eventually

PROGRAM = """
import sys
from pathlib import Path
from rich.console import Console
from sandbox.command import plain_failures
from sandbox.demo import demo
from sandbox.stack import Stack
console = Console(highlight=False, soft_wrap=True)
with plain_failures(console):
    demo(console, Stack(Path(sys.argv[1]), host="process"))
"""


class Demo:
    """A demo in a terminal of its own."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.output = ""
        self.folder = folder
        self._keyboard, terminal = pty.openpty()
        self.process = psutil.Popen(
            [sys.executable, "-c", PROGRAM, str(folder)],
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200", **variables},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._keyboard, 65536):
                self.output += data.decode(errors="replace")
        except OSError:
            return  # The process has closed its terminal.

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The place in the output where the pattern matches, once it does."""

        def look() -> re.Match[str] | None:
            found = re.search(pattern, self.output)
            assert found or self.process.is_running(), self.output
            return found

        found = eventually(look, seconds=240)
        assert found is not None
        return found

    def press_ctrl_c(self) -> None:
        """Type Ctrl-C."""
        # The terminal is not the process's controlling one, so the signal is sent as it would be.
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Wait for the exit status."""
        status = int(self.process.wait(timeout=240))
        self._reader.join(timeout=10)
        return status


def left_behind(folder: Path) -> list[str]:
    """The command lines of processes that belong to the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            line, environ = process.cmdline(), process.environ()
        except (psutil.Error, OSError):
            continue
        if environ.get(MARK) == str(folder) or any(str(folder) in word for word in line):
            found.append(" ".join(line))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a demo keeps its things; removed afterwards, wherever they are."""
    yield tmp_path / "demo"
    Stack(tmp_path / "demo").erase()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A repository of the user's."""
    return sample(tmp_path).folder


def test_a_push_is_shown_and_a_second_one_too_until_ctrl_c(tmp_path: Path, folder: Path) -> None:
    demo = Demo(folder)
    demo.wait_for(r"is live with 3 tools")
    demo.wait_for(r"result .*\{")
    remote = demo.wait_for(r"The remote, .*: (http://\S+\.git)")[1]
    work = tmp_path / "work"
    git(tmp_path, "clone", "--quiet", remote, str(work))
    manifest = work / "mcp.yaml"
    manifest.write_text(manifest.read_text().replace("version: 1.0.0", "version: 1.1.0"))
    git(work, "commit", "--quiet", "--all", "--message", "Second")
    git(work, "push", remote, "HEAD:main")
    demo.wait_for(r"Run 2: octocat/almanac")
    demo.wait_for(r"runs/2[\s\S]*Ctrl-C stops everything")
    demo.press_ctrl_c()
    assert demo.end() == 0
    assert "Stopped. Nothing is left running" in demo.output
    assert left_behind(folder) == []


def test_once_ends_with_success_after_the_tool_call(folder: Path, own: Path) -> None:
    demo = Demo(
        folder,
        ONCE="1",
        REPO=str(own),
        TOOL="days_between",
        ARGS='{"start": "2026-01-01", "end": "2026-01-31"}',
    )
    assert demo.end() == 0, demo.output
    assert re.search(r"call +days_between\(.*\n.*result +30", demo.output)
    assert left_behind(folder) == []


def test_once_ends_with_failure_when_the_tool_fails(folder: Path, own: Path) -> None:
    arguments = '{"value": 1, "from_unit": "km", "to_unit": "kg"}'
    demo = Demo(folder, ONCE="1", REPO=str(own), TOOL="convert", ARGS=arguments)
    assert demo.end() == 1
    assert "No tool of the server could be called" in demo.output


def test_a_failing_run_says_why_and_ends_with_failure(folder: Path, own: Path) -> None:
    (own / "mcp.yaml").write_text((own / "mcp.yaml").read_text() + "entrypont: []\n")
    git(own, "commit", "--quiet", "--all", "--message", "Break it")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)],
        env={**os.environ, "ONCE": "1", "REPO": str(own)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "The run failed in manifest" in done.stdout
    assert re.search(r"mcp\.yaml:\d+: .*entrypoint", done.stdout)
    assert "Traceback" not in done.stdout + done.stderr
    assert left_behind(folder) == []


def test_ctrl_c_while_it_starts_leaves_nothing(folder: Path) -> None:
    demo = Demo(folder)
    eventually((folder / "log" / "supervisord.log").exists)
    demo.press_ctrl_c()
    assert demo.end() == 0
    assert left_behind(folder) == []


def test_a_second_demo_of_the_same_folder_is_refused(folder: Path) -> None:
    first = Demo(folder)
    eventually((folder / "log" / "supervisord.log").exists)
    second = Demo(folder)
    assert second.end() == 1
    assert "in another terminal" in second.output
    first.press_ctrl_c()
    first.end()
