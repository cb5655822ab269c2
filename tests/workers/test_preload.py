"""What a worker loads for its jobs, found out by doing all of them in a process like a worker's."""

import os
import subprocess
import sys

import pytest

from config.database import transaction
from config.settings import settings
from pipeline import run_making, runs
from pipeline.errands import table as errand_table
from pipeline.hosts.process import ProcessHost
from tests.github_fixture import Checkout
from tests.stack_fixture import plain

# A run, its report to GitHub and one errand of each kind, as a job each does them. Of what is
# loaded meanwhile, the standard library's own small modules do not matter.
_JOBS = """
import sys
from workers.preload import preload
preload()
before = set(sys.modules)
from pipeline.engine import answers
from workers import jobs
run, *errands = map(int, sys.argv[1:])
answers()
jobs.run(run)
jobs.report(run)
for errand in errands:
    jobs.errand(errand)
print("LOADED", *sorted({name for name in set(sys.modules) - before
                         if name.partition(".")[0] not in sys.stdlib_module_names}))
"""


_ERRANDS = ("tag", "pull", "command", "pull", "push", "first_look")
_ENDED = 3


def ask_for_each(checkout: Checkout, repository: int, sha: str) -> list[int]:
    """Errands whose handlers ask all kinds of things: of a tag, of a pull request that is open
    and one that is closed, of a command, and of a push with a filter of paths."""
    checkout.git("tag", "v9")
    checkout.push("v9")
    checkout.git("checkout", "--quiet", "-b", "topic")
    checkout.commit({"mcp.yaml": (checkout.folder / "mcp.yaml").read_text() + _PATHS})
    checkout.push("topic")
    pull = {"title": "Change", "head": "topic", "base": "main"}
    ended = checkout.api("POST", "/pulls", json=pull)["number"]
    deployment = {"ref": sha, "environment": f"preview/pr-{ended}", "required_contexts": []}
    checkout.api("POST", "/deployments", json=deployment | {"auto_merge": False})
    checkout.api("PATCH", f"/pulls/{ended}", json={"state": "closed"})
    number = checkout.api("POST", "/pulls", json=pull)["number"]
    comment = checkout.api("POST", f"/issues/{number}/comments", json={"body": "/sigil help"})["id"]
    subjects = {"tag": "refs/tags/v9", "push": "refs/heads/main", "first_look": ""}
    head = checkout.git("rev-parse", "topic")
    details = {
        "command": {
            "words": ["help"],
            "actor": "octocat",
            "number": number,
            "comment_id": comment,
        },
        "push": {"sha": head, "before": sha, "skip": None},
    }
    with transaction() as connection:
        return [
            errand_table.ask(
                connection,
                kind,  # type: ignore[arg-type]
                repository_id=repository,
                subject=subjects.get(kind, f"#{ended if turn == _ENDED else number}"),
                details=details.get(kind, {"turn": turn}),
            )
            for turn, kind in enumerate(_ERRANDS)
        ]


_PATHS = 'deploy: {paths: ["mcp.yaml"]}\n'


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
    errands = ask_for_each(checkout, repository[0], sha)
    command = [sys.executable, "-c", _JOBS, str(run), *map(str, errands)]
    try:
        done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    finally:
        ProcessHost(settings().var).shutdown()
    assert done.stdout.splitlines()[-1:] == ["LOADED"], done.stdout + done.stderr
    with transaction() as connection:
        worked = connection.execute(
            "SELECT kind, state, reason FROM errands WHERE id = ANY(%s) ORDER BY id", (errands,)
        ).fetchall()
        ended = runs.get(connection, run)
    assert [row[:2] for row in worked] == [(kind, "done") for kind in _ERRANDS], worked
    assert ended is not None
    assert ended.state == "succeeded"
    assert [check["conclusion"] for check in checkout.checks(sha)] == ["success"]
