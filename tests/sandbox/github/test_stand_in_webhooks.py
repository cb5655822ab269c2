"""How webhooks are sent: headers, signatures, order, failures, redelivery, and mischief."""

import hashlib
import hmac
import re
import uuid
from pathlib import Path

import pytest

from sandbox.github import GitHubStandIn
from tests.polling import eventually
from tests.sandbox.github.visitors import SECRET, Receiver, Tree, Visitor


@pytest.fixture
def pushed(github: GitHubStandIn, installed: Visitor, tree: Tree) -> Tree:
    """One push has been delivered."""
    tree.commit(a="1")
    tree.push("main")
    eventually(github.hooks.idle)
    return tree


def test_a_webhook_carries_githubs_headers_and_both_signatures(
    pushed: Tree, receiver: Receiver, github: GitHubStandIn
) -> None:
    for one in receiver.received:
        headers = one.headers
        assert headers["Content-Type"] == "application/json"
        assert headers["User-Agent"].startswith("GitHub-Hookshot/")
        assert str(uuid.UUID(headers["X-GitHub-Delivery"])) == headers["X-GitHub-Delivery"]
        assert headers["X-GitHub-Hook-Installation-Target-ID"] == str(github.app_id)
        assert headers["X-GitHub-Hook-Installation-Target-Type"] == "integration"
        for algorithm, name in (("sha256", "X-Hub-Signature-256"), ("sha1", "X-Hub-Signature")):
            signature = hmac.new(SECRET.encode(), one.body, getattr(hashlib, algorithm))
            assert headers[name] == f"{algorithm}={signature.hexdigest()}"
    guids = {one.headers["X-GitHub-Delivery"] for one in receiver.received}
    assert len(guids) == len(receiver.received)


def test_times_have_no_fractions(pushed: Tree, receiver: Receiver) -> None:
    for one in receiver.received:
        assert not re.search(rb"T\d\d:\d\d:\d\d\.\d", one.body)


def test_a_failed_delivery_is_listed_and_not_tried_again(
    pushed: Tree, receiver: Receiver, app: Visitor, github: GitHubStandIn
) -> None:
    receiver.status = 503
    pushed.commit("Second", a="2")
    pushed.push("main")
    eventually(github.hooks.idle)
    failed = app("GET", "/app/hook/deliveries?status=failure").json()
    assert [(one["event"], one["status_code"]) for one in failed] == [
        ("check_suite", 503),
        ("push", 503),
    ]
    assert receiver.names().count("push") == 2


def test_a_redelivery_has_the_same_guid_and_body_and_is_another_attempt(
    pushed: Tree, receiver: Receiver, app: Visitor, github: GitHubStandIn
) -> None:
    first = next(one for one in app("GET", "/app/hook/deliveries").json() if one["event"] == "push")
    answer = app("POST", f"/app/hook/deliveries/{first['id']}/attempts")
    assert answer.status_code == 202
    eventually(github.hooks.idle)
    before, after = (one for one in receiver.received if one.name == "push")
    assert before.body == after.body
    assert before.headers["X-GitHub-Delivery"] == after.headers["X-GitHub-Delivery"]
    newest = app("GET", "/app/hook/deliveries?per_page=1").json()[0]
    assert (newest["guid"], newest["redelivery"]) == (first["guid"], True)
    assert newest["id"] != first["id"]
    whole = app("GET", f"/app/hook/deliveries/{newest['id']}").json()
    assert whole["request"]["headers"]["X-GitHub-Event"] == "push"
    assert whole["response"]["payload"] == "thanks"


def test_deliveries_are_paged_by_cursor(pushed: Tree, app: Visitor) -> None:
    whole = app("GET", "/app/hook/deliveries").json()
    seen, url = [], "/app/hook/deliveries?per_page=2"
    while url:
        answer = app("GET", url)
        seen += answer.json()
        url = answer.links.get("next", {}).get("url", "")
    assert seen == whole
    assert len(whole) == 3


def test_deliveries_are_forgotten_after_three_days(pushed: Tree, github: GitHubStandIn) -> None:
    assert github.hooks.deliveries()
    github.advance(3 * 24 * 3600 + 1)
    assert github.hooks.deliveries() == []


def test_a_receiver_that_is_away_is_a_failed_delivery(
    installed: Visitor, tree: Tree, github: GitHubStandIn, app: Visitor
) -> None:
    eventually(github.hooks.idle)
    github.webhook_url = "http://127.0.0.1:9/"
    tree.commit(a="1")
    tree.push("main")
    eventually(github.hooks.idle)
    newest = app("GET", "/app/hook/deliveries").json()[0]
    assert newest["status"] == "failed to connect to host"


def mischief(person: Visitor, **what: object) -> None:
    assert person("PATCH", "/_sandbox/webhooks", what).status_code == 200


def test_webhooks_can_be_dropped_and_found_again(
    installed: Visitor, tree: Tree, github: GitHubStandIn, receiver: Receiver, person, app
) -> None:
    eventually(github.hooks.idle)
    mischief(person, drop=1)
    tree.commit(a="1")
    tree.push("main")
    eventually(github.hooks.idle)
    assert receiver.names() == ["installation.created", "check_suite.requested"]
    (lost,) = app("GET", "/app/hook/deliveries?status=failure").json()
    app("POST", f"/app/hook/deliveries/{lost['id']}/attempts")
    eventually(github.hooks.idle)
    assert receiver.names()[-1] == "push"


def test_webhooks_can_be_duplicated(
    installed: Visitor, tree: Tree, github: GitHubStandIn, receiver: Receiver, person
) -> None:
    eventually(github.hooks.idle)
    mischief(person, duplicate=1)
    tree.commit(a="1")
    tree.push("main")
    eventually(github.hooks.idle)
    assert receiver.names()[1:] == ["push", "push", "check_suite.requested"]
    first, second = receiver.received[1:3]
    assert first == second


def test_webhooks_can_be_reversed(
    installed: Visitor, tree: Tree, github: GitHubStandIn, receiver: Receiver, person
) -> None:
    eventually(github.hooks.idle)
    mischief(person, reverse=4)
    for number in range(2):
        tree.commit(a=str(number))
        tree.push("main")
    eventually(github.hooks.idle)
    shas = [payload["after"] for payload in receiver.payloads("push")]
    assert shas == [tree.git("rev-parse", "HEAD"), tree.git("rev-parse", "HEAD~1")]


def test_webhooks_can_be_held_back(
    installed: Visitor, tree: Tree, github: GitHubStandIn, receiver: Receiver, person
) -> None:
    eventually(github.hooks.idle)
    mischief(person, paused=True)
    tree.commit(a="1")
    tree.push("main")
    assert "push" not in receiver.names()
    mischief(person, paused=False)
    eventually(lambda: "push" in receiver.names())


@pytest.mark.node
def test_creating_and_deleting_refs_is_told_to_an_app_that_subscribes(
    tmp_path: Path, receiver: Receiver, webhook_description
) -> None:
    with GitHubStandIn(
        tmp_path / "github",
        webhook_url=receiver.url,
        webhook_secret=SECRET,
        events=("create", "delete", "status"),
    ) as github:
        person = Visitor(github, github.token)
        person("POST", "/user/repos", {"name": "weather"})
        fields = {"repository_selection": "all"}
        person("POST", "/apps/sigil/installations/new", data=fields)
        tree = Tree(tmp_path / "tree", github, "octocat/weather")
        sha = tree.commit(a="1")
        tree.push("main", "main:refs/tags/v1.0.0")
        person("POST", f"/repos/octocat/weather/statuses/{sha}", {"state": "success"})
        tree.push("--delete", "v1.0.0")
        eventually(github.hooks.idle)
    kinds = [name for name in receiver.names() if not name.startswith(("check", "install"))]
    assert kinds == ["create", "create", "status", "delete"]
    for one in receiver.received:
        assert webhook_description.check(one.headers, one.payload) == []
