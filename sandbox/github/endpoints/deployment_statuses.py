"""Statuses of deployments (docs.github.com/rest/deployments/statuses)."""

from sandbox.github import bodies, events_deployments, render_deployments
from sandbox.github.deploying import adopt_environment
from sandbox.github.endpoints.deployments import calling_app, deployment
from sandbox.github.errors import not_found, validation_failed
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world_deployments import Deployment, DeploymentStatus

DESCRIPTION_CHARACTERS = 140
_ALL = "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses"


@endpoint("POST", _ALL, permission="deployments:write", content=True)
def create_deployment_status(call: Call) -> Answer:
    """Say what became of a deployment; a success makes earlier ones inactive."""
    bodies.check("deployment-status", call.body)
    parent, repository = deployment(call), call.repository
    _check_limits(call)
    environment = call.body.get("environment") or parent.environment
    with call.world.lock:
        parent.environment = environment
        adopt_environment(call.world, repository, environment)
        item = _add(call, parent, call.body["state"], call.body)
        if item.state == "success" and call.body.get("auto_inactive", True):
            for earlier in repository.deployments.superseded_by(parent):
                _add(call, earlier, "inactive", {})
    sender = call.caller.account
    events_deployments.status_created(call.events, repository, sender, parent, item)
    rendered = render_deployments.status(call.world, repository, parent, item)
    return Answer(rendered, 201, {"Location": rendered["url"]})


def _check_limits(call: Call) -> None:
    if len(call.body.get("description") or "") > DESCRIPTION_CHARACTERS:
        words = f"description is too long (maximum is {DESCRIPTION_CHARACTERS} characters)"
        raise validation_failed("DeploymentStatus", "description", words)
    for name in ("target_url", "log_url", "environment_url"):
        url = call.body.get(name)
        if url and not url.startswith(("http://", "https://")):
            words = f"{name} must use http(s) scheme"
            raise validation_failed("DeploymentStatus", name, words)


def _add(call: Call, parent: Deployment, state: str, given: dict[str, str]) -> DeploymentStatus:
    now = call.world.clock.stamp()
    item = DeploymentStatus(
        id=call.world.new_id("deployment_status"),
        state=state,
        description=given.get("description") or "",
        environment=parent.environment,
        environment_url=given.get("environment_url") or "",
        log_url=given.get("log_url") or given.get("target_url") or "",
        creator=call.caller.account,
        app=calling_app(call),
        created_at=now,
    )
    parent.statuses.append(item)
    parent.updated_at = now
    return item


@endpoint("GET", _ALL, permission="deployments:read")
def list_deployment_statuses(call: Call) -> Answer:
    """A deployment's statuses, newest first."""
    parent = deployment(call)
    page, headers = call.page(parent.statuses[::-1])
    world, repository = call.world, call.repository
    rendered = [render_deployments.status(world, repository, parent, one) for one in page]
    return Answer(rendered, headers=headers)


@endpoint("GET", _ALL + "/{status_id}", permission="deployments:read")
def get_deployment_status(call: Call) -> Answer:
    """One status."""
    parent = deployment(call)
    for one in parent.statuses:
        if one.id == call.path["status_id"]:
            return Answer(render_deployments.status(call.world, call.repository, parent, one))
    raise not_found()
