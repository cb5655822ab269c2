"""The end of a preview, in GitHub's order, and its return when the pull request is opened again."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from config.database import transaction
from pipeline import run_claims, runs
from pipeline.errands import table
from pipeline.errands.base import Done
from pipeline.github.client import forget_token
from tests.pipeline.errands.desk import Desk, made, manifest, rows, run_of, serve


@pytest.fixture
def number(desk: Desk) -> int:
    """An open pull request whose preview serves, at GitHub too."""
    desk.push({"mcp.yaml": manifest()})
    desk.branch("topic", {"notes.md": "new"})
    number = desk.open("topic")
    run = run_of(look(desk, number))
    previewed(desk, number, run)
    return number


def previewed(desk: Desk, number: int, run: runs.Run) -> int:
    """Have the preview of a run serve; return the GitHub deployment."""
    environment = f"preview/pr-{number}"
    served = serve(desk.repository_id, "new", state="live", environment=environment, kind="preview")
    rows("UPDATE mcp_deployments SET run_id = %s WHERE id = %s", run.id, served.id)
    rows("DELETE FROM run_stages WHERE run_id = %s", served.run_id)
    rows("DELETE FROM runs WHERE id = %s", served.run_id)
    rows("UPDATE runs SET state = 'succeeded', finished_at = now() WHERE id = %s", run.id)
    return announced(desk, environment, run.sha)


def announced(desk: Desk, environment: str, sha: str) -> int:
    """A deployment at GitHub that is said to be up."""
    deployment = desk.owner(
        "POST",
        f"{desk.path}/deployments",
        ref=sha,
        environment=environment,
        auto_merge=False,
        required_contexts=[],
    )["id"]
    path = f"{desk.path}/deployments/{deployment}/statuses"
    desk.owner("POST", path, state="success", environment=environment)
    return int(deployment)


@pytest.fixture
def administers(desk: Desk, number: int) -> Iterator[None]:
    """The App was given the permission to administer, which it does not ask for."""
    (installation,) = desk.github.world.installations.values()
    path = f"{desk.github.url}/_sandbox/installations/{installation.id}/permissions"
    before = dict(installation.permissions)
    requests.put(path, json=before | {"administration": "write"}, timeout=30).raise_for_status()
    forget_token(installation.id)
    yield
    requests.put(path, json=before, timeout=30).raise_for_status()


def look(desk: Desk, number: int) -> Done:
    return desk.do("pull", f"#{number}")


def deployments(desk: Desk, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.owner(
        "GET", f"{desk.path}/deployments?environment=preview/pr-{number}"
    )
    return found


def environments(desk: Desk) -> list[str]:
    listed = desk.owner("GET", f"{desk.path}/environments")["environments"]
    return [one["name"] for one in listed]


@pytest.mark.usefixtures("administers")
def test_closing_stops_the_server_and_leaves_nothing_at_github(desk: Desk, number: int) -> None:
    announced(desk, "production", desk.checkout.git("rev-parse", "HEAD"))
    desk.click(number, "close")
    done = look(desk, number)
    assert done.reason == (
        f"#{number} is closed, 1 server stopped, 1 deployment deleted, environment deleted"
    )
    assert done.clear_up
    assert rows("SELECT state FROM mcp_deployments") == [("stopped",)]
    assert deployments(desk, number) == []
    assert environments(desk) == ["production"]
    assert rows("SELECT state, retired_at IS NULL FROM pull_requests") == [("closed", False)]


def test_merging_says_so(desk: Desk, number: int) -> None:
    desk.click(number, "merge")
    assert look(desk, number).reason.startswith(f"#{number} is merged, 1 server stopped")


def test_repeating_it_does_no_harm(desk: Desk, number: int) -> None:
    desk.click(number, "close")
    look(desk, number)
    assert look(desk, number).reason == f"#{number} is closed"


@pytest.mark.usefixtures("administers")
@pytest.mark.parametrize(
    ("method", "path", "applied"),
    [
        ("POST", "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses", True),
        ("DELETE", "/repos/{owner}/{repo}/deployments/{deployment_id}", True),
        ("DELETE", "/repos/{owner}/{repo}/deployments/{deployment_id}", False),
        ("DELETE", "/repos/{owner}/{repo}/environments/{environment_name}", True),
    ],
)
def test_a_lost_answer_in_the_middle_is_made_good(
    desk: Desk, number: int, method: str, path: str, applied: bool
) -> None:
    desk.click(number, "close")
    fault = desk.github.fail(method, path, "status", status=502, applied=applied)
    errand = desk.ask("pull", f"#{number}")
    assert table.work(errand) is None
    assert fault.hits == 1
    desk.hurry()
    assert table.work(errand) is not None
    assert deployments(desk, number) == []
    assert environments(desk) == []


def test_without_the_permission_to_administer_an_empty_environment_stays(
    desk: Desk, number: int
) -> None:
    desk.click(number, "close")
    done = look(desk, number)
    assert done.reason == f"#{number} is closed, 1 server stopped, 1 deployment deleted"
    assert environments(desk) == [f"preview/pr-{number}"]
    assert rows("SELECT retired_at IS NULL FROM pull_requests") == [(False,)]


def test_a_preview_that_is_under_way_is_ended_first(desk: Desk, number: int) -> None:
    """Otherwise it would start its server after everything else was taken down."""
    desk.branch("topic", {"notes.md": "newer"})
    running = run_claims.claim(run_of(look(desk, number)).id)
    assert running is not None
    desk.click(number, "close")
    errand = desk.ask("pull", f"#{number}")
    assert table.work(errand) is None
    assert desk.state(errand) == ("waiting", f"waiting for the run of #{number} to end", 0)
    assert rows("SELECT state FROM mcp_deployments") == [("live",)]
    assert run_claims.heartbeat(running) == "cancelled"
    run_claims.finish(running, "cancelled", title="Cancelled")
    desk.hurry()
    done = table.work(errand)
    assert done is not None
    assert rows("SELECT state FROM mcp_deployments") == [("stopped",)]


def test_a_reopened_pull_request_gets_its_preview_again(desk: Desk, number: int) -> None:
    desk.click(number, "close")
    look(desk, number)
    desk.click(number, "reopen")
    run = run_of(look(desk, number))
    assert (run.kind, run.state, run.attempt) == ("preview", "queued", 2)
    assert rows("SELECT state, retired_at FROM pull_requests") == [("open", None)]


def test_a_pull_request_that_was_reopened_before_it_was_looked_at_keeps_its_preview(
    desk: Desk, number: int
) -> None:
    desk.click(number, "close")
    desk.click(number, "reopen")
    assert "already answers" in look(desk, number).reason
    assert rows("SELECT state FROM mcp_deployments") == [("live",)]
    assert len(deployments(desk, number)) == 1


def test_a_closed_pull_request_of_an_archived_repository_is_retired_as_well(
    desk: Desk, number: int
) -> None:
    desk.click(number, "close")
    rows("UPDATE repositories SET archived = true")
    assert "1 server stopped" in look(desk, number).reason


def test_many_deployments_are_all_deleted(desk: Desk, number: int) -> None:
    sha = desk.checkout.git("rev-parse", "topic")
    for _ in range(3):
        announced(desk, f"preview/pr-{number}", sha)
    desk.click(number, "close")
    assert "4 deployments deleted" in look(desk, number).reason
    assert deployments(desk, number) == []
    assert made()[0][0] == "preview"


def test_a_pull_request_without_a_preview_leaves_nothing_to_do(desk: Desk) -> None:
    desk.branch("topic", {"notes.md": "new"})
    number = desk.open("topic")
    desk.click(number, "close")
    assert look(desk, number) == Done(f"#{number} is closed")
    with transaction() as connection:
        assert connection.execute("SELECT 1 FROM runs").fetchone() is None
