"""What the tests of runs share: a repository, and runs that are made, read and claimed."""

from typing import Any

from config.database import transaction
from pipeline import run_claims, run_making, runs
from pipeline.run_making import Created, Wanted
from pipeline.runs import Run
from tests import seed

A, B, C = "a" * 40, "b" * 40, "c" * 40

REPOSITORY = 5


def know() -> None:
    """The repository that the runs are of."""
    seed.repository(number=REPOSITORY)


def create(
    sha: str, *, before: str | None = None, kind: runs.Kind = "deploy", **more: Any
) -> Created:
    """Ask for a run of a commit."""
    ref = "refs/heads/main" if kind == "deploy" else "refs/tags/v1"
    if kind in ("preview", "check"):
        number = more.setdefault("pull_number", 3)
        ref, environment = f"refs/pull/{number}/head", f"preview/pr-{number}"
    else:
        environment = more.pop("environment", "production")
    with transaction() as connection:
        wanted = Wanted(
            REPOSITORY, kind, environment, ref, sha, before_sha=before, delivery_id=1, **more
        )
        return run_making.create(connection, wanted)


def read(run: Run) -> Run:
    """A run as it is now."""
    with transaction() as connection:
        found = runs.get(connection, run.id)
    assert found is not None
    return found


def claim(run: Run) -> Run:
    """A run, taken by a worker."""
    claimed = run_claims.claim(run.id)
    assert claimed is not None
    return claimed


def finish(run: Run, state: runs.RunState = "succeeded") -> Run:
    """Have a worker take a run and end it."""
    run_claims.finish(claim(run), state, title="over")
    return read(run)


def waiting_for(run: Run) -> list[int]:
    """The runs that can go on once this one has ended."""
    with transaction() as connection:
        return runs.waiting_for(connection, run)
