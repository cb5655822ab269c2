"""Controls that are plainly not GitHub's, all below `/_sandbox/`: faults, webhooks, clock, limits.

They are for tests and demonstrations and ask for no credentials.
"""

from dataclasses import asdict, fields
from typing import Any

from flask import Blueprint, Response, jsonify, request

from sandbox.github.faults import Fault
from sandbox.github.routing import Services

_AVATAR = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" '
    'rx="20" fill="hsl({hue} 55% 45%)"/><circle cx="20" cy="16" r="7" fill="#fff"/>'
    '<path d="M6 38a14 14 0 0 1 28 0z" fill="#fff"/></svg>'
)


def blueprint(services: Services) -> Blueprint:
    """The routes below `/_sandbox/`."""
    routes = Blueprint("sandbox", __name__, url_prefix="/_sandbox")

    @routes.get("/faults")
    def list_faults() -> Response:
        return jsonify(services.faults.listing())

    @routes.post("/faults")
    def add_fault() -> tuple[Response, int]:
        given = request.get_json()
        unknown = set(given) - {field.name for field in fields(Fault)}
        if unknown or not {"method", "path", "kind"} <= set(given):
            text = "A fault has method, path, kind and optionally status, skip, times, applied, "
            return jsonify(error=text + "seconds."), 400
        return jsonify(asdict(services.faults.add(Fault(**given)))), 201

    @routes.delete("/faults")
    def clear_faults() -> tuple[str, int]:
        services.faults.clear()
        return "", 204

    @routes.get("/traffic")
    def traffic() -> Response:
        return Response(services.traffic.text(), mimetype="application/jsonl")

    @routes.get("/avatars/<int:number>.svg")
    def avatar(number: int) -> Response:
        return Response(_AVATAR.format(hue=number * 47 % 360), mimetype="image/svg+xml")

    _add_state_routes(routes, services)
    return routes


def _add_state_routes(routes: Blueprint, services: Services) -> None:
    @routes.route("/webhooks", methods=["GET", "PATCH"])
    def webhooks() -> Response:
        """`paused`, and how many of the next deliveries to `drop`, `duplicate` or `reverse`."""
        if request.method == "PATCH":
            changes = dict(request.get_json())
            services.hooks.url = changes.pop("url", services.hooks.url)
            services.hooks.set_mischief(**changes)
        state: dict[str, Any] = asdict(services.hooks.mischief)
        return jsonify(state | {"url": services.hooks.url, "idle": services.hooks.idle()})

    @routes.post("/clock")
    def clock() -> Response:
        """Move the clock forward by `advance` seconds."""
        services.world.clock.advance(float(request.get_json()["advance"]))
        return jsonify(now=services.world.clock.stamp())

    @routes.route("/limits", methods=["GET", "PATCH"])
    def limits() -> Response:
        """The rate limits, see `Budgets`, and `token_seconds`, the life of an access token."""
        for name, value in (request.get_json() if request.method == "PATCH" else {}).items():
            if name == "token_seconds":
                services.world.token_seconds = float(value)
            else:
                setattr(services.limits.budgets, name, int(value))
        state: dict[str, Any] = asdict(services.limits.budgets)
        return jsonify(state | {"token_seconds": services.world.token_seconds})
