"""Runs the programs of a build on this machine: streamed, limited in time, and really stopped."""

import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.leftovers import kill_marked
from pipeline.stages.base import Log, StageError, Stop

# Every process of a build carries this variable; its value is the build's output folder.
MARK = "SIGIL_BUILD"

# Seconds between two looks at `stop` while the program prints nothing.
_POLL = 0.1


@dataclass(frozen=True)
class Commands:
    """Runs the commands of one build, one after the other.

    Attributes:
        folder: The working directory.
        environment: All that the commands see.
        mark: The value of `MARK`.
        deadline: On the monotonic clock.
        seconds: The limit that the deadline came from, for messages.
    """

    folder: Path
    environment: Mapping[str, str]
    mark: str
    deadline: float
    seconds: float
    log: Log
    stop: Stop

    def run(self, command: Sequence[str], *, title: str) -> None:
        """Run a command to its end, logging what it prints.

        Args:
            title: What it does, for the log and the title of a failure.

        Raises:
            StageError: `yours` when it fails or the time is over.
            RunStopped: when `stop` says so; nothing of the command is left running.
        """
        self.stop.check()
        self.log(f"{title}: {' '.join(command)}")
        process = self._start(command)
        try:
            status = self._follow(process, title)
        finally:
            # The mark finds what has left the process group, such as a daemon of a build tool.
            kill_marked(MARK, self.mark)
            process.wait()
        if status != 0:
            raise StageError(
                title=f"The build failed at: {title}",
                detail=f"`{' '.join(command)}` ended with exit status {status}. Its last lines in "
                "the log say why. Fix the cause and push again.",
            )

    def _start(self, command: Sequence[str]) -> "subprocess.Popen[str]":
        # When a worker is killed its builds should end at once, not when their output blocks.
        setpriv = shutil.which("setpriv")
        tied = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        return subprocess.Popen(
            [*tied, *command],
            cwd=self.folder,
            env={**self.environment, MARK: self.mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )

    def _follow(self, process: "subprocess.Popen[str]", title: str) -> int:
        """Log the output until the program has ended; return its exit status."""
        lines: queue.Queue[str] = queue.Queue()
        assert process.stdout is not None
        reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
        reader.start()
        while process.poll() is None:
            self.stop.check()
            if time.monotonic() > self.deadline:
                raise StageError(
                    title=f"The build took longer than {self.seconds:g} seconds",
                    detail=f"It was ended while at: {title}. Make that step quicker, or ask the "
                    "operator of this Sigil to raise `SIGIL_BUILD_TIMEOUT`.",
                )
            self._log_until(lines, _POLL)
        # Whatever still holds the pipe open is no part of the command any more.
        kill_marked(MARK, self.mark)
        reader.join(timeout=5)
        self._log_until(lines, 0)
        return process.returncode

    def _log_until(self, lines: "queue.Queue[str]", seconds: float) -> None:
        """Log the lines that are there, waiting at most `seconds` for the first."""
        try:
            self.log(lines.get(timeout=seconds) if seconds else lines.get_nowait())
            while True:
                self.log(lines.get_nowait())
        except queue.Empty:
            return


def _read(output: IO[str], lines: "queue.Queue[str]") -> None:
    for line in output:
        lines.put(line.rstrip())
