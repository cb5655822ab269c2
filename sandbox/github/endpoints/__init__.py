"""The REST operations, one module for each of GitHub's chapters."""

from sandbox.github.endpoints import (
    app,
    checks,
    collaborators,
    comments,
    commits,
    contents,
    deliveries,
    deployment_statuses,
    deployments,
    environments,
    forks,
    issues,
    pulls,
    refs,
    releases,
    repositories,
    statuses,
    trees,
    users,
    writing,
)
from sandbox.github.routing import ENDPOINTS

MODULES = (
    app,
    checks,
    collaborators,
    comments,
    commits,
    contents,
    deliveries,
    deployment_statuses,
    deployments,
    environments,
    forks,
    issues,
    pulls,
    refs,
    releases,
    repositories,
    statuses,
    trees,
    users,
    writing,
)
OPERATIONS = tuple(ENDPOINTS)
