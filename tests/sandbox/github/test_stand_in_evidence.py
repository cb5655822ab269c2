"""Evidence from outside: GitHub's descriptions know all that the stand-in offers, and githubkit's
typed models parse all that it answers.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from githubkit import AppAuthStrategy, GitHub, TokenAuthStrategy
from githubkit.exception import RequestFailed

from sandbox.github import GitHubStandIn
from sandbox.github.conformance import RestDescription, WebhookDescription
from sandbox.github.endpoints import OPERATIONS
from tests.polling import eventually
from tests.sandbox.github import kit_lifecycle, kit_pulls
from tests.sandbox.github.people import make_person
from tests.sandbox.github.visitors import Receiver, Tree, Visitor

pytestmark = pytest.mark.node


@pytest.fixture
def kit_user(github: GitHubStandIn) -> Iterator[GitHub[TokenAuthStrategy]]:
    """The user, through githubkit."""
    with GitHub(github.token, base_url=github.url, http_cache=False, trust_env=False) as client:
        yield client


@pytest.fixture
def kit_app(github: GitHubStandIn) -> Iterator[GitHub[AppAuthStrategy]]:
    """The App, through githubkit."""
    strategy = AppAuthStrategy(str(github.app_id), github.private_key)
    with GitHub(strategy, base_url=github.url, http_cache=False, trust_env=False) as client:
        yield client


def test_every_operation_is_one_of_githubs(rest_description: RestDescription) -> None:
    unknown = [
        f"{operation.method} {operation.template}"
        for operation in OPERATIONS
        if not rest_description.knows(operation.method, operation.template)
    ]
    assert unknown == []


def test_githubkits_models_parse_every_answer(
    github: GitHubStandIn,
    kit_user: GitHub[TokenAuthStrategy],
    kit_app: GitHub[AppAuthStrategy],
    person: Visitor,
    repository: str,
    install: Any,
    tree: Tree,
    receiver: Receiver,
) -> None:
    number = install(repository)
    sha = tree.commit("Begin", mcp_yaml="schema: 1\n", src__a="1\n")
    tree.push("main")
    kit = kit_app.with_auth(kit_app.auth.as_installation(number))
    names = {"owner": "octocat", "repo": "weather"}
    as_app, rest = kit_app.rest, kit.rest
    _visit_app(as_app, rest, number, github)
    _visit_user(kit_user.rest, number)
    _visit_repository(rest, names, sha)
    _visit_checks(rest, names, sha)
    _visit_statuses(rest, names, sha)
    other = make_person(github, "hubot")
    with GitHub(other.token, base_url=github.url, http_cache=False, trust_env=False) as kit_other:
        kit_pulls.visit_writing(rest, names, sha)
        people = (kit_user.rest.repos, kit_other.rest.repos, rest.repos)
        kit_pulls.visit_collaborators(*people, names, other.login)
        kit_pulls.visit_pulls(kit_user.rest, kit_other.rest, rest, names)
    kit_lifecycle.visit_deployments(rest, kit_user.rest, names, sha)
    kit_lifecycle.visit_releases(rest, names)
    kit_lifecycle.visit_repository_lifecycle(kit_user.rest, names)
    person("POST", "/_sandbox/accounts", {"login": "kit-org", "type": "Organization"})
    person(
        "POST",
        "/apps/sigil/installations/new",
        data={"repository_selection": "all", "account": "kit-org"},
    )
    kit_lifecycle.visit_organizations(kit_user.rest, as_app, number)
    assert as_app.apps.get_org_installation("kit-org").parsed_data.target_type == "Organization"
    kit_lifecycle.visit_manifest_flow(kit_user.rest, github)
    with pytest.raises(RequestFailed) as refused:
        rest.checks.create(**names, data={"name": "x", "head_sha": "f" * 40})
    assert refused.value.response.status_code == 422
    eventually(github.hooks.idle)
    _visit_deliveries(as_app)
    rest.apps.revoke_installation_access_token()
    kit_lifecycle.visit_hook_and_installation(as_app, number, receiver.url)
    called = {
        (line["method"], line["template"])
        for line in map(json.loads, github.traffic.text().splitlines())
    }
    missed = {(one.method, one.template) for one in OPERATIONS} - called
    assert missed == set()


def _visit_app(as_app: Any, rest: Any, number: int, github: GitHubStandIn) -> None:
    assert as_app.apps.get_authenticated().parsed_data.slug == "sigil"
    assert rest.apps.get_by_slug("sigil").parsed_data.id == github.app_id
    # githubkit's model of this list has the same mistake as the description that it is made from.
    assert as_app.apps.list_installations().json()[0]["id"] == number
    assert as_app.apps.get_installation(number).parsed_data.account.login == "octocat"
    found = as_app.apps.get_repo_installation("octocat", "weather").parsed_data
    assert found.id == number
    token = as_app.apps.create_installation_access_token(
        number, data={"repositories": ["weather"], "permissions": {"checks": "write"}}
    ).parsed_data
    assert token.permissions.checks == "write"
    assert [one.name for one in token.repositories] == ["weather"]
    listed = rest.apps.list_repos_accessible_to_installation().parsed_data
    assert [one.full_name for one in listed.repositories] == ["octocat/weather"]


def _visit_user(rest: Any, number: int) -> None:
    assert rest.users.get_authenticated().parsed_data.login == "octocat"
    assert rest.users.get_by_username("sigil[bot]").parsed_data.type == "Bot"
    other = rest.repos.create_for_authenticated_user(
        data={"name": "other", "auto_init": True}
    ).parsed_data
    assert len(rest.repos.list_for_authenticated_user().parsed_data) == 2
    mine = rest.apps.list_installations_for_authenticated_user().parsed_data
    assert [one.id for one in mine.installations] == [number]
    rest.apps.add_repo_to_installation_for_authenticated_user(number, other.id)
    rest.apps.remove_repo_from_installation_for_authenticated_user(number, other.id)


def _visit_repository(rest: Any, names: dict[str, str], sha: str) -> None:
    repos = rest.repos
    assert repos.get(**names).parsed_data.default_branch == "main"
    assert repos.get_content(**names, path="mcp_yaml").parsed_data.type == "file"
    assert len(repos.get_content(**names, path="src").parsed_data) == 1
    assert repos.download_tarball_archive(**names, ref=sha).content[:2] == b"\x1f\x8b"
    assert repos.list_commits(**names).parsed_data[0].sha == sha
    assert repos.get_commit(**names, ref="main").parsed_data.files[0].additions == 1
    assert repos.list_branches(**names).parsed_data[0].name == "main"
    assert repos.get_branch(**names, branch="main").parsed_data.commit.sha == sha
    assert rest.git.get_ref(**names, ref="heads/main").parsed_data.object_.sha == sha
    compared = repos.compare_commits(**names, basehead="main...main").parsed_data
    assert compared.status == "identical"
    release = repos.create_release(**names, data={"tag_name": "v1.0.0"}).parsed_data
    assert repos.list_releases(**names).parsed_data[0].id == release.id
    assert repos.get_release_by_tag(**names, tag="v1.0.0").parsed_data.id == release.id


def _visit_checks(rest: Any, names: dict[str, str], sha: str) -> None:
    checks = rest.checks
    run = checks.create(
        **names, data={"name": "Sigil", "head_sha": sha, "status": "in_progress"}
    ).parsed_data
    one = {**names, "check_run_id": run.id}
    suite = {**names, "check_suite_id": run.check_suite.id}
    note = {
        "path": "mcp_yaml",
        "start_line": 1,
        "end_line": 1,
        "annotation_level": "warning",
        "message": "Careful",
    }
    output = {"title": "Done", "summary": "All well", "annotations": [note]}
    done = checks.update(
        **one, data={"status": "completed", "conclusion": "success", "output": output}
    ).parsed_data
    assert (done.conclusion, done.output.annotations_count) == ("success", 1)
    assert checks.get(**one).parsed_data.app.slug == "sigil"
    assert checks.list_annotations(**one).parsed_data[0].message == "Careful"
    assert checks.list_for_ref(**names, ref=sha).parsed_data.total_count == 1
    assert checks.list_for_suite(**suite).parsed_data.check_runs[0].id == run.id
    assert checks.list_suites_for_ref(**names, ref=sha).parsed_data.total_count == 1
    assert checks.get_suite(**suite).parsed_data.conclusion == "success"
    checks.rerequest_run(**one)
    checks.rerequest_suite(**suite)


def _visit_statuses(rest: Any, names: dict[str, str], sha: str) -> None:
    repos = rest.repos
    status = repos.create_commit_status(
        **names, sha=sha, data={"state": "success", "context": "sigil/production"}
    ).parsed_data
    assert status.creator.login == "sigil[bot]"
    listed = repos.list_commit_statuses_for_ref(**names, ref=sha).parsed_data
    assert [one.id for one in listed] == [status.id]
    assert repos.get_combined_status_for_ref(**names, ref=sha).parsed_data.state == "success"


def _visit_deliveries(as_app: Any) -> None:
    apps = as_app.apps
    newest = apps.list_webhook_deliveries(per_page=1).parsed_data[0]
    assert apps.get_webhook_delivery(newest.id).parsed_data.guid == newest.guid
    apps.redeliver_webhook_delivery(newest.id)


def test_a_made_up_field_would_be_noticed(
    github: GitHubStandIn, person: Visitor, repository: str, rest_description: RestDescription
) -> None:
    person("GET", f"/repos/{repository}")
    exchange = json.loads(github.traffic.text().splitlines()[-1])
    assert rest_description.check(exchange) == []
    for change in (
        {"made_up": 1},
        {"full_name": None},
        {"created_at": "yesterday"},
        {"owner": {**exchange["response_body"]["owner"], "made_up": 1}},
    ):
        wrong = exchange | {"response_body": exchange["response_body"] | change}
        assert rest_description.check(wrong) != []
    assert rest_description.check(exchange | {"query": {"made_up": ["1"]}}) != []
    assert rest_description.check(exchange | {"template": "/made/up"}) != []


def test_a_made_up_webhook_would_be_noticed(
    github: GitHubStandIn,
    installed: Visitor,
    receiver: Receiver,
    webhook_description: WebhookDescription,
) -> None:
    eventually(github.hooks.idle)
    (one,) = receiver.received
    assert webhook_description.check(one.headers, one.payload) == []
    assert webhook_description.check(one.headers, one.payload | {"made_up": 1}) != []
    assert webhook_description.check(one.headers, one.payload | {"installation": {}}) != []
    without = {name: value for name, value in one.headers.items() if "Signature" not in name}
    assert webhook_description.check(without, one.payload) != []
