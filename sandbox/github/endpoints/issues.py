"""Issues (docs.github.com/rest/issues/issues). A pull request is an issue too."""

from sandbox.github import bodies, render_issues
from sandbox.github.comments import Comments
from sandbox.github.errors import not_found
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world_pulls import Issue

_ALL = "/repos/{owner}/{repo}/issues"


@endpoint("POST", _ALL, permission="issues:write", role="read", content=True)
def create_issue(call: Call) -> Answer:
    """A new issue."""
    bodies.check("issue", call.body)
    comments = Comments(call.world, call.events, call.repository)
    title, text = str(call.body["title"]), call.body.get("body")
    issue = comments.open_issue(title, text, call.caller.account, call.caller.acting_app)
    body = render_issues.issue(call.world, call.repository, issue)
    return Answer(body, 201, {"Location": body["url"]})


@endpoint("GET", _ALL, permission="issues:read")
def list_issues(call: Call) -> Answer:
    """Issues and pull requests, newest first."""
    state = call.query.get("state", "open")
    found = [
        one
        for one in list(call.repository.conversation.issues.values())[::-1]
        if state in ("all", one.state)
    ]
    page, headers = call.page(found)
    body = [render_issues.issue(call.world, call.repository, one) for one in page]
    return Answer(body, headers=headers)


@endpoint("GET", _ALL + "/{issue_number}", permission="issues:read")
def get_issue(call: Call) -> Answer:
    """One issue, or a pull request as one."""
    return Answer(render_issues.issue(call.world, call.repository, find(call)))


def find(call: Call) -> Issue:
    """The issue in the path.

    Raises:
        GitHubError: 404 when there is none.
    """
    issue = call.repository.conversation.issues.get(call.path["issue_number"])
    if issue is None:
        raise not_found()
    return issue
