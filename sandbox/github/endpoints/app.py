"""The GitHub App: itself, its installations and their tokens (docs.github.com/rest/apps)."""

from sandbox.github import bodies, render
from sandbox.github.clock import stamp
from sandbox.github.errors import GitHubError, not_found
from sandbox.github.installing import Installer
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import AccessToken, Installation, Json, Repository

_LEVELS = ("read", "write", "admin")


@endpoint("GET", "/app", audience="app")
def get_app(call: Call) -> Answer:
    """The authenticated App."""
    count = {"installations_count": len(_installations(call))}
    return Answer(render.app(call.world, call.app) | count)


@endpoint("GET", "/apps/{app_slug}", audience="anyone")
def get_app_by_slug(call: Call) -> Answer:
    """An App as everybody sees it."""
    app = call.world.app_named(call.path["app_slug"])
    if app is None:
        raise not_found()
    return Answer(render.app(call.world, app))


@endpoint("GET", "/app/installations", audience="app")
def list_installations(call: Call) -> Answer:
    """All installations of the App."""
    page, headers = call.page(_installations(call))
    return Answer([render.installation(call.world, one) for one in page], headers=headers)


@endpoint("GET", "/app/installations/{installation_id}", audience="app")
def get_installation(call: Call) -> Answer:
    """One installation."""
    return Answer(render.installation(call.world, _installation(call)))


@endpoint("DELETE", "/app/installations/{installation_id}", audience="app")
def delete_installation(call: Call) -> Answer:
    """The App takes itself from an account."""
    Installer(call.world, call.events).uninstall(_installation(call), call.caller.account)
    return Answer(status=204)


@endpoint("PUT", "/app/installations/{installation_id}/suspended", audience="app")
def suspend_installation(call: Call) -> Answer:
    """The App lets an installation rest."""
    Installer(call.world, call.events).suspend(_installation(call), call.caller.account)
    return Answer(status=204)


@endpoint("DELETE", "/app/installations/{installation_id}/suspended", audience="app")
def unsuspend_installation(call: Call) -> Answer:
    """The App wakes an installation."""
    Installer(call.world, call.events).unsuspend(_installation(call), call.caller.account)
    return Answer(status=204)


@endpoint("GET", "/repos/{owner}/{repo}/installation", audience="app")
def get_repository_installation(call: Call) -> Answer:
    """The installation that covers a repository."""
    repository = call.found_repository()
    installation = repository and call.world.installation_on(repository, call.app)
    if not installation:
        raise not_found()
    return Answer(render.installation(call.world, installation))


@endpoint("POST", "/app/installations/{installation_id}/access_tokens", audience="app")
def create_access_token(call: Call) -> Answer:
    """A token of one hour, for all that the installation may do or for less."""
    bodies.check("access-token", call.body)
    installation = _installation(call)
    if installation.suspended_at:
        raise GitHubError(403, "This installation has been suspended")
    repositories = _chosen_repositories(call, installation)
    token = AccessToken(
        installation.id,
        _chosen_permissions(call, installation),
        None if repositories is None else frozenset(one.id for one in repositories),
        stamp(call.world.clock.now() + call.world.token_seconds),
    )
    body: Json = {
        "token": call.world.new_access_token(token),
        "expires_at": token.expires_at,
        "permissions": token.permissions,
        "repository_selection": installation.selection if repositories is None else "selected",
    }
    if repositories is not None:
        body["repositories"] = [render.repository(call.world, one) for one in repositories]
    return Answer(body, 201)


def _installations(call: Call) -> list[Installation]:
    with call.world.lock:
        return [one for one in call.world.installations.values() if one.app is call.app]


def _installation(call: Call) -> Installation:
    installation = call.world.installations.get(call.path["installation_id"])
    if installation is None or installation.app is not call.app:
        raise not_found()
    return installation


def _chosen_repositories(call: Call, installation: Installation) -> list[Repository] | None:
    names, ids = call.body.get("repositories"), call.body.get("repository_ids")
    if not names and not ids:
        return None
    covered = call.world.repositories_of(installation)
    chosen = [
        one
        for one in covered
        if one.id in (ids or ()) or one.name.lower() in {name.lower() for name in names or ()}
    ]
    if len(chosen) < len(set(names or ()) | set(ids or ())):
        raise GitHubError(
            422,
            "There is at least one repository that does not exist or is not accessible to the "
            "parent installation.",
        )
    return chosen


def _chosen_permissions(call: Call, installation: Installation) -> dict[str, str]:
    wanted: dict[str, str] | None = call.body.get("permissions")
    if not wanted:
        return dict(installation.permissions)
    for name, level in wanted.items():
        granted = installation.permissions.get(name)
        if granted is None or _LEVELS.index(level) > _LEVELS.index(granted):
            raise GitHubError(
                422, "The permissions requested are not granted to this installation."
            )
    return {"metadata": "read", **wanted}


@endpoint("GET", "/installation/repositories", audience="installation")
def list_installation_repositories(call: Call) -> Answer:
    """What the calling token may act on."""
    installation = call.caller.installation
    assert installation is not None
    reached = [one for one in call.world.repositories_of(installation) if call.caller.reaches(one)]
    page, headers = call.page(reached)
    body = {
        "total_count": len(reached),
        "repositories": [render.repository(call.world, one) for one in page],
        "repository_selection": installation.selection,
    }
    return Answer(body, headers=headers)


@endpoint("DELETE", "/installation/token", audience="installation")
def revoke_access_token(call: Call) -> Answer:
    """End the calling token's life."""
    with call.world.lock:
        for secret, token in list(call.world.access_tokens.items()):
            if token is call.caller.token:
                del call.world.access_tokens[secret]
    return Answer(status=204)
