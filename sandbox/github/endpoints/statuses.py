"""Commit statuses (docs.github.com/rest/commits/statuses)."""

from sandbox.github import bodies, render, render_reports
from sandbox.github.errors import GitHubError, no_commit, not_found, validation_failed
from sandbox.github.git import UnknownObject
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import Status

DESCRIPTION_CHARACTERS = 140
OF_ONE_CONTEXT = 1000


@endpoint("POST", "/repos/{owner}/{repo}/statuses/{sha}", permission="statuses:write", content=True)
def create_status(call: Call) -> Answer:
    """A new status of a commit; the newest of each context counts."""
    bodies.check("status", call.body)
    sha, now = call.path["sha"], call.world.clock.stamp()
    try:
        full = call.repository.git.commit_sha(sha)
    except UnknownObject:
        raise no_commit(sha) from None
    if full != sha:
        raise no_commit(sha)  # only the full SHA will do
    context = call.body.get("context", "default")
    _check_limits(call, sha, context)
    status = Status(
        id=call.world.new_id("status"),
        sha=sha,
        state=call.body["state"],
        description=call.body.get("description"),
        target_url=call.body.get("target_url"),
        context=context,
        creator=call.caller.account,
        created_at=now,
        updated_at=now,
    )
    with call.world.lock:
        call.repository.statuses.append(status)
    call.events.status(call.repository, call.caller.account, status)
    body = render_reports.status(call.world, call.repository, status)
    return Answer(body, 201, {"Location": body["url"]})


def _check_limits(call: Call, sha: str, context: str) -> None:
    if len(call.body.get("description") or "") > DESCRIPTION_CHARACTERS:
        words = f"description is too long (maximum is {DESCRIPTION_CHARACTERS} characters)"
        raise validation_failed("Status", "description", words)
    target = call.body.get("target_url")
    if target and not target.startswith(("http://", "https://")):
        raise validation_failed("Status", "target_url", "target_url must use http(s) scheme")
    same = [one for one in _of(call, sha) if one.context.lower() == context.lower()]
    if len(same) >= OF_ONE_CONTEXT:
        words = "This SHA and context has reached the maximum number of statuses."
        errors = [{"resource": "Status", "code": "custom", "message": words}]
        raise GitHubError(422, "Validation Failed", errors=errors)


@endpoint("GET", "/repos/{owner}/{repo}/commits/{ref}/statuses", permission="statuses:read")
def list_statuses(call: Call) -> Answer:
    """Every status of a commit, newest first."""
    found = _of(call, _commit(call))[::-1]
    page, headers = call.page(found)
    body = [render_reports.status(call.world, call.repository, one) for one in page]
    return Answer(body, headers=headers)


@endpoint("GET", "/repos/{owner}/{repo}/commits/{ref}/status", permission="statuses:read")
def get_combined_status(call: Call) -> Answer:
    """The newest status of each context, and what they come to together."""
    sha = _commit(call)
    newest = list({one.context.lower(): one for one in _of(call, sha)}.values())
    states = {one.state for one in newest}
    if states & {"failure", "error"}:
        state = "failure"
    else:
        state = "pending" if not states or "pending" in states else "success"
    page, headers = call.page(newest)
    api = render.repository_url(call.world, call.repository)
    statuses = [render_reports.status(call.world, call.repository, one) for one in page]
    for one in statuses:
        del one["creator"]
    body = {
        "state": state,
        "statuses": statuses,
        "sha": sha,
        "total_count": len(newest),
        "repository": render.repository_essentials(call.world, call.repository),
        "commit_url": f"{api}/commits/{sha}",
        "url": f"{api}/commits/{sha}/status",
    }
    return Answer(body, headers=headers)


def _commit(call: Call) -> str:
    try:
        return call.repository.git.commit_sha(call.path["ref"])
    except UnknownObject:
        raise not_found() from None


def _of(call: Call, sha: str) -> list[Status]:
    return [one for one in call.repository.statuses if one.sha == sha]
