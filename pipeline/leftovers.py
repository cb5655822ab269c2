"""Ends processes by a mark in their environment, wherever they have moved to.

A process group is not enough: a bridge starts its server in a session of its own, and a killed
worker leaves a build behind. The mark is inherited, and nothing else carries it.
"""

import time

import psutil

# Seconds that the kernel may take to end processes that were killed.
_SECONDS = 5.0
# A process may fork while the list is being walked; a few rounds settle it.
_ROUNDS = 5


def kill_marked(variable: str, value: str) -> int:
    """Kill every process of this user whose environment has `variable` set to `value`.

    Returns:
        How many were killed. They are gone when this returns.
    """
    killed = 0
    for _ in range(_ROUNDS):
        found = _marked(variable, value)
        if not found:
            break
        for process in found:
            try:
                process.kill()
                killed += 1
            except psutil.NoSuchProcess:
                pass
        _wait(found)
    return killed


def _wait(processes: list[psutil.Process]) -> None:
    """Wait until the kernel has ended the processes.

    A zombie counts as ended: its parent may never ask for it, and if its parent is this process,
    the exit status belongs to whoever started it here.
    """
    give_up = time.monotonic() + _SECONDS
    while any(_runs(process) for process in processes) and time.monotonic() < give_up:
        time.sleep(0.01)


def _marked(variable: str, value: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(variable) == value and _runs(process):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
    return found


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
