"""The webhooks of deployments. Source: docs.github.com, "Webhook events and payloads"."""

from sandbox.github import render_deployments
from sandbox.github.events import Events
from sandbox.github.world import Json, Repository, User
from sandbox.github.world_deployments import Deployment, DeploymentStatus

_BY_NO_WORKFLOW: Json = {"workflow": None, "workflow_run": None}


def created(events: Events, repository: Repository, sender: User, item: Deployment) -> None:
    """`deployment.created`."""
    rendered = render_deployments.deployment(events.world, repository, item)
    payload = {"action": "created", "deployment": rendered, **_BY_NO_WORKFLOW}
    events.emit("deployment", payload, repository, sender)


def status_created(
    events: Events,
    repository: Repository,
    sender: User,
    parent: Deployment,
    item: DeploymentStatus,
) -> None:
    """`deployment_status.created`. GitHub sends none for `inactive`."""
    if item.state == "inactive":
        return
    world = events.world
    payload = {
        "action": "created",
        "deployment_status": render_deployments.status(world, repository, parent, item),
        "deployment": render_deployments.deployment(world, repository, parent),
        "check_run": None,
        **_BY_NO_WORKFLOW,
    }
    events.emit("deployment_status", payload, repository, sender)
