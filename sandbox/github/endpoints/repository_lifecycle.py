"""Changing, transferring and deleting repositories (docs.github.com/rest/repos/repos)."""

from sandbox.github import bodies, render, roles
from sandbox.github.endpoints.repositories import proper_name
from sandbox.github.errors import archived, validation_failed
from sandbox.github.lifecycle import Lifecycle
from sandbox.github.routing import Answer, Call, endpoint

_ONE = "/repos/{owner}/{repo}"


@endpoint("PATCH", _ONE, permission="administration:write")
def update_repository(call: Call) -> Answer:
    """Rename, archive, hide or edit a repository."""
    bodies.check("repository-update", call.body)
    repository, body, user = call.repository, call.body, call.caller.account
    lifecycle = Lifecycle(call.world, call.events)
    if repository.archived and body.get("archived") is not False:
        raise archived()
    if "archived" in body:
        lifecycle.archive(repository, user, archived=body["archived"])
    lifecycle.edit(repository, user, body)
    if body.get("name"):
        lifecycle.rename(repository, proper_name(body["name"]), user)
    private = body.get("private")
    if "visibility" in body:
        private = body["visibility"] == "private"
    if private is not None:
        lifecycle.hide(repository, user, private=private)
    role = roles.effective(repository, call.caller.user) if call.caller.user else "read"
    return Answer(render.full_repository(call.world, repository, role=role))


@endpoint("DELETE", _ONE, permission="administration:write")
def delete_repository(call: Call) -> Answer:
    """Remove a repository for good."""
    Lifecycle(call.world, call.events).delete(call.repository, call.caller.account)
    return Answer(status=204)


@endpoint("POST", _ONE + "/transfer", permission="administration:write", content=True)
def transfer_repository(call: Call) -> Answer:
    """Give a repository to another account; a person has to accept it first.

    The answer names the owner that it had.
    """
    bodies.check("transfer", call.body)
    repository, user = call.repository, call.caller.account
    owner = call.world.user(call.body["new_owner"])
    name = proper_name(call.body.get("new_name") or repository.name)
    if owner is None or owner.type == "Bot":
        raise validation_failed("Repository", "new_owner", "New owner was not found")
    rendered = render.repository_essentials(call.world, repository)
    Lifecycle(call.world, call.events).ask_to_take(repository, owner, name, user)
    return Answer(rendered, 202)
