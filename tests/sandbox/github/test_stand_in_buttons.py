"""Buttons of check runs, re-runs, releases and the rate limit, as people and scripts use them."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.github import GitHubStandIn
from tests.polling import eventually
from tests.sandbox.github.conftest import access_token
from tests.sandbox.github.visitors import Receiver, Tree, Visitor, app_jwt

WEATHER = "/repos/octocat/weather"
RELEASES = f"{WEATHER}/releases"
ACTIONS = [
    {"label": "Retry", "description": "Run it again", "identifier": "retry"},
    {"label": "Roll back", "description": "To the last good one", "identifier": "rollback"},
]


@pytest.fixture
def browser(github: GitHubStandIn) -> Visitor:
    """Somebody with a browser and no token."""
    return Visitor(github, None)


@pytest.fixture
def sha(tree: Tree) -> str:
    """The commit on the default branch."""
    commit = tree.commit("Begin", mcp_yaml="schema: 1\n")
    tree.push("main")
    return commit


@pytest.fixture
def run(installed: Visitor, sha: str) -> Any:
    """A check run in progress, with buttons."""
    body = {"name": "Sigil", "head_sha": sha, "status": "in_progress", "actions": ACTIONS}
    return installed("POST", f"{WEATHER}/check-runs", body).json()


def completed(installed: Visitor, run: Any) -> Any:
    """The same run, failed."""
    return installed("PATCH", run["url"], {"conclusion": "failure"}).json()


def test_buttons_are_there_once_the_run_is_completed(
    browser: Visitor, installed: Visitor, run: Any, sha: str
) -> None:
    commit = f"/octocat/weather/commit/{sha}"
    for page in (run["html_url"], commit):
        assert "Roll back" not in browser("GET", page).text
    assert browser("POST", run["html_url"] + "/actions/retry").status_code == 422
    completed(installed, run)
    for page in (run["html_url"], commit):
        assert "Roll back" in browser("GET", page).text
    assert browser("POST", run["html_url"] + "/actions/retry").status_code == 200
    # An update replaces the buttons.
    installed("PATCH", run["url"], {"actions": []})
    assert "Roll back" not in browser("GET", run["html_url"]).text
    assert browser("POST", run["html_url"] + "/actions/retry").status_code == 404


def test_whoever_presses_is_the_sender(
    browser: Visitor,
    person: Visitor,
    installed: Visitor,
    run: Any,
    github: GitHubStandIn,
    receiver: Receiver,
) -> None:
    completed(installed, run)
    person("POST", "/_sandbox/accounts", {"login": "mona"})
    as_mona = {"headers": {"X-Sandbox-User": "mona"}}
    # The page shows its buttons to those who may write; the control presses them as anybody.
    assert browser("POST", run["html_url"] + "/actions/retry", **as_mona).status_code == 403
    assert browser("POST", run["html_url"] + "/rerequest", **as_mona).status_code == 403
    control = f"/_sandbox/check-runs/{run['id']}/actions"
    assert browser("POST", f"{control}/retry", {"user": "mona"}).status_code == 202
    assert browser("POST", f"{control}/rollback").status_code == 202
    assert browser("POST", f"{control}/other").status_code == 404
    assert browser("POST", f"{control}/retry", {"user": "nobody"}).status_code == 404
    eventually(github.hooks.idle)
    pressed = receiver.payloads("check_run.requested_action")
    assert [(one["requested_action"]["identifier"], one["sender"]["login"]) for one in pressed] == [
        ("retry", "mona"),
        ("rollback", "octocat"),
    ]


def test_a_browser_signs_in_as_somebody_else(browser: Visitor, person: Visitor) -> None:
    person("POST", "/_sandbox/accounts", {"login": "mona"})
    assert "<span>octocat</span>" in browser("GET", "/").text
    browser("POST", "/_sandbox/sign-in", data={"login": "mona"})
    assert "<span>mona</span>" in browser("GET", "/").text
    nobody = browser("GET", "/", headers={"X-Sandbox-User": "nobody"})
    assert nobody.status_code == 400


def test_all_checks_of_a_commit_are_run_again(
    browser: Visitor,
    person: Visitor,
    installed: Visitor,
    run: Any,
    sha: str,
    github: GitHubStandIn,
    receiver: Receiver,
) -> None:
    completed(installed, run)
    assert "Re-run all checks" in browser("GET", f"/octocat/weather/commit/{sha}").text
    browser("POST", f"/octocat/weather/commit/{sha}/rerequest")
    suite = f"{WEATHER}/check-suites/{run['check_suite']['id']}"
    assert person("GET", suite).json()["status"] == "queued"
    assert person("POST", f"{suite}/rerequest").status_code == 201
    assert person("POST", f"{run['url']}/rerequest").status_code == 201
    eventually(github.hooks.idle)
    assert receiver.names()[-3:] == [
        "check_suite.rerequested",
        "check_suite.rerequested",
        "check_run.rerequested",
    ]


@pytest.fixture
def released(
    github: GitHubStandIn, receiver: Receiver, installed: Visitor, sha: str
) -> Callable[[], list[str]]:
    """The actions of release events so far."""

    def actions() -> list[str]:
        eventually(github.hooks.idle)
        return [one.payload["action"] for one in receiver.received if "release." in one.name]

    return actions


def test_a_draft_is_published(person: Visitor, released: Callable[[], list[str]]) -> None:
    draft = person("POST", RELEASES, {"tag_name": "v1.0.0", "draft": True}).json()
    assert person("GET", f"{WEATHER}/tags").json() == []
    assert person("GET", f"{RELEASES}/tags/v1.0.0").status_code == 404
    assert released() == ["created"]
    published = person("PATCH", draft["url"], {"draft": False}).json()
    assert published["published_at"]
    assert person("GET", f"{RELEASES}/tags/v1.0.0").json()["id"] == draft["id"]
    (tag,) = person("GET", f"{WEATHER}/tags").json()
    assert tag["name"] == "v1.0.0"
    assert released() == ["created", "published", "released"]


def test_a_prerelease_becomes_a_release(
    person: Visitor, released: Callable[[], list[str]], receiver: Receiver
) -> None:
    made = person("POST", RELEASES, {"tag_name": "v2.0.0-rc.1", "prerelease": True}).json()
    assert person("GET", f"{RELEASES}/latest").status_code == 404
    assert released() == ["created", "published", "prereleased"]
    assert receiver.payloads("release.published")[0]["release"]["prerelease"] is True
    person("PATCH", made["url"], {"prerelease": False, "name": "Two"})
    assert person("GET", f"{RELEASES}/latest").json()["name"] == "Two"
    assert released()[3:] == ["edited", "released"]
    assert receiver.payloads("release.edited")[0]["changes"] == {"name": {"from": ""}}
    other = person("POST", RELEASES, {"tag_name": "v2.0.0"}).json()
    assert person("PATCH", made["url"], {"tag_name": "v2.0.0"}).status_code == 422
    assert person("DELETE", other["url"]).status_code == 204
    assert person("GET", other["url"]).status_code == 404
    assert released()[-1] == "deleted"
    assert [one["name"] for one in person("GET", f"{WEATHER}/tags").json()] == [
        "v2.0.0-rc.1",
        "v2.0.0",
    ]


def test_a_draft_is_not_for_everybody(
    person: Visitor, app: Visitor, installed: Visitor, github: GitHubStandIn, sha: str
) -> None:
    draft = person("POST", RELEASES, {"tag_name": "v1", "draft": True}).json()["url"]
    (number,) = github.world.installations
    reader = Visitor(github, access_token(app, number, permissions={"contents": "read"}))
    for visitor, status in ((installed, 200), (reader, 404), (Visitor(github, None), 404)):
        assert visitor("GET", draft).status_code == status


def test_asking_for_the_rate_limit_costs_nothing(installed: Visitor, github: GitHubStandIn) -> None:
    installed("GET", WEATHER)
    first = installed("GET", "/rate_limit").json()
    assert installed("GET", "/rate_limit").json() == first
    assert first["rate"]["limit"] == 5000
    assert first["rate"]["used"] == first["resources"]["core"]["used"] == 1
    github.limits.budgets.per_hour = 1
    assert installed("GET", WEATHER).status_code == 403
    assert installed("GET", "/rate_limit").json()["rate"]["remaining"] == 0
    assert Visitor(github, None)("GET", "/rate_limit").json()["rate"]["limit"] == 60


def test_failed_deliveries_are_found_and_repeated_for_three_days(
    installed: Visitor,
    app: Visitor,
    tree: Tree,
    github: GitHubStandIn,
    receiver: Receiver,
) -> None:
    eventually(github.hooks.idle)
    receiver.status = 503
    tree.commit("While it was away", a="1\n")
    tree.push("main")
    eventually(github.hooks.idle)
    failed = app("GET", "/app/hook/deliveries?status=failure").json()
    assert {one["event"] for one in failed} == {"push", "check_suite"}
    assert {one["status_code"] for one in failed} == {503}
    receiver.status = 202
    again = f"/app/hook/deliveries/{failed[0]['id']}/attempts"
    assert app("POST", again).status_code == 202
    eventually(github.hooks.idle)
    newest = app("GET", "/app/hook/deliveries?status=success&per_page=1").json()[0]
    assert newest["redelivery"] is True
    assert (newest["guid"], newest["id"] > failed[0]["id"]) == (failed[0]["guid"], True)
    assert app("GET", "/app/hook/deliveries?cursor=nonsense").status_code == 422
    later = 3 * 24 * 3600 + 60
    github.advance(later)
    app = Visitor(github, app_jwt(github, issued=later - 60, expires=later + 300))
    assert app("GET", "/app/hook/deliveries").json() == []
    assert app("POST", again).status_code == 404
