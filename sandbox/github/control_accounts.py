"""Controls for accounts: make one, sign in as it, rename it, let it accept a repository, change
what it granted.
"""

from flask import Blueprint, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from sandbox.github import viewing
from sandbox.github.errors import GitHubError
from sandbox.github.lifecycle import Lifecycle
from sandbox.github.routing import Services
from sandbox.github.world import Json, User


def blueprint(services: Services) -> Blueprint:
    """The routes below `/_sandbox/accounts`, and `/_sandbox/sign-in`."""
    routes = Blueprint("accounts", __name__, url_prefix="/_sandbox")
    world, lifecycle = services.world, Lifecycle(services.world, services.events)

    @routes.get("/accounts")
    def listing() -> Response:
        return jsonify([_facts(user) for user in world.users.values()])

    @routes.post("/accounts")
    def create() -> tuple[Response, int]:
        """`login`, and optionally `type` (`User` or `Organization`) and `owners` (logins)."""
        body: Json = request.get_json()
        if world.user(body["login"]):
            return jsonify(error=f"There is an account {body['login']} already."), 422
        kind = body.get("type", "User")
        account = world.add_user(
            body["login"], name=str(body.get("name") or body["login"]), kind=kind
        )
        facts = _facts(account)
        if kind == "Organization":
            owners = [world.user(login) for login in body.get("owners", ())]
            account.owners = {owner.id for owner in owners if owner}
            account.owners |= {viewing.viewer(services).id} if not owners else set()
        else:
            facts["token"] = world.new_personal_token(account)
        return jsonify(facts), 201

    @routes.post("/accounts/<login>/rename")
    def rename(login: str) -> tuple[Response, int]:
        """Give the account another `login`, as its settings page does."""
        account = world.user(login)
        if account is None:
            return jsonify(error=f"There is no account {login}."), 404
        by = account if account.type == "User" else viewing.viewer(services)
        try:
            lifecycle.rename_account(account, request.get_json()["login"], by)
        except GitHubError as refusal:
            return jsonify(error=refusal.message), refusal.status
        return jsonify(_facts(account)), 200

    @routes.post("/transfers/<int:number>/accept")
    def accept(number: int) -> tuple[Response, int]:
        """Follow the link in the message that asks the new owner of a repository."""
        if number not in world.transfers:
            return jsonify(error="Nobody was asked to take this repository."), 404
        lifecycle.accept(world.repositories[number])
        return jsonify(full_name=world.repositories[number].full_name), 200

    @routes.put("/installations/<int:number>/permissions")
    def permissions(number: int) -> tuple[Response, int]:
        """Let an installation have other permissions than its App asks for, given as an object.

        At GitHub that comes from an App that asks for more than when it was installed.
        """
        installation = world.installations.get(number)
        if installation is None:
            return jsonify(error="There is no such installation."), 404
        installation.permissions = dict(request.get_json())
        return jsonify(installation.permissions), 200

    @routes.post("/sign-in")
    def sign_in() -> BaseResponse:
        """Field `login`: whom the pages take the browser for from now on."""
        response = redirect(request.referrer or "/", 303)
        response.set_cookie(viewing.COOKIE, request.form["login"], samesite="Lax")
        return response

    return routes


def _facts(user: User) -> Json:
    return {"id": user.id, "login": user.login, "type": user.type}
