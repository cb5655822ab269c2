"""Jobs that `test_worker` gives to real workers."""

import signal
import sys
import threading
from pathlib import Path


def leave(path: str) -> None:
    """Make a file, to show that the job was done."""
    Path(path).touch()


def wait_for(started: str, go_on: str, done: str) -> None:
    """Say that the job started, wait for a file, say that the job is done."""
    leave(started)
    while not Path(go_on).exists():
        threading.Event().wait(0.05)
    leave(done)


def hand_back(started: str, handed_back: str) -> None:
    """A long run that hands itself back on SIGTERM."""

    def leave_and_end(*_: object) -> None:
        leave(handed_back)
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave_and_end)
    leave(started)
    while True:
        threading.Event().wait(60)
