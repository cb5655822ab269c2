"""Processes found by a mark in their environment."""

import os
import signal
import subprocess

import psutil

from pipeline.leftovers import kill_marked
from tests.polling import eventually
from tests.servers import runs


def test_all_marked_processes_end_and_no_others(tmp_path: object) -> None:
    mark = {**os.environ, "SIGIL_TEST_MARK": str(tmp_path)}
    # The second one leaves the group and the session of the first, and ignores requests to end.
    family = "setsid sh -c \"trap '' TERM; sleep 3226\" & sleep 3226"
    marked = subprocess.Popen(["sh", "-c", family], env=mark)
    other = subprocess.Popen(["sleep", "3226"], env={**mark, "SIGIL_TEST_MARK": "another"})
    eventually(lambda: len(psutil.Process(marked.pid).children(recursive=True)) >= 3)
    family_pids = [
        marked.pid,
        *(p.pid for p in psutil.Process(marked.pid).children(recursive=True)),
    ]

    killed = kill_marked("SIGIL_TEST_MARK", str(tmp_path))

    assert killed >= len(family_pids)
    assert marked.wait() == -signal.SIGKILL
    assert not [pid for pid in family_pids if runs(pid)]
    assert other.poll() is None
    other.kill()
    other.wait()
    assert kill_marked("SIGIL_TEST_MARK", str(tmp_path)) == 0
