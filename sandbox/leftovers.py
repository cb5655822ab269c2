"""Finds and ends the processes of a sandbox by a mark in their environment, and no others.

Covers what an orderly end cannot: a process manager that was killed, a job's orphans.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

MARK = "SIGIL_SANDBOX"
"""The environment variable that names the sandbox's folder in each of its processes."""


def find(folder: Path) -> Iterator[psutil.Process]:
    """The processes that carry the mark of the sandbox in `folder`; never this one or its parents."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        try:
            if process.pid not in spared and process.environ().get(MARK) == str(folder):
                yield process
        except (psutil.Error, OSError):
            # Ended meanwhile, or another user's, which is not ours to end.
            continue


def end(folder: Path, *, grace: float = 5) -> int:
    """End what `find` finds, politely first; return how many had to be ended.

    Args:
        folder: The sandbox's folder.
        grace: Seconds between asking and killing.
    """
    processes = list(find(folder))
    for process in processes:
        _signal(process, kill=False)
    _, alive = psutil.wait_procs(processes, timeout=grace)
    for process in alive:
        _signal(process, kill=True)
    psutil.wait_procs(alive, timeout=grace)
    return len(processes)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return
