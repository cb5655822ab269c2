"""Pull requests (docs.github.com/rest/pulls/pulls)."""

from typing import Any

from sandbox.github import bodies, pull_heads, render_commits, render_pulls
from sandbox.github.comments import check_text
from sandbox.github.errors import not_found
from sandbox.github.pulls import Proposal, Pulls
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world_pulls import Issue, Pull

COMMITS_LISTED = 250
FILES_LISTED = 3000
_ALL = "/repos/{owner}/{repo}/pulls"
_ONE = _ALL + "/{pull_number}"


@endpoint("POST", _ALL, permission="pull_requests:write", role="read", content=True)
def create_pull(call: Call) -> Answer:
    """Ask for a branch, of this repository or of a fork, to be merged."""
    bodies.check("pull", call.body)
    title = call.body.get("title") or ""
    check_text("PullRequest", title, call.body.get("body"))
    pulls = _pulls(call)
    head, branch = pulls.head(call.body["head"], call.caller.user)
    proposal = Proposal(
        title,
        call.body.get("body"),
        head,
        branch,
        call.body["base"],
        draft=call.body.get("draft", False),
        maintainer_can_modify=call.body.get("maintainer_can_modify", True),
    )
    issue = pulls.open(proposal, call.caller.account, call.caller.acting_app)
    body = render_pulls.full(call.world, call.repository, issue)
    return Answer(body, 201, {"Location": body["url"]})


@endpoint("GET", _ALL, permission="pull_requests:read")
def list_pulls(call: Call) -> Answer:
    """Pull requests, newest first unless asked otherwise."""
    found = [(issue, pull) for issue, pull in _known(call) if _wanted(call, issue, pull)]
    order = "updated_at" if call.query.get("sort") == "updated" else "number"
    ascending = call.query.get("direction", "desc") == "asc"
    found.sort(key=lambda one: (getattr(one[0], order), one[0].number), reverse=not ascending)
    page, headers = call.page([issue for issue, _ in found])
    body = [render_pulls.simple(call.world, call.repository, issue) for issue in page]
    return Answer(body, headers=headers)


def _known(call: Call) -> list[tuple[Issue, Pull]]:
    return call.repository.conversation.pulls()


def _wanted(call: Call, issue: Issue, pull: Pull) -> bool:
    state, base, head = (call.query.get(name) for name in ("state", "base", "head"))
    if (state or "open") not in ("all", issue.state):
        return False
    # A head without an owner finds nothing in particular: GitHub ignores it.
    named = head and ":" in head and head != f"{pull.head_user.login}:{pull.head_ref}"
    return base in (None, pull.base_ref) and not named


@endpoint("GET", _ONE, permission="pull_requests:read")
def get_pull(call: Call) -> Answer:
    """One pull request."""
    return Answer(render_pulls.full(call.world, call.repository, _issue(call)))


@endpoint("PATCH", _ONE, permission="pull_requests:write", role="read")
def update_pull(call: Call) -> Answer:
    """Change the title, the text or the base; close or open again."""
    issue, account = _issue(call), call.caller.account
    bodies.check("pull-update", call.body)
    check_text("PullRequest", call.body.get("title"), call.body.get("body"))
    state = call.body.get("state")
    if issue.author is not account:
        call.require_role("triage" if set(call.body) == {"state"} else "write")
    pulls = _pulls(call)
    pulls.edit(issue, account, call.body)
    if state == "closed":
        pulls.close(issue, account)
    elif state == "open":
        pulls.reopen(issue, account)
    return Answer(render_pulls.full(call.world, call.repository, issue))


@endpoint("GET", _ONE + "/files", permission="pull_requests:read")
def list_files(call: Call) -> Answer:
    """What the pull request changes, at most 3000 files."""
    pull, repository = _pull(_issue(call)), call.repository
    base = pull_heads.merge_base(repository, pull)
    changes = repository.git.changes(base, pull.head_sha)[:FILES_LISTED]
    page, headers = call.page(changes)
    body = [
        render_commits.changed_file(call.world, repository, change, base, pull.head_sha)
        for change in page
    ]
    return Answer(body, headers=headers)


@endpoint("GET", _ONE + "/commits", permission="pull_requests:read")
def list_commits(call: Call) -> Answer:
    """The commits of the pull request, oldest first, at most 250."""
    pull, git = _pull(_issue(call)), call.repository.git
    commits = git.commits(pull.head_sha, "--not", pull.base_sha)[::-1][:COMMITS_LISTED]
    page, headers = call.page(commits)
    body = [render_commits.commit(call.world, call.repository, one) for one in page]
    return Answer(body, headers=headers)


@endpoint("GET", _ONE + "/merge", permission="pull_requests:read")
def check_merged(call: Call) -> Answer:
    """204 for a merged pull request, 404 for any other."""
    if _pull(_issue(call)).merged_at is None:
        raise not_found()
    return Answer(status=204)


@endpoint("PUT", _ONE + "/merge", permission="contents:write")
def merge(call: Call) -> Answer:
    """Merge into the base branch."""
    issue = _issue(call)
    bodies.check("merge", call.body)
    commit = _pulls(call).merge(issue, call.caller.account, call.body)
    words = "Pull Request successfully merged"
    return Answer({"sha": commit, "merged": True, "message": words})


@endpoint(
    "GET", "/repos/{owner}/{repo}/commits/{commit_sha}/pulls", permission="pull_requests:read"
)
def list_pulls_of_commit(call: Call) -> Answer:
    """The open pull requests that bring a commit, or the one that brought it."""
    git, sha = call.repository.git, call.path["commit_sha"]
    found = [
        issue
        for issue, pull in _known(call)
        if (issue.state == "open" or pull.merged_at)
        and sha in git.text("rev-list", pull.head_sha, "--not", pull.base_sha).split()
    ]
    page, headers = call.page(found)
    body: list[Any] = [render_pulls.simple(call.world, call.repository, one) for one in page]
    return Answer(body, headers=headers)


def _pulls(call: Call) -> Pulls:
    return Pulls(call.world, call.events, call.repository)


def _issue(call: Call) -> Issue:
    issue = call.repository.conversation.issues.get(call.path["pull_number"])
    if issue is None or issue.pull is None:
        raise not_found()
    return issue


def _pull(issue: Issue) -> Pull:
    assert issue.pull is not None
    return issue.pull
