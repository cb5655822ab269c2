"""The WSGI application: serves the table of operations, git, the pages and the controls."""

import hashlib
import re
import secrets
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from sandbox.github import (
    control,
    control_accounts,
    control_checks,
    pages,
    pages_apps,
    pages_settings,
    smart_http,
)
from sandbox.github.endpoints import OPERATIONS
from sandbox.github.errors import GitHubError, not_found
from sandbox.github.identity import Caller, identify
from sandbox.github.routing import Answer, Call, Endpoint, Services
from sandbox.github.world import Json

_API_ROOTS = (
    "app",
    "app-manifests",
    "apps",
    "installation",
    "orgs",
    "rate_limit",
    "repos",
    "repositories",
    "user",
    "users",
    "zen",
)
_REPOSITORY = "/repos/<owner>/<repo>"
_WITH_SLASHES = {"path", "ref", "branch", "basehead", "sha", "tag", "environment_name", "tree_sha"}
_VERSIONS = ("2022-11-28", "2026-03-10")
_NO_AGENT = (
    "Request forbidden by administrative rules. Please make sure your request has a User-Agent "
    "header (https://docs.github.com/en/rest/overview/resources-in-the-rest-api"
    "#user-agent-required). Check https://developer.github.com for other possible causes.\n"
)


def create_app(services: Services) -> Flask:
    """The application over `services`."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for endpoint in OPERATIONS:
        _mount(app, services, endpoint)
    app.register_blueprint(smart_http.blueprint(services))
    app.register_blueprint(control.blueprint(services))
    app.register_blueprint(control_accounts.blueprint(services))
    app.register_blueprint(control_checks.blueprint(services))
    app.register_blueprint(pages.blueprint(services))
    app.register_blueprint(pages_apps.blueprint(services))
    app.register_blueprint(pages_settings.blueprint(services))
    app.register_error_handler(HTTPException, _http_error)
    return app


def _rule(template: str) -> str:
    """Flask's rule for a path of GitHub's description."""

    def converted(match: re.Match[str]) -> str:
        name = match[1]
        if name in _WITH_SLASHES:
            return f"<path:{name}>"
        number = name.endswith(("_id", "_number"))
        return f"<int:{name}>" if number else f"<{name}>"

    return re.sub(r"\{(\w+)\}", converted, template)


def _mount(app: Flask, services: Services, endpoint: Endpoint) -> None:
    def view(**path: Any) -> Response:
        if "repository_id" in path and endpoint.template.startswith("/repos/"):
            path |= _named(services, path.pop("repository_id"))
        return _serve(services, endpoint, path)

    name = f"{endpoint.method} {endpoint.template}".replace(".", "·")
    rule = _rule(endpoint.template)
    app.add_url_rule(rule, name, view, methods=[endpoint.method])
    if rule.startswith(_REPOSITORY):
        # Where the redirects of a renamed repository lead.
        numbered = "/repositories/<int:repository_id>" + rule.removeprefix(_REPOSITORY)
        app.add_url_rule(numbered, name, view, methods=[endpoint.method])
    if rule.endswith("/contents/<path:path>"):
        # The root folder has an empty path, with or without the slash before it.
        root = rule.removesuffix("/<path:path>")
        for variant in (root, root + "/"):
            app.add_url_rule(variant, name, view, methods=[endpoint.method], defaults={"path": ""})


def _named(services: Services, number: int) -> dict[str, str]:
    """Owner and name of a repository by its number; empty when there is none."""
    found = services.world.repositories.get(number)
    return {"owner": found.owner.login, "repo": found.name} if found else {"owner": "", "repo": ""}


def _serve(services: Services, endpoint: Endpoint, path: dict[str, Any]) -> Response:
    fault = services.faults.take(request.method, request.path, endpoint.template)
    caller = Caller(services.world)
    response: Response | None = None
    try:
        if fault is None or fault.applied or fault.kind == "truncated":
            caller, response = _answer(services, endpoint, path)
        if fault:
            response = services.faults.strike(fault, caller.budget, response)
    except GitHubError as refusal:
        response = _refusal(refusal)
    assert response is not None
    _add_headers(services, caller, response)
    services.traffic.record(endpoint.template, request, response, fault is not None)
    return response


def _answer(
    services: Services, endpoint: Endpoint, path: dict[str, Any]
) -> tuple[Caller, Response]:
    if not request.headers.get("User-Agent"):
        return Caller(services.world), Response(_NO_AGENT, 403, mimetype="text/plain")
    caller = Caller(services.world)
    try:
        caller = identify(services.world, request.authorization)
        call = _call(services, endpoint, caller, path)
        call.admit(endpoint.audience)
        counted = services.limits.request(
            caller.budget, request.method, anonymous=caller.anonymous, content=endpoint.content
        )
        with services.limits.uncounted() if endpoint.free else counted:
            if endpoint.audience == "repository":
                _ = call.repository  # refuses before anything else is looked at
            response = _rendered(endpoint.function(call))
    except GitHubError as refusal:
        return caller, _refusal(refusal)
    if response.status_code == 304 and not endpoint.free:
        services.limits.refund(caller.budget)
    return caller, response


def _call(services: Services, endpoint: Endpoint, caller: Caller, path: dict[str, Any]) -> Call:
    version = request.headers.get("X-GitHub-Api-Version")
    if version and version not in _VERSIONS:
        raise GitHubError(400, f"{version} is not a supported API version.")
    return Call(
        services,
        caller,
        path,
        request.args,
        _json_body(),
        request.headers.get("Accept", ""),
        services.world.url + request.path,
        endpoint.permission,
        endpoint.role,
        request.method,
    )


def _json_body() -> Json:
    if request.method in ("GET", "HEAD") or not request.get_data():
        return {}
    body = request.get_json(force=True, silent=True)
    if body is None:
        raise GitHubError(400, "Problems parsing JSON")
    if not isinstance(body, dict):
        raise GitHubError(400, "Body should be a JSON object")
    return body


def _rendered(answer: Answer) -> Response:
    if isinstance(answer.body, bytes):
        return Response(answer.body, answer.status, headers=answer.headers)
    if answer.body is None:
        return Response(status=answer.status, headers=answer.headers)
    response = jsonify(answer.body)
    response.status_code = answer.status
    response.headers.extend(answer.headers)
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    if request.method == "GET" and answer.status == 200:
        tag = hashlib.sha256(response.get_data()).hexdigest()
        response.set_etag(tag, weak=True)
        if request.if_none_match.contains_weak(tag):
            return Response(status=304, headers={"ETag": f'W/"{tag}"'})
    return response


def _refusal(refusal: GitHubError) -> Response:
    response = jsonify(refusal.body)
    response.status_code = refusal.status
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    for name, value in refusal.headers.items():
        response.headers[name] = value
    return response


def _add_headers(services: Services, caller: Caller, response: Response) -> None:
    response.headers["X-GitHub-Request-Id"] = secrets.token_hex(10).upper()
    response.headers["X-GitHub-Media-Type"] = "github.v3; format=json"
    counted = services.limits.headers(caller.budget, anonymous=caller.anonymous)
    for name, value in counted.items():
        # A refusal for an exceeded limit brings its own "remaining".
        response.headers.setdefault(name, value)


def _http_error(error: HTTPException) -> Any:
    if request.path.split("/")[1] in _API_ROOTS and error.code in (404, 405):
        return _refusal(not_found())
    return error
