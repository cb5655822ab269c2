"""What the tests of `pipeline.intake` share: an account, a repository, carrying triggers out."""

from typing import Any

from config.database import transaction
from pipeline import run_claims, runs
from pipeline.intake import Outcome, carry_out
from pipeline.triggers import (
    Account,
    BranchPushed,
    Installed,
    PullRequestChanged,
    RepositoryRef,
    Trigger,
)
from tests import seed

OCTO = Account(id=1, login="octo")
WEATHER = RepositoryRef(id=5, owner="octo", name="weather", private=False, default_branch="main")
SECRET = RepositoryRef(id=5, owner="octo", name="weather", private=True, default_branch="main")
SHA = "a" * 40


def carry(trigger: Trigger, delivery_id: int = 1) -> Outcome:
    """Carry a trigger out in a transaction of its own."""
    with transaction() as connection:
        return carry_out(connection, trigger, delivery_id=delivery_id)


def rows(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with transaction() as connection:
        return connection.execute(query, parameters or None).fetchall()  # type: ignore[arg-type]


def push(
    sha: str = SHA, branch: str = "main", repository: RepositoryRef = WEATHER, **changes: Any
) -> BranchPushed:
    """A push to a branch."""
    return BranchPushed(7, OCTO, repository, branch, sha, **({"before": None} | changes))


def pull(number: int = 3, **changes: Any) -> PullRequestChanged:
    """An open pull request from the same repository."""
    values: dict[str, Any] = {
        "installation": 7,
        "account": OCTO,
        "repository": WEATHER,
        "number": number,
        "head_sha": SHA,
        "head_ref": "topic",
        "head_repository": "octo/weather",
        "fork": False,
        "base_ref": "main",
        "author": "mona",
        "draft": False,
        "state": "open",
        "merged": False,
    }
    return PullRequestChanged(**(values | changes))


def know() -> None:
    """Have the App installed on the repository, without anything to do about it."""
    carry(Installed(7, OCTO, (WEATHER,), {"checks": "write"}))
    rows("UPDATE errands SET state = 'done' RETURNING id")


def run(**columns: Any) -> int:
    """A queued run of the repository."""
    return seed.run(5, commit=SHA, **columns)


def claimed(run_id: int) -> runs.Run:
    """The run, taken by a worker."""
    taken = run_claims.claim(run_id)
    assert taken is not None
    return taken
