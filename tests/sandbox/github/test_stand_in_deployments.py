"""Deployments, their statuses and environments, as GitHub keeps them."""

from typing import Any

import pytest

from sandbox.github import GitHubStandIn
from tests.polling import eventually
from tests.sandbox.github.conftest import access_token
from tests.sandbox.github.visitors import Receiver, Tree, Visitor

DEPLOYMENTS = "/repos/octocat/weather/deployments"
ENVIRONMENTS = "/repos/octocat/weather/environments"


@pytest.fixture
def sha(tree: Tree) -> str:
    """The commit on the default branch."""
    commit = tree.commit("Begin", mcp_yaml="schema: 1\n")
    tree.push("main")
    return commit


def deploy(visitor: Visitor, ref: str, environment: str = "production", **more: object) -> Any:
    """A deployment, whatever the checks say."""
    body = {"ref": ref, "environment": environment, "required_contexts": [], "auto_merge": False}
    answer = visitor("POST", DEPLOYMENTS, body | more)
    assert answer.status_code == 201, answer.text
    return answer.json()


def report(visitor: Visitor, deployment: Any, state: str, **more: object) -> Any:
    """A status of a deployment."""
    answer = visitor("POST", deployment["statuses_url"], {"state": state, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def state(visitor: Visitor, deployment: Any) -> str:
    """The state of a deployment's newest status."""
    return str(visitor("GET", deployment["statuses_url"]).json()[0]["state"])


def test_a_deployment_has_statuses_and_makes_its_environment(installed: Visitor, sha: str) -> None:
    made = deploy(installed, sha, "preview/pr-1", description="Pull request 1", payload={"run": 7})
    assert (made["sha"], made["payload"]) == (sha, {"run": 7})
    assert made["creator"]["login"] == "sigil[bot]"
    assert made["performed_via_github_app"]["slug"] == "sigil"
    assert made["production_environment"] is False
    urls = {"log_url": "https://sigil.example/runs/7", "environment_url": "https://x.example/"}
    first = report(installed, made, "in_progress", **urls)
    assert first["target_url"] == first["log_url"] == urls["log_url"]
    second = report(installed, made, "success", description="Live", **urls)
    listed = installed("GET", made["statuses_url"]).json()
    assert [one["id"] for one in listed] == [second["id"], first["id"]]
    assert installed("GET", second["url"]).json()["environment_url"] == urls["environment_url"]
    assert installed("GET", made["statuses_url"] + "/1").status_code == 404
    found = installed("GET", ENVIRONMENTS).json()
    assert [one["name"] for one in found["environments"]] == ["preview/pr-1"]
    assert installed("GET", made["url"]).json()["environment"] == "preview/pr-1"


def test_deployments_are_found_by_their_particulars(installed: Visitor, sha: str) -> None:
    one, two = deploy(installed, sha), deploy(installed, "main", "staging", task="deploy:once")
    for query, expected in (
        ("", [two, one]),
        (f"?sha={sha}", [two, one]),
        (f"?ref={sha}", [one]),
        ("?environment=staging", [two]),
        ("?task=deploy%3Aonce", [two]),
        ("?environment=none&task=deploy", [one]),
    ):
        listed = installed("GET", DEPLOYMENTS + query).json()
        assert [item["id"] for item in listed] == [item["id"] for item in expected], query
    paged = installed("GET", DEPLOYMENTS + "?per_page=1")
    assert 'rel="next"' in paged.headers["Link"]


def test_a_success_makes_earlier_ones_inactive(installed: Visitor, sha: str) -> None:
    earlier = deploy(installed, sha, "staging")
    transient = deploy(installed, sha, "staging", transient_environment=True)
    elsewhere = deploy(installed, sha, "qa")
    failed = deploy(installed, sha, "staging")
    for one in (earlier, transient, elsewhere):
        report(installed, one, "success", auto_inactive=False)
    report(installed, failed, "failure")
    report(installed, deploy(installed, sha, "staging"), "success")
    states = [state(installed, one) for one in (earlier, transient, elsewhere, failed)]
    assert states == ["inactive", "success", "success", "failure"]


def test_production_is_never_made_inactive_by_itself(installed: Visitor, sha: str) -> None:
    earlier = deploy(installed, sha)
    assert earlier["production_environment"] is True
    report(installed, earlier, "success")
    report(installed, deploy(installed, sha), "success")
    assert state(installed, earlier) == "success"


def test_only_inactive_deployments_can_be_deleted(installed: Visitor, sha: str) -> None:
    alone = deploy(installed, sha)
    report(installed, alone, "success")
    assert installed("DELETE", alone["url"]).status_code == 204
    one, two = deploy(installed, sha, "qa"), deploy(installed, sha, "staging")
    report(installed, one, "success")
    refused = installed("DELETE", one["url"])
    assert refused.status_code == 422
    assert "cannot delete an active deployment" in refused.json()["message"]
    assert installed("DELETE", two["url"]).status_code == 422
    report(installed, one, "inactive")
    assert installed("DELETE", one["url"]).status_code == 204
    assert installed("GET", one["url"]).status_code == 404
    assert installed("DELETE", one["url"]).status_code == 404


def test_a_deployment_waits_for_the_checks_unless_told_otherwise(
    installed: Visitor, sha: str
) -> None:
    assert installed("POST", DEPLOYMENTS, {"ref": "main"}).status_code == 201
    checks = "/repos/octocat/weather/check-runs"
    installed("POST", checks, {"name": "Sigil", "head_sha": sha, "status": "in_progress"})
    installed("POST", f"/repos/octocat/weather/statuses/{sha}", {"state": "success"})
    refused = installed("POST", DEPLOYMENTS, {"ref": "main"})
    assert refused.status_code == 409
    assert refused.json()["message"] == "Conflict: Commit status checks failed for main."
    assert refused.json()["errors"][0]["contexts"] == [
        {"context": "default", "state": "success"},
        {"context": "Sigil", "state": "pending"},
    ]
    for required, status in (([], 201), (["default"], 201), (["Sigil"], 409), (["other"], 409)):
        body = {"ref": "main", "required_contexts": required}
        assert installed("POST", DEPLOYMENTS, body).status_code == status


def test_a_branch_that_is_behind_is_merged_first(
    installed: Visitor, tree: Tree, sha: str, receiver: Receiver, github: GitHubStandIn
) -> None:
    tree.git("checkout", "--quiet", "-b", "topic")
    topic = tree.commit("Topic", a="1\n")
    tree.push("topic")
    tree.git("checkout", "--quiet", "main")
    newest = tree.commit("Newest", b="1\n")
    tree.push("main")
    body = {"ref": "topic", "required_contexts": []}
    for reference in (topic, sha):
        assert installed("POST", DEPLOYMENTS, body | {"ref": reference}).status_code == 409
    merged = installed("POST", DEPLOYMENTS, body)
    assert merged.status_code == 202
    assert merged.json() == {"message": "Auto-merged main into topic on deployment."}
    head = installed("GET", "/repos/octocat/weather/commits/topic").json()
    assert [one["sha"] for one in head["parents"]] == [topic, newest]
    assert installed("POST", DEPLOYMENTS, body).status_code == 201
    eventually(github.hooks.idle)
    assert receiver.payloads("push")[-1]["ref"] == "refs/heads/topic"
    tree.git("checkout", "--quiet", "-b", "clash", topic)
    tree.commit("Clash", b="2\n")
    tree.push("clash")
    refused = installed("POST", DEPLOYMENTS, body | {"ref": "clash"})
    assert refused.status_code == 409
    assert refused.json()["message"] == "Conflict merging main into clash"


def test_what_cannot_be_deployed_is_refused(installed: Visitor, sha: str) -> None:
    for body in (
        {},
        {"ref": "no-such-branch"},
        {"ref": "main", "environment": "e" * 256},
        {"ref": "main", "required_contexts": "all"},
        {"ref": "main", "payload": 1},
    ):
        assert installed("POST", DEPLOYMENTS, body).status_code == 422, body


def test_what_cannot_be_a_status_is_refused(installed: Visitor, sha: str) -> None:
    url = deploy(installed, sha)["statuses_url"]
    for body in (
        {},
        {"state": "live"},
        {"state": "success", "description": "d" * 141},
        {"state": "success", "environment_url": "ftp://x.example"},
        {"state": "success", "log_url": "runs/7"},
    ):
        assert installed("POST", url, body).status_code == 422, body
    assert installed("POST", url, {"state": "queued", "description": "d" * 140}).status_code == 201
    assert installed("POST", DEPLOYMENTS + "/1/statuses", {"state": "queued"}).status_code == 404


def test_a_status_may_move_a_deployment_to_another_environment(
    installed: Visitor, sha: str
) -> None:
    made = deploy(installed, sha, "staging")
    report(installed, made, "success", environment="qa")
    now = installed("GET", made["url"]).json()
    assert (now["environment"], now["original_environment"]) == ("qa", "staging")
    assert installed("GET", ENVIRONMENTS).json()["total_count"] == 2


def test_deleting_an_environment_takes_administration(
    installed: Visitor, app: Visitor, github: GitHubStandIn, sha: str
) -> None:
    made = deploy(installed, sha, "preview/pr-1")
    encoded = f"{ENVIRONMENTS}/preview%2Fpr-1"
    refused = installed("DELETE", encoded)
    assert refused.status_code == 403
    assert refused.headers["X-Accepted-GitHub-Permissions"] == "administration=write"
    (installation,) = github.world.installations.values()
    installation.permissions["administration"] = "write"
    allowed = Visitor(github, access_token(app, installation.id))
    assert allowed("DELETE", f"{ENVIRONMENTS}/preview/pr-1").status_code == 404
    assert installed("GET", encoded).json()["name"] == "preview/pr-1"
    assert allowed("DELETE", encoded).status_code == 204
    assert allowed("DELETE", encoded).status_code == 404
    assert installed("GET", encoded).status_code == 404
    # The deployments stay, and the next one makes the environment again.
    assert installed("GET", made["url"]).status_code == 200
    deploy(installed, sha, "preview/pr-1")
    assert installed("GET", encoded).status_code == 200


def test_deploying_takes_the_permission_for_it(
    installed: Visitor, app: Visitor, github: GitHubStandIn, sha: str
) -> None:
    (number,) = github.world.installations
    limited = Visitor(github, access_token(app, number, permissions={"checks": "write"}))
    refused = limited("POST", DEPLOYMENTS, {"ref": "main"})
    assert refused.status_code == 403
    assert refused.json()["message"] == "Resource not accessible by integration"
    assert refused.headers["X-Accepted-GitHub-Permissions"] == "deployments=write"


def test_who_subscribes_hears_of_deployments(
    installed: Visitor, github: GitHubStandIn, receiver: Receiver, sha: str
) -> None:
    quiet = deploy(installed, sha)
    report(installed, quiet, "success")
    (installation,) = github.world.installations.values()
    installation.events += ["deployment", "deployment_status"]
    heard = deploy(installed, sha, "staging")
    report(installed, heard, "success")
    report(installed, heard, "inactive")
    eventually(github.hooks.idle)
    names = [name for name in receiver.names() if name.startswith("deployment")]
    assert names == ["deployment.created", "deployment_status.created"]
    payload = receiver.payloads("deployment_status.created")[0]
    assert payload["deployment"]["id"] == heard["id"]
    assert payload["deployment_status"]["state"] == "success"
