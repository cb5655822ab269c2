"""Runs as GitHub's deployments: the words (pure), and what the stand-in has of them."""

from dataclasses import replace
from typing import Any

import pytest

from config.database import transaction
from pipeline import deployments, pull_requests, run_making
from pipeline.github.deployments import MAX_DESCRIPTION, deployment_report
from pipeline.github.report import report
from tests.github_fixture import Checkout
from tests.pipeline.github import driven_runs as driven
from tests.pipeline.github.report_views import (
    BEFORE,
    FORK_CHECK,
    PREVIEW,
    PULL,
    RUN,
    failed,
    live,
    view,
)

DEPLOYMENTS = "/repos/{owner}/{repo}/deployments"
STATUSES = DEPLOYMENTS + "/{deployment_id}/statuses"


@pytest.mark.parametrize(
    ("told", "state", "description"),
    [
        (view(), "in_progress", "Sigil is at work"),
        (
            view(replace(RUN, state="queued", title="Waiting: host")),
            "queued",
            "Waiting: host",
        ),
        (live(), "success", "octo is live"),
        (live(deployment="replaced", serving=BEFORE), "inactive", "bbbbbbb serves now"),
        (live(deployment="stopped", serving=None), "inactive", "It was stopped"),
        (view(failed("No.")), "failure", "pip failed"),
        (
            view(replace(failed("No."), error={"fault": "ours"}, title="GitHub is away")),
            "error",
            "GitHub is away",
        ),
        (view(replace(RUN, state="cancelled", title="Cancelled")), "inactive", "Cancelled"),
        (
            live(replace(RUN, remark="Rolled back to bbbbbbb by @mona"), deployment="replaced"),
            "inactive",
            "Rolled back to bbbbbbb by @mona",
        ),
    ],
)
def test_each_state_of_a_run_has_one_of_a_deployment(
    told: Any, state: str, description: str
) -> None:
    found = deployment_report(told)
    assert found is not None
    assert (found.state, found.description) == (state, description)
    assert found.url == ("http://h:1/mcp" if state == "success" else "")


@pytest.mark.parametrize(
    "told",
    [
        view(FORK_CHECK),
        view(replace(RUN, state="skipped")),
        view(replace(RUN, state="queued", started_at=None)),
        live(PREVIEW, pull=replace(PULL, state="closed")),
    ],
)
def test_what_deploys_nothing_is_no_deployment(told: Any) -> None:
    assert deployment_report(told) is None


@pytest.mark.parametrize(
    ("run", "summary"),
    [
        (RUN, "Deploy of main"),
        (replace(RUN, kind="release", ref="refs/tags/v1.4.0"), "Release v1.4.0"),
        (replace(RUN, kind="rollback", actor="mona"), "Rollback to aaaaaaa by @mona"),
        (PREVIEW, "Preview of #7"),
    ],
)
def test_a_deployment_says_what_it_is(run: Any, summary: str) -> None:
    found = deployment_report(view(run))
    assert found is not None
    assert found.summary == summary
    assert (found.transient, found.production) == (run is PREVIEW, run is not PREVIEW)


def test_words_keep_githubs_limit() -> None:
    run = replace(failed("No."), title="x" * 500, ref="refs/heads/" + "b" * 300)
    found = deployment_report(view(run))
    assert found is not None
    assert len(found.summary) == len(found.description) == MAX_DESCRIPTION


def _deployments(checkout: Checkout) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = checkout.api("GET", "/deployments")[::-1]
    for one in listed:
        statuses = checkout.api("GET", f"/deployments/{one['id']}/statuses")[::-1]
        one["states"] = [status["state"] for status in statuses]
        one["newest"] = statuses[-1] if statuses else None
    return listed


def _commit(checkout: Checkout) -> str:
    sha = checkout.commit({"a.txt": "a"})
    checkout.push()
    return sha


def test_a_deployment_follows_its_run_and_ends_with_the_next_one(checkout: Checkout) -> None:
    first = driven.create(_commit(checkout))
    driven.settle(first)
    assert _deployments(checkout) == [], "nothing is deployed while it waits"
    url = driven.serve(first)
    driven.settle(first)
    (deployment,) = _deployments(checkout)
    assert deployment["sha"] == first.sha
    assert (deployment["environment"], deployment["production_environment"]) == ("production", True)
    assert deployment["payload"] == {"sigil_run": first.id}
    assert deployment["newest"]["environment_url"] == url
    assert deployment["newest"]["log_url"].endswith(f"/runs/{first.id}")

    broken = driven.create(_commit(checkout))
    driven.fail(broken)
    driven.settle(first, broken)
    assert [one["states"][-1] for one in _deployments(checkout)] == ["success", "failure"]

    second = driven.create(_commit(checkout))
    driven.serve(second)
    driven.settle(second)
    assert [one["states"][-1] for one in _deployments(checkout)] == [
        "inactive",
        "failure",
        "success",
    ], "what is replaced ends before what replaces it is active"
    driven.settle(first)
    assert _deployments(checkout)[0]["states"].count("inactive") == 1
    (check,) = checkout.checks(second.sha)
    assert [action["identifier"] for action in _actions(checkout, second.sha)] == ["rollback"]
    assert check["name"] == "Sigil / production"

    _roll_back(checkout, first, second)


def _roll_back(checkout: Checkout, first: Any, second: Any) -> None:
    with transaction() as connection:
        target = deployments.last_good(connection, first.repository_id, "production")
        assert target is not None
        back = run_making.roll_back(connection, target.id, actor="mona").run
    with transaction() as connection:
        connection.execute("DELETE FROM run_stages WHERE run_id = %s", (back.id,))
    driven.serve(back)
    driven.settle(second, back)
    assert [one["states"][-1] for one in _deployments(checkout)] == [
        "inactive",
        "failure",
        "inactive",
        "success",
    ]
    newest = _deployments(checkout)[2]["newest"]
    assert newest["description"] == f"Rolled back to {first.sha[:7]} by @mona"
    (told,) = checkout.checks(second.sha)
    assert told["output"]["title"] == newest["description"]
    assert _actions(checkout, second.sha) == []
    names = {one["name"]: one for one in checkout.checks(first.sha)}
    summary = names["Sigil / production rollback"]["output"]["summary"]
    assert f"**Rolled back** from [`{second.sha[:7]}`]" in summary
    assert "by @mona" in summary


def _actions(checkout: Checkout, sha: str) -> list[dict[str, str]]:
    (run,) = [
        run
        for repository in checkout.github.world.repositories.values()
        for run in repository.check_runs.values()
        if run.head_sha == sha
    ]
    return run.actions


@pytest.mark.parametrize("fault", ["reset", "truncated"])
def test_a_deployment_whose_answer_was_lost_is_found_again(checkout: Checkout, fault: Any) -> None:
    run = driven.create(_commit(checkout))
    driven.serve(run)
    checkout.github.fail("POST", DEPLOYMENTS, fault, applied=True)
    driven.settle(run)
    (deployment,) = _deployments(checkout)
    assert deployment["states"][-1] == "success"


def test_without_the_permission_for_deployments_the_rest_is_told(checkout: Checkout) -> None:
    for installation in checkout.github.world.installations.values():
        installation.permissions.pop("deployments")
    run = driven.create(_commit(checkout))
    driven.serve(run)
    driven.settle(run)
    (check,) = checkout.checks(run.sha)
    assert check["conclusion"] == "success"
    assert checkout.statuses(run.sha)[0]["state"] == "success"
    assert "`deployments: write`" in driven.column(run, "report_error")


def test_a_permission_that_is_known_to_be_missing_costs_one_request(checkout: Checkout) -> None:
    for installation in checkout.github.world.installations.values():
        installation.permissions.pop("deployments")
    with transaction() as connection:
        connection.execute("""UPDATE installations SET permissions = '{"checks": "write"}'""")
    run = driven.create(_commit(checkout))
    driven.serve(run)
    report(run.id)
    assert driven.calls(checkout).count("POST /deployments") == 1
    assert driven.column(run, "reported_revision") == driven.column(run, "revision")


def test_a_part_that_always_fails_does_not_hold_up_the_next(checkout: Checkout) -> None:
    checkout.branch("topic")
    sha = checkout.commit({"a.txt": "a"})
    number = checkout.pull()
    driven.record_pull(number, sha)
    run = driven.for_pull(sha, number)
    driven.serve(run)
    checkout.github.fail("POST", DEPLOYMENTS, "status", status=502, times=None)
    report(run.id)
    with transaction() as connection:
        connection.execute("UPDATE runs SET report_due_at = now()")
    report(run.id)
    assert len(checkout.comments(number)) == 1
    assert "502" in driven.column(run, "report_error")
    checkout.github.faults.clear()
    driven.settle(run)
    assert [one["states"][-1] for one in _deployments(checkout)] == ["success"]
    assert len(checkout.comments(number)) == 1


def test_what_was_held_back_is_sent_without_saying_the_rest_again(checkout: Checkout) -> None:
    run = driven.create(_commit(checkout))
    driven.serve(run)
    checkout.github.fail("POST", DEPLOYMENTS, "secondary", seconds=60)
    report(run.id)
    assert _deployments(checkout) == []
    driven.settle(run)
    assert [one["states"][-1] for one in _deployments(checkout)] == ["success"]
    asked = driven.calls(checkout)
    assert [asked.count(f"POST {path}") for path in ("/check-runs", "/statuses/{sha}")] == [1, 1]
    assert "PATCH /check-runs/{check_run_id}" not in asked


def test_a_preview_that_is_closed_meanwhile_leaves_no_deployment(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.branch("topic")
    sha = checkout.commit({"a.txt": "a"})
    number = checkout.pull()
    pull = driven.record_pull(number, sha)
    run = driven.for_pull(sha, number)
    driven.serve(run)

    # The closing is written between the look at the pull request and the creation.
    real = pull_requests.is_closed

    def closes_first(connection: Any, looked_at: Any) -> bool:
        pull_requests.record(connection, replace(pull, state="closed"))
        return real(connection, looked_at)

    monkeypatch.setattr(pull_requests, "is_closed", closes_first)
    driven.settle(run)
    assert "POST /deployments" in driven.calls(checkout)
    assert _deployments(checkout) == []
    assert driven.column(run, "github_deployment_id") is None

    before = len(driven.calls(checkout))
    with transaction() as connection:
        connection.execute("UPDATE runs SET revision = revision + 1")
    driven.settle(run)
    assert [call for call in driven.calls(checkout)[before:] if "deploy" in call] == []


def test_a_deployment_that_was_deleted_at_github_is_not_made_again(checkout: Checkout) -> None:
    first = driven.create(_commit(checkout))
    driven.serve(first)
    driven.settle(first)
    (deployment,) = _deployments(checkout)
    checkout.api("DELETE", f"/deployments/{deployment['id']}")
    driven.serve(driven.create(_commit(checkout)))
    driven.settle(first)
    assert _deployments(checkout) == []
    assert driven.column(first, "report_error") is None


# Asked for once, so that GitHub's budget is known: each stage of a run is one more PATCH.
FIRST_PREVIEW = [
    "POST /check-runs",
    "POST /statuses/{sha}",
    "PATCH /check-runs/{check_run_id}",
    "POST /statuses/{sha}",
    "POST /deployments",
    "POST /deployments/{deployment_id}/statuses",
    "GET /issues/{issue_number}/comments",
    "POST /issues/{issue_number}/comments",
]
DEPLOY = [
    "POST /check-runs",
    "POST /statuses/{sha}",
    "PATCH /check-runs/{check_run_id}",
    "POST /statuses/{sha}",
    "POST /deployments",
    "POST /deployments/{deployment_id}/statuses",
]


def test_a_first_preview_and_a_deploy_cost_few_requests(checkout: Checkout) -> None:
    deployed = driven.create(_commit(checkout))
    checkout.branch("topic")
    sha = checkout.commit({"a.txt": "b"})
    number = checkout.pull()
    driven.record_pull(number, sha)
    previewed = driven.for_pull(sha, number)
    for run, expected in ((deployed, DEPLOY), (previewed, FIRST_PREVIEW)):
        before = len(driven.calls(checkout))
        driven.settle(run)
        driven.serve(run)
        driven.settle(run)
        asked = driven.calls(checkout)[before:]
        assert [call for call in asked if "access_tokens" not in call] == expected
