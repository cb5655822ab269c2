"""The REST operations, one module for each of GitHub's chapters."""

from sandbox.github.endpoints import (
    app,
    checks,
    commits,
    contents,
    deliveries,
    deployment_statuses,
    deployments,
    environments,
    releases,
    repositories,
    statuses,
    users,
)
from sandbox.github.routing import ENDPOINTS

MODULES = (
    app,
    checks,
    commits,
    contents,
    deliveries,
    deployment_statuses,
    deployments,
    environments,
    releases,
    repositories,
    statuses,
    users,
)
OPERATIONS = tuple(ENDPOINTS)
