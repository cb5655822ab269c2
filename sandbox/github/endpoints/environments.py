"""Environments (docs.github.com/rest/deployments/environments).

Reading them takes the permission `actions`, deleting one takes `administration`.
"""

from flask import request

from sandbox.github import render_deployments
from sandbox.github.errors import archived, not_found
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world_deployments import Environment

_ALL = "/repos/{owner}/{repo}/environments"
_ONE = _ALL + "/{environment_name}"


@endpoint("GET", _ALL, permission="actions:read")
def list_environments(call: Call) -> Answer:
    """A repository's environments, oldest first."""
    found = list(call.repository.deployments.environments.values())
    page, headers = call.page(found)
    rendered = [render_deployments.environment(call.world, call.repository, one) for one in page]
    return Answer({"total_count": len(found), "environments": rendered}, headers=headers)


@endpoint("GET", _ONE, permission="actions:read")
def get_environment(call: Call) -> Answer:
    """One environment."""
    return Answer(render_deployments.environment(call.world, call.repository, _environment(call)))


@endpoint("DELETE", _ONE, permission="administration:write")
def delete_environment(call: Call) -> Answer:
    """Remove an environment; the deployments to it stay."""
    found = _environment(call)
    if call.repository.archived:
        raise archived()
    with call.world.lock:
        del call.repository.deployments.environments[found.name]
    return Answer(status=204)


def _environment(call: Call) -> Environment:
    # A slash in the name has to be encoded, or the path is that of something else.
    raw = str(request.environ.get("RAW_URI", request.path)).partition("?")[0]
    found = call.repository.deployments.environments.get(call.path["environment_name"])
    if found is None or "/" in raw.partition("/environments/")[2]:
        raise not_found()
    return found
