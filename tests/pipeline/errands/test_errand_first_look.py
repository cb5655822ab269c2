"""The first look at a repository that is new, or was out of sight."""

from typing import Any

import pytest

from config.settings import settings
from pipeline.errands import table
from tests.pipeline.errands.desk import Desk, made, manifest, rows, run_of, serve


def test_a_new_repository_with_mcp_yaml_gets_its_first_run(desk: Desk) -> None:
    sha = desk.push({"mcp.yaml": manifest()})
    done = desk.do("first_look")
    assert done.reason == "main has an mcp.yaml"
    (look,) = desk.follow(done)
    run = run_of(look)
    assert (run.kind, run.ref, run.sha, run.delivery_id) == ("deploy", "refs/heads/main", sha, 4)


def test_the_first_run_can_be_skipped_by_the_message_of_the_head(desk: Desk) -> None:
    desk.push({"mcp.yaml": manifest()}, "Begin [sigil skip]")
    (look,) = desk.follow(desk.do("first_look"))
    assert run_of(look).state == "skipped"


def test_the_default_branch_is_githubs_not_a_guess(desk: Desk) -> None:
    desk.push({"mcp.yaml": manifest()}, branch="trunk")
    desk.owner("PATCH", desk.path, default_branch="trunk")
    (look,) = desk.follow(desk.do("first_look"))
    assert run_of(look).ref == "refs/heads/trunk"
    assert rows("SELECT default_branch FROM repositories") == [("trunk",)]


def test_a_repository_without_mcp_yaml_is_offered_one(desk: Desk) -> None:
    done = desk.do("first_look")
    assert done.reason == "main has no mcp.yaml: a pull request can add one"
    assert rows("SELECT kind FROM errands WHERE id = %s", *done.errand_ids) == [("onboarding",)]
    assert made() == []


def test_nothing_is_offered_where_the_operator_does_not_want_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGIL_ONBOARDING", "false")
    settings.cache_clear()
    done = desk.do("first_look")
    assert (done.reason, done.errand_ids) == ("main has no mcp.yaml", ())


def test_an_empty_repository_gets_none(desk: Desk) -> None:
    empty = desk.owner("POST", "/user/repos", name=f"empty-{desk.checkout.name}")
    rows("UPDATE repositories SET id = %s, name = %s", empty["id"], empty["name"])
    desk.repository_id = empty["id"]
    assert desk.do("first_look").reason == "the repository is empty"


def test_an_archived_repository_is_noted_as_such_and_left_alone(desk: Desk) -> None:
    desk.push({"mcp.yaml": manifest()})
    desk.owner("PATCH", desk.path, archived=True)
    assert desk.do("first_look").reason == "the repository is archived"
    assert rows("SELECT archived FROM repositories") == [(True,)]
    desk.owner("PATCH", desk.path, archived=False)
    (look,) = desk.follow(desk.do("first_look"))
    assert run_of(look).state == "queued"
    assert rows("SELECT archived FROM repositories") == [(False,)]


def test_a_look_at_what_was_rolled_back_does_not_bring_it_again(desk: Desk) -> None:
    sha = desk.push({"mcp.yaml": manifest()})
    withdrawn = serve(desk.repository_id, "new", withdrawn=True)
    rows("UPDATE runs SET sha = %s WHERE id = %s", sha, withdrawn.run_id)
    serve(desk.repository_id, "old", state="live", kind="rollback")
    (look,) = desk.follow(desk.do("first_look"))
    assert look.run_ids == (withdrawn.run_id,)
    assert "already answers" in look.reason


def test_a_repository_that_was_torn_down_and_is_back_runs_again(desk: Desk) -> None:
    sha = desk.push({"mcp.yaml": manifest()})
    gone = serve(desk.repository_id, "old", state="stopped")
    rows("UPDATE runs SET sha = %s WHERE id = %s", sha, gone.run_id)
    (look,) = desk.follow(desk.do("first_look"))
    run = run_of(look)
    assert (run.state, run.attempt, run.parent_id) == ("queued", 2, gone.run_id)


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 502}, {"kind": "reset"}])
def test_github_away_is_asked_again_later(desk: Desk, fault: dict[str, Any]) -> None:
    desk.push({"mcp.yaml": manifest()})
    desk.github.fail("GET", "/repos/{owner}/{repo}", **fault)
    errand = desk.ask("first_look")
    assert table.work(errand) is None
    assert (desk.state(errand)[0], desk.state(errand)[2]) == ("waiting", 1)
    desk.hurry()
    assert table.work(errand) is not None


def test_a_repository_that_stays_unknown_is_given_up_with_the_reason(desk: Desk) -> None:
    desk.github.fail("GET", "/repos/{owner}/{repo}", "status", status=404, times=None)
    errand = desk.ask("first_look")
    while desk.state(errand)[0] == "waiting":
        table.work(errand)
        desk.hurry()
    state, reason, attempts = desk.state(errand)
    assert (state, attempts) == ("failed", 4)
    assert reason is not None
    assert "404" in reason
