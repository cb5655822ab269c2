"""Check runs and statuses: what is kept, what is refused, and in which words."""

from typing import Any

import pytest
from requests import Response

from sandbox.github import GitHubStandIn
from tests.polling import eventually
from tests.sandbox.github.conftest import access_token
from tests.sandbox.github.visitors import Receiver, Tree, Visitor

RUNS = "/repos/octocat/weather/check-runs"
NOTE = {
    "path": "mcp.yaml",
    "start_line": 1,
    "end_line": 1,
    "annotation_level": "failure",
    "message": "wrong",
}


@pytest.fixture
def sha(tree: Tree) -> str:
    """A pushed commit."""
    commit = tree.commit(mcp_yaml="schema: 1\n")
    tree.push("main")
    return commit


@pytest.fixture
def run(installed: Visitor, sha: str) -> dict[str, Any]:
    """A queued check run."""
    body = {"name": "Sigil", "head_sha": sha, "external_id": "run-1", "status": "queued"}
    answer = installed("POST", RUNS, body)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def output(**fields: Any) -> dict[str, Any]:
    return {"output": {"title": "Title", "summary": "Summary", **fields}}


def refusal(answer: Response) -> str:
    assert answer.status_code == 422, answer.text
    body = answer.json()
    return str(body["message"]) + str(body.get("errors", ""))


def test_a_check_run_goes_from_queued_to_its_conclusion(installed: Visitor, run) -> None:
    assert (run["status"], run["conclusion"], run["completed_at"]) == ("queued", None, None)
    started = installed("PATCH", run["url"], {"status": "in_progress"}).json()
    assert started["status"] == "in_progress"
    done = installed("PATCH", run["url"], {"conclusion": "success", **output()}).json()
    assert (done["status"], done["conclusion"]) == ("completed", "success")
    assert done["completed_at"].endswith("Z")
    assert "." not in done["completed_at"]
    assert installed("GET", run["url"]).json() == done


def test_a_completed_check_run_does_not_go_back(installed: Visitor, run) -> None:
    installed("PATCH", run["url"], {"conclusion": "failure"})
    answer = installed("PATCH", run["url"], {"status": "in_progress", **output(summary="New")})
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["conclusion"]) == ("completed", "failure")
    assert answer.json()["output"]["summary"] == "New"


def test_completed_needs_a_conclusion(installed: Visitor, run) -> None:
    assert "conclusion" in refusal(installed("PATCH", run["url"], {"status": "completed"}))


def test_annotations_are_added_to_those_there_and_paginated(installed: Visitor, run) -> None:
    for number in range(2):
        notes = [NOTE | {"message": f"{number}-{item}"} for item in range(50)]
        answer = installed("PATCH", run["url"], output(annotations=notes))
    assert answer.json()["output"]["annotations_count"] == 100
    first = installed("GET", run["url"] + "/annotations?per_page=60")
    assert [note["message"] for note in first.json()][::50] == ["0-0", "1-0"]
    assert len(installed("GET", first.links["next"]["url"]).json()) == 40
    assert first.links["last"]["url"].endswith("per_page=60&page=2")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (output(annotations=[NOTE] * 51), "No more than 50 items are allowed; 51 were supplied."),
        (output(summary="x" * 65_536), "Only 65535 characters are allowed; 65536 were supplied."),
        (output(summary="é" * 40_000), "summary exceeds a maximum bytesize of 65535"),
        (output(text="é" * 40_000), "text exceeds a maximum bytesize of 65535"),
        ({"actions": [{"label": "a", "description": "b", "identifier": "c"}] * 4}, "No more than"),
        ({"actions": [{"label": "x" * 21, "description": "", "identifier": ""}]}, "Only 20"),
        ({"actions": [{"label": "", "description": "x" * 41, "identifier": ""}]}, "Only 40"),
        ({"actions": [{"label": "", "description": "", "identifier": "x" * 21}]}, "Only 20"),
        ({"conclusion": "stale"}, "stale is not a member of"),
        ({"completed_at": "2026-01-01T00:00:00Z"}, "conclusion"),
        ({"started_at": "yesterday", "status": "queued"}, "yesterday"),
        ({"name": None}, "For 'properties/name', nil is not a string."),
        ({"output": {"title": "no summary"}}, '"summary" wasn\'t supplied.'),
    ],
)
def test_what_github_refuses_changes_nothing(installed: Visitor, run, body, words: str) -> None:
    assert words in refusal(installed("PATCH", run["url"], body))
    assert installed("GET", run["url"]).json() == run


def test_the_byte_limit_is_inclusive(installed: Visitor, run) -> None:
    answer = installed("PATCH", run["url"], output(summary="x" * 65_535))
    assert answer.status_code == 200


def test_a_check_run_of_an_unknown_commit_is_refused(installed: Visitor, sha: str) -> None:
    answer = installed("POST", RUNS, {"name": "Sigil", "head_sha": "f" * 40})
    assert refusal(answer) == f"No commit found for SHA: {'f' * 40}"


def test_listing_shows_the_latest_of_each_name_unless_all_are_wanted(
    installed: Visitor, run, sha: str, github: GitHubStandIn
) -> None:
    again = installed("POST", RUNS, {"name": "Sigil", "head_sha": sha}).json()
    installed("POST", RUNS, {"name": "Other", "head_sha": sha})
    path = f"/repos/octocat/weather/commits/{sha}/check-runs"
    listed = installed("GET", f"{path}?check_name=Sigil&app_id={github.app_id}").json()
    assert [one["id"] for one in listed["check_runs"]] == [again["id"]]
    every = installed("GET", f"{path}?filter=all").json()
    assert every["total_count"] == 3
    assert installed("GET", f"{path}?app_id=1").json()["total_count"] == 0


def test_events_follow_a_check_run(
    installed: Visitor, run, receiver: Receiver, github: GitHubStandIn, person: Visitor
) -> None:
    installed("PATCH", run["url"], {"conclusion": "failure"})
    eventually(github.hooks.idle)
    assert receiver.names()[-4:] == [
        "check_suite.requested",
        "check_run.created",
        "check_run.completed",
        "check_suite.completed",
    ]
    assert person("POST", run["url"] + "/rerequest").status_code == 201
    suite = installed("GET", f"/repos/octocat/weather/check-suites/{run['check_suite']['id']}")
    assert (suite.json()["status"], suite.json()["conclusion"]) == ("queued", None)
    assert person("POST", suite.json()["url"] + "/rerequest").status_code == 201
    eventually(github.hooks.idle)
    assert receiver.names()[-2:] == ["check_run.rerequested", "check_suite.rerequested"]
    event = receiver.payloads("check_run.rerequested")[0]
    assert (event["check_run"]["external_id"], event["sender"]["login"]) == ("run-1", "octocat")
    assert installed("GET", run["url"]).json()["conclusion"] == "failure"


def test_a_running_check_cannot_be_rerequested(installed: Visitor, run) -> None:
    assert "not rerequestable" in refusal(installed("POST", run["url"] + "/rerequest"))


def test_a_check_left_open_for_two_weeks_is_stale(
    installed: Visitor, app: Visitor, run, github: GitHubStandIn, person: Visitor
) -> None:
    github.advance(15 * 24 * 3600)
    # The description of the API forgot `stale` for a run, so this one is asked for by a person.
    page = person("GET", run["html_url"].removeprefix(github.url))
    assert "stale" in page.text


def test_a_suite_keeps_a_thousand_runs_of_one_name(
    installed: Visitor, run, sha: str, github: GitHubStandIn
) -> None:
    github.limits.budgets.content_per_minute = 10_000
    github.limits.budgets.content_per_hour = 10_000
    github.limits.budgets.points_per_minute = 100_000
    for _ in range(1000):
        installed("POST", RUNS, {"name": "Sigil", "head_sha": sha})
    assert installed("GET", run["url"]).status_code == 404


def test_users_may_read_check_runs_but_not_write_them(person: Visitor, run, sha: str) -> None:
    assert person("GET", run["url"]).json()["id"] == run["id"]
    answer = person("POST", RUNS, {"name": "Mine", "head_sha": sha})
    assert (answer.status_code, answer.json()["message"]) == (
        403,
        "You must authenticate via a GitHub App.",
    )


def test_a_token_without_the_permission_is_refused(
    github: GitHubStandIn, app: Visitor, installed: Visitor, sha: str
) -> None:
    number = app("GET", "/repos/octocat/weather/installation").json()["id"]
    reader = Visitor(github, access_token(app, number, permissions={"checks": "read"}))
    answer = reader("POST", RUNS, {"name": "Sigil", "head_sha": sha})
    assert answer.status_code == 403
    assert answer.json()["message"] == "Resource not accessible by integration"
    assert answer.headers["X-Accepted-GitHub-Permissions"] == "checks=write"


def test_statuses_are_combined_by_their_newest_of_each_context(
    installed: Visitor, sha: str, receiver: Receiver, github: GitHubStandIn
) -> None:
    path = f"/repos/octocat/weather/statuses/{sha}"
    for state, context in (("pending", "sigil/production"), ("success", "sigil/production")):
        answer = installed("POST", path, {"state": state, "context": context})
        assert answer.status_code == 201
    combined = installed("GET", f"/repos/octocat/weather/commits/{sha}/status").json()
    assert (combined["state"], combined["total_count"]) == ("success", 1)
    assert answer.json()["creator"]["login"] == "sigil[bot]"
    listed = installed("GET", f"/repos/octocat/weather/commits/{sha}/statuses").json()
    assert [one["state"] for one in listed] == ["success", "pending"]


def test_a_status_keeps_githubs_limits(installed: Visitor, sha: str, github) -> None:
    path = f"/repos/octocat/weather/statuses/{sha}"
    long = {"state": "success", "description": "x" * 141}
    assert "description is too long (maximum is 140 characters)" in refusal(
        installed("POST", path, long)
    )
    assert "is not a member of" in refusal(installed("POST", path, {"state": "done"}))
    unknown = "/repos/octocat/weather/statuses/" + "f" * 40
    assert "No commit found for SHA" in refusal(installed("POST", unknown, {"state": "success"}))
    for name in ("content_per_minute", "content_per_hour", "points_per_minute"):
        setattr(github.limits.budgets, name, 100_000)
    for _ in range(1000):
        assert installed("POST", path, {"state": "pending", "context": "c"}).status_code == 201
    assert "maximum number of statuses" in refusal(
        installed("POST", path, {"state": "pending", "context": "c"})
    )
    other = {"state": "pending", "context": "another"}
    assert installed("POST", path, other).status_code == 201
