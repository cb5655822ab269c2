"""Becomes a server: supervisord starts this, and it starts what a JSON file says.

Runs by its path in an isolated interpreter, so it imports the standard library only. A file, and
not supervisord's own configuration, holds the command and the environment, because it needs no
quoting and can be unreadable to others.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_RESERVED = 1 << 30


def main(path: str) -> None:
    """Replace this process by the server that the file at `path` describes."""
    spec = json.loads(Path(path).read_text())
    _die_with_the_keeper()
    if spec["memory"] is not None:
        # RLIMIT_AS would count the address space that Node reserves and never uses, and even of
        # data Node 24 reserves more than half a GiB; its heap is limited by NODE_OPTIONS instead.
        limit = spec["memory"] + _RESERVED
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    os.chdir(spec["folder"])
    os.execve(spec["command"][0], spec["command"], spec["environment"])  # noqa: S606


def _die_with_the_keeper() -> None:
    """Have the kernel end this process when supervisord is killed: nobody would restart it then,
    and nobody would know of it."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # It may have been killed before the kernel was told.
    if os.getppid() == 1:
        sys.exit("supervisord is gone")


if __name__ == "__main__":
    main(sys.argv[1])
