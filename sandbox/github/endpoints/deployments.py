"""Deployments (docs.github.com/rest/deployments/deployments)."""

from sandbox.github import bodies, events_deployments, pushes, render_deployments
from sandbox.github.deploying import Gate, adopt_environment, catch_up
from sandbox.github.errors import GitHubError, not_found
from sandbox.github.git import UnknownObject
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import App
from sandbox.github.world_deployments import Deployment

_ALL = "/repos/{owner}/{repo}/deployments"
_ONE = _ALL + "/{deployment_id}"


@endpoint("POST", _ALL, permission="deployments:write", content=True)
def create_deployment(call: Call) -> Answer:
    """Ask for a ref to be deployed, after the checks that GitHub makes unless told otherwise."""
    bodies.check("deployment", call.body)
    repository, body = call.repository, call.body
    try:
        sha = repository.git.commit_sha(body["ref"])
    except UnknownObject:
        raise GitHubError(422, f"No ref found for: {body['ref']}") from None
    if body.get("auto_merge", True) and (merged := _merged(call)):
        return merged
    Gate(repository, sha).check(body["ref"], body.get("required_contexts"))
    item = _new(call, sha)
    with call.world.lock:
        repository.deployments.all.append(item)
        adopt_environment(call.world, repository, item.environment)
    events_deployments.created(call.events, repository, call.caller.account, item)
    rendered = render_deployments.deployment(call.world, repository, item)
    return Answer(rendered, 201, {"Location": rendered["url"]})


def _merged(call: Call) -> Answer | None:
    """What GitHub answers when it merged instead of making a deployment."""
    repository, before = call.repository, call.repository.git.refs()
    with repository.push_lock:
        merged = catch_up(repository, call.body["ref"])
        after = repository.git.refs()
    if not merged:
        return None
    pushes.announce(call.world, call.events, repository, call.caller.account, before, after)
    words = f"Auto-merged {repository.default_branch} into {call.body['ref']} on deployment."
    return Answer({"message": words}, 202)


def _new(call: Call, sha: str) -> Deployment:
    body, now = call.body, call.world.clock.stamp()
    environment = body.get("environment", "production")
    return Deployment(
        id=call.world.new_id("deployment"),
        sha=sha,
        ref=body["ref"],
        task=body.get("task", "deploy"),
        environment=environment,
        original_environment=environment,
        description=body.get("description") or "",
        payload=body.get("payload") or {},
        transient=body.get("transient_environment", False),
        production=body.get("production_environment", environment == "production"),
        creator=call.caller.account,
        app=calling_app(call),
        created_at=now,
        updated_at=now,
    )


def calling_app(call: Call) -> App | None:
    """The App behind the call, if there is one."""
    return call.caller.installation.app if call.caller.installation else None


@endpoint("GET", _ALL, permission="deployments:read")
def list_deployments(call: Call) -> Answer:
    """Deployments, newest first."""
    names = ("sha", "ref", "task", "environment")
    wanted = {name: call.query[name] for name in names if call.query.get(name, "none") != "none"}
    found = [
        one
        for one in call.repository.deployments.all[::-1]
        if all(getattr(one, name) == value for name, value in wanted.items())
    ]
    page, headers = call.page(found)
    rendered = [render_deployments.deployment(call.world, call.repository, one) for one in page]
    return Answer(rendered, headers=headers)


@endpoint("GET", _ONE, permission="deployments:read")
def get_deployment(call: Call) -> Answer:
    """One deployment."""
    found = deployment(call)
    return Answer(render_deployments.deployment(call.world, call.repository, found))


@endpoint("DELETE", _ONE, permission="deployments:write")
def delete_deployment(call: Call) -> Answer:
    """Remove a deployment that is inactive, or the only one."""
    found, deployments = deployment(call), call.repository.deployments
    if len(deployments.all) > 1 and deployments.active(found):
        words = "We cannot delete an active deployment unless it is the only deployment in a "
        raise GitHubError(422, words + "given environment.")
    with call.world.lock:
        deployments.all.remove(found)
    return Answer(status=204)


def deployment(call: Call) -> Deployment:
    """The deployment in the path.

    Raises:
        GitHubError: 404 when there is none.
    """
    found = call.repository.deployments.get(call.path["deployment_id"])
    if found is None:
        raise not_found()
    return found
