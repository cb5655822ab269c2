"""The pages of pull requests, and the clone with which other tests work on them."""

from pathlib import Path

import pytest
import requests

from sandbox.github import GitHubStandIn
from tests.github_fixture import Checkout, Person, install, make_user, new_repository
from tests.polling import eventually
from tests.sandbox.github.visitors import Receiver, Visitor

CALCULATOR = "/octocat/calculator"


@pytest.fixture
def clone(github: GitHubStandIn, tmp_path: Path) -> Checkout:
    """A clone of a repository with one commit, on which the App is installed."""
    made = new_repository(github, "calculator", tmp_path / "calculator")
    made.commit({"README.md": "# Calculator\n"})
    made.push()
    install(github)
    return made


@pytest.fixture
def hubot(github: GitHubStandIn) -> Person:
    """Somebody else."""
    return make_user(github, "hubot")


def _text(github: GitHubStandIn, page: str) -> str:
    answer = requests.get(github.url + CALCULATOR + page, timeout=30)
    assert answer.status_code == 200
    return answer.text


def test_a_person_takes_a_draft_to_the_end_by_clicks(
    clone: Checkout, github: GitHubStandIn, receiver: Receiver
) -> None:
    clone.branch("feature")
    sha = clone.commit({"new": "1\n"})
    number = clone.pull("Add <b>", draft=True)
    assert f"/octocat/calculator/pull/{number}" in _text(github, "/pulls")
    page = _text(github, "/pull/1")
    assert "Add &lt;b&gt;" in page
    assert sha[:7] in page
    assert "Ready for review" in page
    assert ">Merge<" not in page
    for verb in ("ready", "draft", "ready", "close", "reopen", "merge"):
        clone.click(number, verb)
    assert "merged" in _text(github, "/pull/1")
    eventually(github.hooks.idle)
    assert [name for name in receiver.names() if name.startswith("pull_request")] == [
        "pull_request.opened",
        "pull_request.ready_for_review",
        "pull_request.converted_to_draft",
        "pull_request.ready_for_review",
        "pull_request.closed",
        "pull_request.reopened",
        "pull_request.closed",
    ]


def test_a_page_refuses_in_githubs_words(
    clone: Checkout, hubot: Person, github: GitHubStandIn
) -> None:
    clone.branch("feature")
    clone.commit({"new": "1\n"})
    number = clone.pull(draft=True)
    page = f"{github.url}{CALCULATOR}/pull/{number}"
    refused = requests.post(f"{page}/merge", timeout=30)
    assert (refused.status_code, "still a draft" in refused.text) == (405, True)
    for verb in ("close", "ready", "merge"):
        assert requests.post(f"{page}/{verb}", data={"as": "hubot"}, timeout=30).status_code == 403
    assert requests.post(f"{page}/close", data={"as": "nobody"}, timeout=30).status_code == 422
    assert requests.post(f"{page}/dance", timeout=30).status_code == 404
    clone.close(number)
    clone.git("push", "--quiet", "origin", "--delete", "feature")
    refused = requests.post(f"{page}/reopen", timeout=30)
    assert "The feature branch has been deleted." in refused.text
    assert requests.get(f"{github.url}{CALCULATOR}/pull/9", timeout=30).status_code == 404


def test_comments_and_checks_are_shown(
    clone: Checkout, hubot: Person, github: GitHubStandIn
) -> None:
    clone.branch("feature")
    sha = clone.commit({"new": "1\n"})
    number = clone.pull()
    clone.api("POST", f"/statuses/{sha}", json={"state": "success", "context": "ci/other"})
    page = f"{github.url}{CALCULATOR}/pull/{number}"
    fields = {"body": "**Nice** <script>x</script>", "as": "hubot"}
    shown = requests.post(f"{page}/comment", data=fields, timeout=30).text
    assert "<strong>Nice</strong> &lt;script&gt;" in shown
    assert "ci/other" in shown
    assert [one["user"]["login"] for one in clone.comments(number)] == ["hubot"]
    issue = Visitor(github, hubot.token)("POST", f"/repos{CALCULATOR}/issues", {"title": "Broken"})
    plain = requests.get(issue.json()["html_url"], timeout=30).text
    assert "Broken" in plain
    assert ">Merge<" not in plain


def test_a_clone_of_a_fork_opens_its_pull_requests_at_the_original(
    clone: Checkout, hubot: Person
) -> None:
    theirs = clone.fork(hubot)
    theirs.branch("idea")
    sha = theirs.commit({"idea": "1\n"})
    number = theirs.pull("An idea")
    assert clone.api("GET", f"/pulls/{number}")["head"]["label"] == "hubot:idea"
    theirs.comment(number, "Please")
    clone.comment(number, "/sigil approve " + sha)
    assert [one["author_association"] for one in clone.comments(number)] == ["NONE", "OWNER"]
    theirs.close(number)
    theirs.reopen(number)
    with pytest.raises(requests.HTTPError, match="403"):
        theirs.merge(number)
    clone.grant(hubot, "push")
    merged = theirs.merge(number)
    assert clone.api("GET", "/commits/main")["sha"] == merged


def test_a_person_opens_a_pull_request_on_a_page(
    clone: Checkout, hubot: Person, github: GitHubStandIn
) -> None:
    theirs = clone.fork(hubot)
    theirs.branch("idea")
    theirs.commit({"idea": "1\n"})
    theirs.push("idea")
    assert "New pull request" in _text(github, "/pulls")
    fields = {"title": "An idea", "head": "hubot:idea", "base": "main", "as": "hubot"}
    page = f"{github.url}{CALCULATOR}/pulls"
    opened = requests.post(page, data=fields | {"draft": "on"}, timeout=30)
    assert opened.url.endswith("/pull/1")
    assert "Ready for review" in opened.text
    again = requests.post(page, data=fields, timeout=30)
    assert (again.status_code, "already exists for hubot:idea" in again.text) == (422, True)
    asked = {"Accept": "application/json"}
    wrong = requests.post(page, data=fields | {"head": "gone"}, headers=asked, timeout=30)
    assert wrong.json()["errors"][0]["message"] == "must be a collaborator"
