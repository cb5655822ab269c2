"""Deployments, their statuses and environments as GitHub's JSON."""

from urllib.parse import quote

from sandbox.github import render
from sandbox.github.world import App, Json, Repository, World, node_id
from sandbox.github.world_deployments import Deployment, DeploymentStatus, Environment


def _app(world: World, item: App | None) -> Json | None:
    return render.app(world, item) if item else None


def deployment(world: World, repository: Repository, item: Deployment) -> Json:
    """A deployment (`deployment`)."""
    api = render.repository_url(world, repository)
    url = f"{api}/deployments/{item.id}"
    return {
        "url": url,
        "id": item.id,
        "node_id": node_id("Deployment", item.id),
        "task": item.task,
        "original_environment": item.original_environment,
        "environment": item.environment,
        "description": item.description,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "statuses_url": f"{url}/statuses",
        "repository_url": api,
        "creator": render.user(world, item.creator),
        "sha": item.sha,
        "ref": item.ref,
        "payload": item.payload,
        "transient_environment": item.transient,
        "production_environment": item.production,
        "performed_via_github_app": _app(world, item.app),
    }


def status(
    world: World, repository: Repository, parent: Deployment, item: DeploymentStatus
) -> Json:
    """A deployment's status (`deployment-status`)."""
    api = render.repository_url(world, repository)
    url = f"{api}/deployments/{parent.id}"
    return {
        "url": f"{url}/statuses/{item.id}",
        "id": item.id,
        "node_id": node_id("DeploymentStatus", item.id),
        "state": item.state,
        "creator": render.user(world, item.creator),
        "description": item.description,
        "environment": item.environment,
        "target_url": item.log_url,
        "created_at": item.created_at,
        "updated_at": item.created_at,
        "deployment_url": url,
        "repository_url": api,
        "environment_url": item.environment_url,
        "log_url": item.log_url,
        "performed_via_github_app": _app(world, item.app),
    }


def environment(world: World, repository: Repository, item: Environment) -> Json:
    """An environment (`environment`). GitHub's own page finds it by its encoded name."""
    name = quote(item.name, safe="")
    page = render.page_url(world, repository)
    return {
        "id": item.id,
        "node_id": node_id("Environment", item.id),
        "name": item.name,
        "url": f"{render.repository_url(world, repository)}/environments/{name}",
        "html_url": f"{page}/deployments/activity_log?environments_filter={name}",
        "created_at": item.created_at,
        "updated_at": item.created_at,
        "protection_rules": [],
        "deployment_branch_policy": None,
    }
