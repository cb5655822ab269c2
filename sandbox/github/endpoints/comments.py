"""Comments on issues and pull requests, and reactions to them
(docs.github.com/rest/issues/comments, /rest/reactions/reactions).

To comment on a pull request an App needs one of two permissions, on a plain issue the one for
issues, and to react that one everywhere. Source: docs.github.com, "Permissions required for GitHub
Apps".
"""

from sandbox.github import bodies, render_issues
from sandbox.github.comments import Comments
from sandbox.github.endpoints import issues
from sandbox.github.errors import GitHubError, not_accessible, not_found
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world_pulls import Comment, Issue

_ON_ISSUE = "/repos/{owner}/{repo}/issues/{issue_number}/comments"
_ONE = "/repos/{owner}/{repo}/issues/comments/{comment_id}"
_REACTIONS = _ONE + "/reactions"
_READ = "issues:read|pull_requests:read"
_WRITE = "issues:write|pull_requests:write"


@endpoint("POST", _ON_ISSUE, permission=_WRITE, role="read", content=True)
def create_comment(call: Call) -> Answer:
    """Say something below an issue or a pull request."""
    issue = issues.find(call)
    _check_app(call, issue)
    bodies.check("comment", call.body)
    author, app = call.caller.account, call.caller.acting_app
    comment = _comments(call).create(issue, call.body["body"], author, app)
    body = render_issues.comment(call.world, call.repository, comment)
    return Answer(body, 201, {"Location": body["url"]})


@endpoint("GET", _ON_ISSUE, permission=_READ)
def list_comments(call: Call) -> Answer:
    """The comments on one issue or pull request, oldest first."""
    found = call.repository.conversation.comments_on(issues.find(call).number)
    since = call.query.get("since", "")
    page, headers = call.page([one for one in found if one.updated_at >= since])
    body = [render_issues.comment(call.world, call.repository, one) for one in page]
    return Answer(body, headers=headers)


@endpoint("GET", _ONE, permission=_READ)
def get_comment(call: Call) -> Answer:
    """One comment."""
    return Answer(render_issues.comment(call.world, call.repository, _comment(call)))


@endpoint("PATCH", _ONE, permission=_WRITE, role="read")
def update_comment(call: Call) -> Answer:
    """Write another text in its place."""
    comment = _own_comment(call)
    bodies.check("comment", call.body)
    _comments(call).edit(comment, call.body["body"], call.caller.account)
    return Answer(render_issues.comment(call.world, call.repository, comment))


@endpoint("DELETE", _ONE, permission=_WRITE, role="read")
def delete_comment(call: Call) -> Answer:
    """Take a comment away."""
    _comments(call).delete(_own_comment(call), call.caller.account)
    return Answer(status=204)


@endpoint("POST", _REACTIONS, permission="issues:write", role="read", content=True)
def create_reaction(call: Call) -> Answer:
    """Leave an emoji; 200 when the caller left the same one before."""
    comment = _comment(call)
    bodies.check("reaction", call.body)
    reaction, new = _comments(call).react(comment, call.caller.account, call.body["content"])
    return Answer(render_issues.reaction(call.world, reaction), 201 if new else 200)


@endpoint("GET", _REACTIONS, permission="issues:read")
def list_reactions(call: Call) -> Answer:
    """The emojis below a comment, oldest first."""
    content = call.query.get("content")
    found = [one for one in _comment(call).reactions if content in (None, one.content)]
    page, headers = call.page(found)
    return Answer([render_issues.reaction(call.world, one) for one in page], headers=headers)


@endpoint("DELETE", _REACTIONS + "/{reaction_id}", permission="issues:write", role="read")
def delete_reaction(call: Call) -> Answer:
    """Take one's own emoji back."""
    comment = _comment(call)
    for one in comment.reactions:
        if one.id == call.path["reaction_id"] and one.user is call.caller.account:
            comment.reactions.remove(one)
            return Answer(status=204)
    raise not_found()


def _comments(call: Call) -> Comments:
    return Comments(call.world, call.events, call.repository)


def _comment(call: Call) -> Comment:
    comment = call.repository.conversation.comments.get(call.path["comment_id"])
    if comment is None:
        raise not_found()
    return comment


def _own_comment(call: Call) -> Comment:
    """The comment in the path, for its author and for those who may write in the repository."""
    comment = _comment(call)
    _check_app(call, call.repository.conversation.issues[comment.number])
    try:
        if comment.author is not call.caller.account:
            call.require_role("write")
    except GitHubError:
        raise GitHubError(403, "Must have admin rights to Repository.") from None
    return comment


def _check_app(call: Call, issue: Issue) -> None:
    """Of the two permissions only the one for issues counts on a plain issue."""
    plain = issue.pull is None and call.caller.installation is not None
    if plain and not call.caller.may(call.repository, "issues", "write"):
        raise not_accessible("issues=write")
