"""A control for check runs: press a button as anybody, also as somebody who does not see it."""

from flask import Blueprint, Response, jsonify, request

from sandbox.github.errors import GitHubError
from sandbox.github.pages_checks import press
from sandbox.github.reports import age
from sandbox.github.routing import Services
from sandbox.github.viewing import viewer


def blueprint(services: Services) -> Blueprint:
    """The route below `/_sandbox/check-runs`."""
    routes = Blueprint("check_controls", __name__, url_prefix="/_sandbox/check-runs")

    @routes.post("/<int:number>/actions/<identifier>")
    def act(number: int, identifier: str) -> tuple[Response, int]:
        """Optionally `user`, the login of whoever presses; otherwise the user who is signed in."""
        world = services.world
        found = world.check_run(number)
        login = (request.get_json(silent=True) or {}).get("user")
        user = world.user(login) if login else viewer(services)
        if found is None or user is None:
            return jsonify(error="There is no such check run, or no such user."), 404
        repository, run = found
        age(world, repository)
        try:
            press(services.events, repository, run, identifier, user)
        except GitHubError as refusal:
            return jsonify(error=refusal.message), refusal.status
        return jsonify(check_run=run.id, requested_action=identifier, user=user.login), 202

    return routes
