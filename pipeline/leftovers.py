"""Ends processes by a mark in their environment, wherever they have moved to.

A process group is not enough: a bridge starts its server in a session of its own, and a killed
worker leaves a build behind. The mark is inherited, and nothing else carries it.
"""

import psutil

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
        psutil.wait_procs(found, timeout=5)
    return killed


def _marked(variable: str, value: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(variable) == value and not _is_zombie(process):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
    return found


def _is_zombie(process: psutil.Process) -> bool:
    return bool(process.status() == psutil.STATUS_ZOMBIE)
