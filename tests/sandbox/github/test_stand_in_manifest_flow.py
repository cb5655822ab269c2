"""A person makes an App from a manifest, and the App works."""

import json
import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from pipeline.github import permissions
from sandbox.github import GitHubStandIn
from sandbox.github.app_manifest import InvalidManifest, parse
from tests.polling import eventually
from tests.sandbox.github.conftest import access_token
from tests.sandbox.github.visitors import Receiver, Tree, Visitor

MANIFEST: dict[str, Any] = {
    "name": "Forecast Servers",
    "url": "https://sigil.example",
    "hook_attributes": {"url": "https://sigil.example/webhook", "active": True},
    "redirect_url": "https://sigil.example/setup/done?x=1",
    "setup_url": "https://sigil.example/setup/installed",
    "public": False,
    "default_permissions": {"checks": "write", "contents": "read"},
    "default_events": ["check_run", "push"],
}


def propose(browser: Visitor, manifest: object, path: str = "/settings/apps/new?state=abc") -> Any:
    """Post a manifest as a page's form does."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    return browser("POST", path, data={"manifest": text})


def confirm(browser: Visitor, page: str, **changed: str) -> Any:
    """Press "Create GitHub App" on the page that asks."""
    action = re.search(r'action="([^"]*/settings/apps)"', page)
    assert action, page
    found = dict(re.findall(r'name="(state|name)" value="([^"]*)"', page))
    fields = {"manifest": json.dumps(MANIFEST), **found, **changed}
    return browser("POST", action[1], data=fields, allow_redirects=False)


def convert(browser: Visitor, answer: Any) -> Any:
    """The credentials behind the code in a redirect."""
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return browser("POST", f"/app-manifests/{query['code'][0]}/conversions")


@pytest.fixture
def browser(github: GitHubStandIn) -> Visitor:
    """Somebody with a browser and no token."""
    return Visitor(github, None)


def test_an_app_is_made_with_one_click_and_converted_once(
    browser: Visitor, github: GitHubStandIn
) -> None:
    page = propose(browser, MANIFEST)
    assert page.status_code == 200
    assert "Create GitHub App for octocat" in page.text
    created = confirm(browser, page.text)
    assert created.status_code == 302
    assert created.headers["Location"].startswith(MANIFEST["redirect_url"] + "&code=")
    assert created.headers["Location"].endswith("&state=abc")
    answer = convert(browser, created)
    assert answer.status_code == 201
    app = answer.json()
    assert (app["slug"], app["owner"]["login"]) == ("forecast-servers", "octocat")
    assert app["permissions"] == {"metadata": "read", "checks": "write", "contents": "read"}
    assert app["events"] == ["check_run", "push"]
    assert app["pem"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert app["html_url"] == f"{github.url}/apps/forecast-servers"
    for secret in (app["client_secret"], app["webhook_secret"], "BEGIN RSA"):
        assert secret not in github.traffic.text()
    assert convert(browser, created).status_code == 404
    assert "Forecast Servers" in browser("GET", app["html_url"]).text


def test_a_code_is_worth_nothing_after_an_hour(browser: Visitor, github: GitHubStandIn) -> None:
    created = confirm(browser, propose(browser, MANIFEST).text)
    github.advance(3601)
    assert convert(browser, created).status_code == 404
    assert browser("POST", "/app-manifests/made-up/conversions").status_code == 404


def test_the_app_really_works(
    browser: Visitor, person: Visitor, github: GitHubStandIn, tree: Tree, receiver: Receiver
) -> None:
    manifest = MANIFEST | {"hook_attributes": {"url": receiver.url + "/other"}}
    page = propose(browser, manifest).text
    made = convert(browser, confirm(browser, page, manifest=json.dumps(manifest))).json()
    now = int(time.time())
    claims = {"iat": now - 60, "exp": now + 540, "iss": made["client_id"]}
    app = Visitor(github, jwt.encode(claims, made["pem"], "RS256"))
    assert app("GET", "/app").json()["id"] == made["id"]
    assert app("GET", "/app/hook/config").json()["url"] == receiver.url + "/other"
    clicked = browser(
        "POST",
        "/apps/forecast-servers/installations/new",
        data={"repository": "octocat/weather"},
        allow_redirects=False,
    )
    (listed,) = app("GET", "/app/installations").json()
    expected = f"{MANIFEST['setup_url']}?installation_id={listed['id']}&setup_action=install"
    assert clicked.headers["Location"] == expected
    sha = tree.commit("Begin", a="1\n")
    tree.push("main")
    installed = Visitor(github, access_token(app, listed["id"]))
    body = {"name": "Forecast", "head_sha": sha}
    run = installed("POST", "/repos/octocat/weather/check-runs", body).json()
    assert run["app"]["slug"] == "forecast-servers"
    eventually(github.hooks.idle)
    ours = [one for one in receiver.received if _target(one) == str(made["id"])]
    assert [one.name for one in ours] == [
        "ping",
        "installation.created",
        "push",
        "check_suite.requested",
        "check_run.created",
    ]
    assert len(app("GET", "/app/hook/deliveries").json()) == 5


def _target(one: Any) -> str:
    return str(one.headers["X-GitHub-Hook-Installation-Target-ID"])


def test_two_apps_do_not_see_each_others_installations_and_checks(
    browser: Visitor,
    app: Visitor,
    installed: Visitor,
    github: GitHubStandIn,
    tree: Tree,
    receiver: Receiver,
) -> None:
    made = convert(browser, confirm(browser, propose(browser, MANIFEST).text)).json()
    now = int(time.time())
    claims = {"iat": now - 60, "exp": now + 540, "iss": str(made["id"])}
    other = Visitor(github, jwt.encode(claims, made["pem"], "RS256"))
    form = {"repository": "octocat/weather"}
    browser("POST", "/apps/forecast-servers/installations/new", data=form, allow_redirects=False)
    (mine,), (theirs,) = (one("GET", "/app/installations").json() for one in (app, other))
    assert other("GET", f"/app/installations/{mine['id']}").status_code == 404
    found = other("GET", "/repos/octocat/weather/installation").json()
    assert found["id"] == theirs["id"] != mine["id"]
    sha = tree.commit("Begin", a="1\n")
    tree.push("main")
    run = installed(
        "POST", "/repos/octocat/weather/check-runs", {"name": "Sigil", "head_sha": sha}
    ).json()
    visitor = Visitor(github, access_token(other, theirs["id"]))
    refused = visitor("PATCH", run["url"], {"status": "in_progress"})
    assert refused.status_code == 403
    assert "can only be modified by the GitHub App that created it" in refused.json()["message"]


def test_an_organization_owns_an_app(browser: Visitor, person: Visitor) -> None:
    person("POST", "/_sandbox/accounts", {"login": "acme", "type": "Organization"})
    person("POST", "/_sandbox/accounts", {"login": "mona"})
    path = "/organizations/acme/settings/apps/new?state=abc"
    page = propose(browser, MANIFEST, path)
    assert "Create GitHub App for acme" in page.text
    answer = convert(browser, confirm(browser, page.text, name="Acme Servers"))
    assert answer.json()["owner"]["login"] == "acme"
    assert answer.json()["slug"] == "acme-servers"
    # It is private, so nobody but its owner may install it.
    form = {"repository_selection": "all", "account": "octocat"}
    refused = browser("POST", "/apps/acme-servers/installations/new", data=form)
    assert refused.status_code == 404
    stranger = {"data": {"manifest": json.dumps(MANIFEST), "as": "mona"}}
    assert browser("POST", path, **stranger).status_code == 404


def test_a_name_can_be_had_once(browser: Visitor) -> None:
    page = propose(browser, MANIFEST).text
    taken = confirm(browser, page, name="Sigil")
    assert taken.status_code == 422
    assert "Name has already been taken" in taken.text


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"default_events": ["installation", "push"]}, "events unsupported: installation"),
        (
            {"default_events": ["push", "pull_request", "issue_comment"]},
            "events are not supported by permissions: pull_request and issue_comment",
        ),
        ({"default_permissions": {"everything": "write"}}, "unsupported: everything"),
        ({"default_permissions": {"checks": "all"}}, "checks: all is not one of"),
        ({"redirect_url": None}, "For 'redirect_url', None is not a string."),
        ({"redirect_url": "sigil.example"}, "Redirect url must be a valid URL"),
        ({"hook_attributes": {"active": True}}, '"url" wasn\'t supplied.'),
        ({"hook_attributes": {"url": "/webhook"}}, "Hook url must be a valid URL"),
        ({"name": "n" * 35}, "Name is too long (maximum is 34 characters)"),
        ({"name": " "}, "Name can't be blank"),
        ({"webhook_secret": "x"}, '"webhook_secret" is not a permitted key.'),
        ({"callback_urls": ["https://x.example"] * 11}, "more than 10"),
    ],
)
def test_a_manifest_that_github_does_not_take_is_explained(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidManifest) as refused:
        parse(json.dumps(MANIFEST | changes))
    assert any(problem in words for words in refused.value.problems), refused.value.problems


def test_the_page_shows_what_is_wrong(browser: Visitor) -> None:
    for manifest in ("{", json.dumps({"name": "x"})):
        page = propose(browser, manifest)
        assert page.status_code == 422
        assert "does not appear to be a valid GitHub App manifest" in page.text
    assert "url&#34; wasn&#39;t supplied" in page.text


def test_the_first_app_asks_for_what_sigil_asks_for(github: GitHubStandIn) -> None:
    assert github.world.app.permissions == permissions.wanted()
    assert sorted(github.world.app.events) == sorted(one.name for one in permissions.EVENTS)


def test_an_app_moves_its_webhook(
    app: Visitor, installed: Visitor, github: GitHubStandIn, receiver: Receiver
) -> None:
    config = app("GET", "/app/hook/config").json()
    assert config["secret"] == "********"
    moved = app("PATCH", "/app/hook/config", {"url": receiver.url + "?moved=1"})
    assert moved.json()["url"] == github.webhook_url == receiver.url + "?moved=1"
