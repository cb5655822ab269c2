"""A run's check run and commit status at the GitHub stand-in, whatever GitHub answers."""

from datetime import timedelta
from typing import Any

import pytest

from config.database import transaction
from config.settings import settings
from pipeline import run_claims, run_making
from pipeline.github import budget
from pipeline.github.report import due, report
from pipeline.github.task import LeaseLost, lease, lease_seconds
from pipeline.overview.refusals import list_refusals
from pipeline.runs import Run
from tests.github_fixture import Checkout, let_limits_pass

CHECKS = "/repos/{owner}/{repo}/check-runs"
CHECK = "/repos/{owner}/{repo}/check-runs/{check_run_id}"
STATUSES = "/repos/{owner}/{repo}/statuses/{sha}"


@pytest.fixture
def run(checkout: Checkout) -> Run:
    return _queued(checkout.git("rev-parse", "HEAD"))


def _queued(sha: str) -> Run:
    with transaction() as connection:
        row = connection.execute("SELECT id FROM repositories").fetchone()
        assert row is not None
        return run_making.create(
            connection, run_making.Wanted(row[0], "deploy", "production", "refs/heads/main", sha)
        ).run


def settle(run: Run, *, times: int = 12) -> None:
    """Report until nothing waits any more, as the sweep would once the moments have come."""
    for _ in range(times):
        report(run.id)
        with transaction() as connection:
            waiting = connection.execute(
                """UPDATE runs SET report_due_at = now() WHERE id = %s
                   AND reported_revision < revision RETURNING id""",
                (run.id,),
            ).fetchone()
        if waiting is None:
            return
        let_limits_pass()
    raise AssertionError(_column(run, "report_error"))


def _column(run: Run, name: str) -> Any:
    with transaction() as connection:
        row = connection.execute(f"SELECT {name} FROM runs WHERE id = {run.id}").fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]


def claim(run: Run) -> Run:
    claimed = run_claims.claim(run.id)
    assert claimed is not None
    return claimed


def fail(run: Run, annotations: int = 0, detail: str = "Pin it.") -> None:
    rows = [
        {
            "path": "mcp.yaml",
            "line": line + 1,
            "column": None,
            "message": f"problem {line}",
            "level": "failure",
            "title": None,
        }
        for line in range(annotations)
    ]
    error = {"stage": "build", "title": "No", "detail": detail, "fault": "yours"}
    run_claims.finish(claim(run), "failed", title="No", error={**error, "annotations": rows})


def test_one_check_and_one_status_follow_the_run(checkout: Checkout, run: Run) -> None:
    settle(run)
    (check,) = checkout.checks(run.sha)
    assert (check["status"], check["name"]) == ("queued", "Sigil / production")
    assert checkout.statuses(run.sha)[0]["state"] == "pending"
    claimed = claim(run)
    settle(run)
    run_claims.finish(claimed, "succeeded", title="octo is live")
    settle(run)
    (check,) = checkout.checks(run.sha)
    assert (check["status"], check["conclusion"]) == ("completed", "success")
    assert check["details_url"].endswith(f"/runs/{run.id}")
    newest, *_ = checkout.statuses(run.sha)
    assert (newest["context"], newest["state"]) == ("sigil/production", "success")
    assert newest["description"] == "octo is live"


def test_a_report_that_is_doubled_sends_nothing_new(checkout: Checkout, run: Run) -> None:
    settle(run)
    before = checkout.github.traffic.text()
    report(run.id)
    assert checkout.github.traffic.text() == before


def test_a_status_that_did_not_change_is_not_sent_again(checkout: Checkout, run: Run) -> None:
    claimed = claim(run)
    settle(run)
    for _ in range(3):
        with transaction() as connection:
            run_claims.hold(connection, claimed)
        settle(run)
    assert len(checkout.statuses(run.sha)) == 1


@pytest.mark.parametrize("count", [1, 50, 51, 120])
def test_every_annotation_arrives_once(checkout: Checkout, run: Run, count: int) -> None:
    settle(run)
    fail(run, annotations=count)
    settle(run)
    assert _messages(checkout, run) == [f"problem {line}" for line in range(count)]


def _messages(checkout: Checkout, run: Run) -> list[str]:
    (check,) = checkout.checks(run.sha)
    found: list[str] = []
    for page in range(1, 9):
        path = f"/check-runs/{check['id']}/annotations?per_page=100&page={page}"
        found += [row["message"] for row in checkout.api("GET", path)]
    return found


def test_annotations_of_an_update_whose_answer_was_lost_are_not_doubled(
    checkout: Checkout, run: Run
) -> None:
    settle(run)
    fail(run, annotations=120)
    checkout.github.fail("PATCH", CHECK, "reset", applied=True, skip=1)
    settle(run)
    assert _messages(checkout, run) == [f"problem {line}" for line in range(120)]


FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 401},
    {"kind": "rate-limited", "status": 403},
    {"kind": "rate-limited", "status": 429},
    {"kind": "secondary", "seconds": 30},
    {"kind": "status", "status": 404},
    {"kind": "status", "status": 422},
    {"kind": "status", "status": 502},
    {"kind": "hang", "seconds": 20},
    {"kind": "reset"},
    {"kind": "reset", "applied": True},
    {"kind": "truncated", "applied": True},
    {"kind": "html"},
]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", CHECKS), ("PATCH", CHECK), ("POST", STATUSES)]
)
def test_after_any_failure_of_github_there_is_one_check_and_it_is_closed(
    checkout: Checkout, method: str, path: str
) -> None:
    # One stand-in for all faults: making one takes longer than a fault does.
    for number, fault in enumerate(FAULTS):
        sha = checkout.commit({"a.txt": str(number)})
        checkout.push()
        run = _queued(sha)
        let_limits_pass()
        checkout.github.fail(method, path, **fault)
        report(run.id)
        fail(run)
        settle(run)
        checkout.github.faults.clear()
        (check,) = checkout.checks(sha)
        assert (check["status"], check["conclusion"]) == ("completed", "failure"), fault
        assert checkout.statuses(sha)[0]["state"] == "failure", fault


def test_a_rate_limit_is_waited_for_as_long_as_github_says(checkout: Checkout, run: Run) -> None:
    checkout.github.fail("POST", CHECKS, "secondary", seconds=300)
    report(run.id)
    with transaction() as connection:
        row = connection.execute(
            "SELECT report_due_at - now() > interval '290 seconds' FROM runs"
        ).fetchone()
    assert row == (True,)
    assert "rate limit" in _column(run, "report_error")


def test_a_report_that_is_held_back_was_not_tried(
    checkout: Checkout, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(budget, "RULES", budget.Rules(content_per_minute=0))
        report(run.id)
        assert _column(run, "report_attempts") == 0
        assert "held back until" in _column(run, "report_error")
        ((_, until),) = [(hold.limit, hold.until) for hold in budget.holds()]
        assert abs(_column(run, "report_due_at") - until) < timedelta(seconds=1)
    assert checkout.checks(run.sha) == []
    fail(run)
    settle(run)
    assert [check["conclusion"] for check in checkout.checks(run.sha)] == ["failure"]


def test_output_that_github_finds_too_long_is_sent_shorter(checkout: Checkout, run: Run) -> None:
    settle(run)
    fail(run, annotations=3, detail="é" * 100_000)
    checkout.github.fail("PATCH", CHECK, "status", status=422)
    settle(run)
    (check,) = checkout.checks(run.sha)
    assert check["conclusion"] == "failure"
    assert check["output"]["annotations_count"] == 0
    assert f"/runs/{run.id}" in check["output"]["summary"]


def test_a_check_created_in_the_first_of_several_requests_is_not_created_again(
    checkout: Checkout, run: Run
) -> None:
    fail(run, annotations=120)
    checkout.github.fail("PATCH", CHECK, "status", status=422)
    settle(run)
    (check,) = checkout.checks(run.sha)
    assert check["conclusion"] == "failure"


def test_without_the_permission_for_checks_the_status_still_tells(
    checkout: Checkout, run: Run
) -> None:
    for installation in checkout.github.world.installations.values():
        installation.permissions.pop("checks")
    fail(run)
    settle(run)
    assert checkout.statuses(run.sha)[0]["state"] == "failure"
    assert "checks: write" in _column(run, "report_error")


def test_a_repository_that_is_gone_does_not_keep_reports_waiting_for_ever(
    checkout: Checkout, run: Run
) -> None:
    checkout.github.fail("*", "/repos/*", "status", status=404, times=None)
    settle(run)
    assert "404" in _column(run, "report_error")


def test_a_revoked_token_is_replaced(checkout: Checkout, run: Run) -> None:
    settle(run)
    checkout.github.world.access_tokens.clear()
    fail(run)
    settle(run)
    (check,) = checkout.checks(run.sha)
    assert check["conclusion"] == "failure"


def test_a_refused_app_key_is_named_with_githubs_words(checkout: Checkout, run: Run) -> None:
    checkout.github.advance(-3 * 3600)
    report(run.id)
    assert "401" in _column(run, "report_error")


def test_without_any_permission_to_tell_the_page_says_which_are_missing(
    checkout: Checkout, run: Run
) -> None:
    for installation in checkout.github.world.installations.values():
        for name in ("checks", "statuses", "deployments"):
            installation.permissions.pop(name)
    fail(run)
    settle(run)
    assert _column(run, "report_error") == (
        "GitHub refuses check runs, commit statuses and deployments: the App lacks the permissions "
        "`checks: write`, `statuses: write` and `deployments: write`"
    )
    with transaction() as connection:
        (found,) = list_refusals(connection)
    assert (found.repository, found.run_id) == ("octocat/weather", run.id)


def test_the_lease_follows_the_clients_time_out_and_is_counted_anew(
    checkout: Checkout, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lease_seconds() == 15
    monkeypatch.setenv("GITHUB_TIMEOUT", "10")
    settings.cache_clear()
    assert lease_seconds() == 60
    task = lease(run.id)
    assert task is not None
    assert lease(run.id) is None, "one worker alone"
    before = task.leased_until
    task.renew()
    assert task.leased_until > before


def test_a_worker_that_lost_its_lease_sends_nothing_more(checkout: Checkout, run: Run) -> None:
    task = lease(run.id)
    assert task is not None
    with transaction() as connection:
        connection.execute("UPDATE runs SET report_due_at = now() - interval '1 second'")
    taken_over = lease(run.id)
    assert taken_over is not None
    with pytest.raises(LeaseLost):
        task.renew()
    taken_over.renew()


def test_of_a_repository_that_is_gone_nothing_is_told(checkout: Checkout, run: Run) -> None:
    with transaction() as connection:
        connection.execute("UPDATE repositories SET state = 'removed'")
    before = checkout.github.traffic.text()
    report(run.id)
    assert checkout.github.traffic.text() == before
    assert _column(run, "reported_revision") == _column(run, "revision")


def test_the_reports_of_a_suspended_installation_wait_for_it(checkout: Checkout, run: Run) -> None:
    with transaction() as connection:
        connection.execute("UPDATE installations SET state = 'suspended'")
        assert due(connection) == []
    before = checkout.github.traffic.text()
    report(run.id)
    assert checkout.github.traffic.text() == before
    with transaction() as connection:
        connection.execute("UPDATE installations SET state = 'active'")
        assert due(connection) == [run.id]
    settle(run)
    assert len(checkout.checks(run.sha)) == 1
