"""What has to be asked of GitHub before a run can be made, asked of the stand-in."""

from typing import Any

import pytest

from config.database import transaction
from pipeline import lookups
from pipeline.intake import look_up
from tests.github_fixture import Checkout, api


def rows(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with transaction() as connection:
        return connection.execute(query, parameters).fetchall()  # type: ignore[arg-type]


def ask(ref: str | None = None) -> int:
    ((repository,),) = rows("SELECT id FROM repositories")
    with transaction() as connection:
        return look_up(connection, repository, ref=ref, delivery_id=4)


def state(lookup: int) -> tuple[Any, ...]:
    ((found, reason, attempts),) = rows(
        "SELECT state, reason, attempts FROM lookups WHERE id = %s", lookup
    )
    return found, reason, attempts


def test_a_new_repository_with_mcp_yaml_gets_its_first_run(checkout: Checkout) -> None:
    sha = checkout.commit({"mcp.yaml": "schema: 1\n"})
    checkout.push()
    lookup = ask()
    (run_id,) = lookups.look(lookup)
    assert rows("SELECT id, kind, ref, sha, state, delivery_id FROM runs") == [
        (run_id, "deploy", "refs/heads/main", sha, "queued", 4)
    ]
    assert state(lookup)[:2] == ("done", f"run {run_id}")
    assert lookups.look(lookup) == []


def test_the_default_branch_is_githubs_not_a_guess(checkout: Checkout) -> None:
    checkout.git("checkout", "--quiet", "-b", "trunk")
    checkout.commit({"mcp.yaml": "schema: 1\n"})
    checkout.push("trunk")
    (hosted,) = checkout.github.world.repositories.values()
    hosted.git.set_head_branch("trunk")
    lookup = ask()
    lookups.look(lookup)
    assert state(lookup)[0] == "done", state(lookup)
    assert rows("SELECT ref FROM runs") == [("refs/heads/trunk",)]
    assert rows("SELECT default_branch FROM repositories") == [("trunk",)]


def test_a_repository_without_mcp_yaml_gets_none_and_the_reason_is_kept(checkout: Checkout) -> None:
    lookup = ask()
    assert lookups.look(lookup) == []
    assert state(lookup)[:2] == ("done", "main has no mcp.yaml")


def test_an_empty_repository_gets_none(checkout: Checkout) -> None:
    empty = api(checkout.github, "POST", "/user/repos", json={"name": "empty"})
    rows("UPDATE repositories SET id = %s, name = 'empty' RETURNING id", empty["id"])
    lookup = ask()
    assert lookups.look(lookup) == []
    assert state(lookup)[:2] == ("done", "the repository is empty")


def test_a_release_is_resolved_to_its_commit(checkout: Checkout) -> None:
    sha = checkout.git("rev-parse", "HEAD")
    checkout.git("tag", "-a", "v1.0.0", "-m", "one")
    checkout.push("v1.0.0")
    lookups.look(ask("refs/tags/v1.0.0"))
    assert rows("SELECT kind, ref, sha FROM runs") == [("release", "refs/tags/v1.0.0", sha)]


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 502}, {"kind": "secondary"}])
def test_github_away_is_asked_again_later(checkout: Checkout, fault: dict[str, Any]) -> None:
    checkout.commit({"mcp.yaml": "schema: 1\n"})
    checkout.push()
    checkout.github.fail("GET", "/repos/{owner}/{repo}", **fault)
    lookup = ask()
    assert lookups.look(lookup) == []
    found, reason, attempts = state(lookup)
    assert (found, attempts) == ("waiting", 1)
    assert reason
    with transaction() as connection:
        assert lookups.due(connection) == []
    rows("UPDATE lookups SET due_at = now() RETURNING id")
    assert len(lookups.look(lookup)) == 1


def test_a_repository_that_stays_unknown_is_given_up_with_the_reason(checkout: Checkout) -> None:
    checkout.github.fail("GET", "/repos/{owner}/{repo}", "status", status=404, times=None)
    lookup = ask()
    for _ in range(6):
        lookups.look(lookup)
        rows("UPDATE lookups SET due_at = now() RETURNING id")
    found, reason, _ = state(lookup)
    assert found == "failed"
    assert "404" in reason


def test_two_workers_do_not_both_ask(checkout: Checkout) -> None:
    lookup = ask()
    rows("UPDATE lookups SET due_at = now() + interval '1 minute' RETURNING id")
    assert lookups.look(lookup) == []
    assert state(lookup)[0] == "waiting"
