"""githubkit's visit to deployments, releases, Apps and the life of a repository: its typed models
parse each answer.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from sandbox.github import GitHubStandIn
from tests.sandbox.github.visitors import Visitor

Names = dict[str, str]
_MANIFEST = {
    "name": "Kit",
    "url": "https://kit.example",
    "redirect_url": "https://kit.example/done",
    "hook_attributes": {"url": "https://kit.example/hook", "active": False},
}


def visit_deployments(rest: Any, owner: Any, names: Names, sha: str) -> None:
    """Deploy to a preview and tear it down in order; the environment is the owner's to delete."""
    repos = rest.repos
    wanted = {"ref": sha, "environment": "preview/pr-1", "required_contexts": []}
    made = repos.create_deployment(**names, data=wanted | {"auto_merge": False}).parsed_data
    one = {**names, "deployment_id": made.id}
    status = repos.create_deployment_status(**one, data={"state": "success"}).parsed_data
    assert status.performed_via_github_app.slug == "sigil"
    assert repos.list_deployment_statuses(**one).parsed_data[0].state == "success"
    assert repos.get_deployment_status(**one, status_id=status.id).parsed_data.id == status.id
    assert repos.list_deployments(**names).parsed_data[0].sha == sha
    assert repos.get_deployment(**one).parsed_data.environment == "preview/pr-1"
    repos.create_deployment_status(**one, data={"state": "inactive"})
    assert repos.delete_deployment(**one).status_code == 204
    (environment,) = repos.get_all_environments(**names).parsed_data.environments
    # githubkit puts the name into the path as it is.
    place = {**names, "environment_name": quote(environment.name, safe="")}
    assert repos.get_environment(**place).parsed_data.name == "preview/pr-1"
    assert owner.repos.delete_an_environment(**place).status_code == 204


def visit_releases(rest: Any, names: Names) -> None:
    """Read, change and delete a release, and list the tags."""
    repos = rest.repos
    release = repos.get_latest_release(**names).parsed_data
    one = {**names, "release_id": release.id}
    changed = repos.update_release(**one, data={"name": "First"}).parsed_data
    assert repos.get_release(**one).parsed_data.name == changed.name == "First"
    assert repos.list_tags(**names).parsed_data[0].name == release.tag_name
    assert repos.delete_release(**one).status_code == 204
    assert rest.rate_limit.get().parsed_data.resources.core.limit == 5000


def visit_repository_lifecycle(rest: Any, names: Names) -> None:
    """Rename a repository of the user, ask somebody to take it, and delete it."""
    repos, other = rest.repos, {**names, "repo": "other"}
    assert repos.update(**other, data={"name": "another"}).parsed_data.name == "another"
    renamed = {**names, "repo": "another"}
    answer = repos.transfer(**renamed, data={"new_owner": "hubot"})
    assert answer.parsed_data.full_name == "octocat/another"
    assert repos.delete(**renamed).status_code == 204


def visit_organizations(rest: Any, as_app: Any, number: int) -> None:
    """Look an installation up by its account, and make a repository in an organization."""
    assert as_app.apps.get_user_installation("octocat").parsed_data.id == number
    assert rest.repos.create_in_org("kit-org", data={"name": "one"}).parsed_data.private is False
    assert [one.name for one in rest.repos.list_for_org("kit-org").parsed_data] == ["one"]
    assert rest.orgs.list_for_authenticated_user().parsed_data[0].login == "kit-org"


def visit_manifest_flow(rest: Any, github: GitHubStandIn) -> None:
    """Make an App from a manifest and convert its code."""
    browser = Visitor(github, None)
    text = {"manifest": json.dumps(_MANIFEST)}
    page = browser("POST", "/settings/apps/new", data=text).text
    assert re.search(r'action="/settings/apps"', page)
    made = browser("POST", "/settings/apps", data=text, allow_redirects=False)
    code = parse_qs(urlsplit(made.headers["Location"]).query)["code"][0]
    app = rest.apps.create_from_manifest(code).parsed_data
    assert (app.slug, app.pem[:10]) == ("kit", "-----BEGIN")


def visit_hook_and_installation(as_app: Any, number: int, url: str) -> None:
    """Read and set the App's webhook; suspend, wake and remove the installation."""
    assert as_app.apps.get_webhook_config_for_app().parsed_data.url == url
    changed = as_app.apps.update_webhook_config_for_app(data={"url": url}).parsed_data
    assert changed.content_type == "json"
    assert as_app.apps.suspend_installation(number).status_code == 204
    assert as_app.apps.unsuspend_installation(number).status_code == 204
    assert as_app.apps.delete_installation(number).status_code == 204
