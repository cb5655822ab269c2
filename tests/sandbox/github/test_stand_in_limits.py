"""Rate limits, conditional requests, and faults on demand."""

import threading

import pytest
import requests

from sandbox.github import GitHubStandIn
from tests.sandbox.github.visitors import Tree, Visitor

WEATHER = "/repos/octocat/weather"


def test_requests_are_counted_and_refused_when_the_hour_is_used_up(
    github: GitHubStandIn, installed: Visitor
) -> None:
    answer = installed("GET", WEATHER)
    assert answer.headers["x-ratelimit-limit"] == "5000"
    used = int(answer.headers["x-ratelimit-used"])
    assert int(answer.headers["x-ratelimit-remaining"]) == 5000 - used
    github.limits.budgets.per_hour = used
    refused = installed("GET", WEATHER)
    assert refused.status_code == 403
    assert "API rate limit exceeded for installation ID" in refused.json()["message"]
    assert refused.headers["x-ratelimit-remaining"] == "0"
    reset = int(refused.headers["x-ratelimit-reset"])
    github.advance(reset - github.clock.now() + 1)
    assert installed("GET", "/installation/repositories").status_code in (200, 401)
    assert Visitor(github, github.token)("GET", WEATHER).status_code == 200


def test_each_caller_has_a_budget_of_its_own(
    github: GitHubStandIn, installed: Visitor, person: Visitor
) -> None:
    installed("GET", WEATHER)
    before = int(person("GET", WEATHER).headers["x-ratelimit-used"])
    installed("GET", WEATHER)
    assert int(person("GET", WEATHER).headers["x-ratelimit-used"]) == before + 1
    nobody = Visitor(github, None)("GET", WEATHER)
    assert nobody.headers["x-ratelimit-limit"] == "60"


def test_an_unchanged_answer_costs_nothing(installed: Visitor, tree: Tree) -> None:
    tree.commit(a="1")
    tree.push("main")
    path = f"{WEATHER}/commits/main"
    first = installed("GET", path)
    again = installed("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"]
    tree.commit(a="2")
    tree.push("main")
    changed = installed("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_a_burst_of_writing_meets_the_secondary_limit(
    github: GitHubStandIn, installed: Visitor, tree: Tree
) -> None:
    sha = tree.commit(a="1")
    tree.push("main")
    github.limits.budgets.content_per_minute = 2
    path = f"{WEATHER}/statuses/{sha}"
    codes = [installed("POST", path, {"state": "pending"}).status_code for _ in range(3)]
    assert codes == [201, 201, 403]
    refused = installed("POST", path, {"state": "pending"})
    assert "secondary rate limit" in refused.json()["message"]
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 61
    github.advance(wait)
    assert installed("POST", path, {"state": "pending"}).status_code == 201


def test_points_and_concurrency_are_limited_too(github: GitHubStandIn, installed: Visitor) -> None:
    github.limits.budgets.points_per_minute = 0
    assert "secondary" in installed("GET", WEATHER).json()["message"]
    github.limits.budgets.points_per_minute = 900
    github.limits.budgets.concurrent = 0
    assert "secondary" in installed("GET", WEATHER).json()["message"]


def test_the_nth_call_of_an_operation_fails(github: GitHubStandIn, installed: Visitor) -> None:
    github.fail("GET", "/repos/{owner}/{repo}", "status", status=502, skip=1, times=2)
    codes = [installed("GET", WEATHER).status_code for _ in range(4)]
    assert codes == [200, 502, 502, 200]


@pytest.mark.parametrize("status", [401, 403, 404, 422, 429, 500, 502, 503])
def test_a_fault_answers_with_any_status(
    github: GitHubStandIn, installed: Visitor, status: int
) -> None:
    github.fail("GET", "/repos/*", "status", status=status)
    answer = installed("GET", WEATHER)
    assert answer.status_code == status
    assert answer.json()["message"]


def test_faults_imitate_both_kinds_of_rate_limit(github: GitHubStandIn, installed: Visitor) -> None:
    github.fail("*", "*", "rate-limited", status=429)
    limited = installed("GET", WEATHER)
    assert (limited.status_code, limited.headers["x-ratelimit-remaining"]) == (429, "0")
    github.fail("*", "*", "secondary", seconds=7)
    assert installed("GET", WEATHER).headers["Retry-After"] == "7"


@pytest.mark.parametrize("applied", [False, True])
def test_a_broken_connection_leaves_open_whether_the_call_was_applied(
    github: GitHubStandIn, person: Visitor, applied: bool
) -> None:
    github.fail("POST", "/user/repos", "reset", applied=applied)
    with pytest.raises(requests.ConnectionError):
        person("POST", "/user/repos", {"name": "perhaps"})
    assert person("GET", "/repos/octocat/perhaps").status_code == (200 if applied else 404)


def test_half_an_answer_is_no_answer(github: GitHubStandIn, installed: Visitor) -> None:
    github.fail("GET", "/repos/{owner}/{repo}", "truncated")
    with pytest.raises(requests.RequestException):
        installed("GET", WEATHER)
    assert installed("GET", WEATHER).status_code == 200


def test_an_error_page_is_html(github: GitHubStandIn, installed: Visitor) -> None:
    github.fail("GET", "/repos/{owner}/{repo}", "html", status=503)
    answer = installed("GET", WEATHER)
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (503, "text/html")


def test_a_hanging_call_outlasts_a_patient_client(
    github: GitHubStandIn, installed: Visitor
) -> None:
    github.fail("GET", "/repos/{owner}/{repo}", "hang", seconds=60)
    done = threading.Event()

    def call() -> None:
        with pytest.raises(requests.ConnectionError):
            installed("GET", WEATHER)
        done.set()

    caller = threading.Thread(target=call)
    caller.start()
    assert installed("GET", "/installation/repositories").status_code == 200
    assert not done.is_set()
    github.faults.clear()
    caller.join(30)
    assert done.is_set()


def test_faults_are_set_over_http_too(github: GitHubStandIn, person: Visitor) -> None:
    fault = {"method": "GET", "path": "/user", "kind": "status", "status": 404, "times": None}
    assert person("POST", "/_sandbox/faults", fault).status_code == 201
    assert [person("GET", "/user").status_code for _ in range(2)] == [404, 404]
    assert person("GET", "/_sandbox/faults").json()[0]["hits"] == 2
    assert person("DELETE", "/_sandbox/faults").status_code == 204
    assert person("GET", "/user").status_code == 200
    assert person("POST", "/_sandbox/faults", {"kind": "status"}).status_code == 400


def test_faults_strike_git_as_well(github: GitHubStandIn, installed: Visitor, tree: Tree) -> None:
    tree.commit(a="1")
    github.fail("POST", "/octocat/weather.git/git-receive-pack", "status", status=503)
    with pytest.raises(AssertionError, match="503"):
        tree.push("main")
    tree.push("main")


def test_clock_and_limits_are_set_over_http(github: GitHubStandIn, person: Visitor) -> None:
    assert person("PATCH", "/_sandbox/limits", {"per_hour": 7}).json()["per_hour"] == 7
    assert person("GET", "/user").headers["x-ratelimit-limit"] == "7"
    before = github.clock.now()
    person("POST", "/_sandbox/clock", {"advance": 1000})
    assert github.clock.now() >= before + 1000


def test_the_record_has_no_secrets(
    github: GitHubStandIn, installed: Visitor, person: Visitor, app: Visitor
) -> None:
    for visitor in (installed, person, app):
        visitor("GET", WEATHER)
    record = person("GET", "/_sandbox/traffic").text
    assert "access_tokens" in record
    with github.world.lock:
        secrets = [*github.world.access_tokens, *github.world.personal_tokens]
    assert secrets
    assert not [secret for secret in secrets if secret in record]
