"""What a worker loads for its jobs, found out by doing all of them in a process like a worker's."""

import os
import subprocess
import sys

import pytest

from config.database import transaction
from config.settings import settings
from pipeline import run_making, runs
from pipeline.hosts.process import ProcessHost
from tests.github_fixture import Checkout
from tests.stack_fixture import plain

# A run, its report to GitHub and a question to GitHub, as three jobs do them. Of what is loaded
# meanwhile, the standard library's own small modules do not matter.
_JOBS = """
import sys
from workers.preload import preload
preload()
before = set(sys.modules)
from pipeline.engine import answers
from workers import jobs
run, lookup = map(int, sys.argv[1:])
answers()
jobs.run(run)
jobs.report(run)
jobs.look(lookup)
print("LOADED", *sorted({name for name in set(sys.modules) - before
                         if name.partition(".")[0] not in sys.stdlib_module_names}))
"""


def test_no_job_loads_what_its_worker_could_have_loaded_for_all(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = checkout.commit(plain("weather"))
    checkout.push()
    monkeypatch.setenv("SIGIL_HOST", "process")
    settings.cache_clear()
    with transaction() as connection:
        repository = connection.execute("SELECT id FROM repositories").fetchone()
        assert repository is not None
        wanted = run_making.Wanted(repository[0], "deploy", "production", "refs/heads/main", sha)
        run = run_making.create(connection, wanted).run.id
        lookup = connection.execute(
            "INSERT INTO lookups (repository_id) VALUES (%s) RETURNING id", repository
        ).fetchone()
        assert lookup is not None
    command = [sys.executable, "-c", _JOBS, str(run), str(lookup[0])]
    try:
        done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    finally:
        ProcessHost(settings().var).shutdown()
    assert done.stdout.splitlines()[-1:] == ["LOADED"], done.stdout + done.stderr
    with transaction() as connection:
        ended = runs.get(connection, run)
    assert ended is not None
    assert ended.state == "succeeded"
    assert [check["conclusion"] for check in checkout.checks(sha)] == ["success"]
