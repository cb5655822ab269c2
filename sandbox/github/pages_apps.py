"""The pages on which a person makes an App from a manifest, and an App's own page.

Source: docs.github.com, "Registering a GitHub App from a manifest".
"""

from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import Blueprint, abort, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from sandbox.github.app_manifest import InvalidManifest, parse
from sandbox.github.routing import Services
from sandbox.github.viewing import viewer
from sandbox.github.world import User


def blueprint(services: Services) -> Blueprint:
    """The routes of the pages."""
    routes = Blueprint("app_pages", __name__, template_folder="templates")
    world, maker = services.world, services.maker

    def owner(login: str | None) -> User:
        user = viewer(services)
        account = world.user(login) if login else user
        if account is None or not world.administers(user, account):
            abort(404)
        return account

    def invalid(error: InvalidManifest) -> tuple[str, int]:
        return render_template("new_app.html", problems=error.problems), 422

    @routes.post("/settings/apps/new", defaults={"org": None})
    @routes.post("/organizations/<org>/settings/apps/new")
    def propose(org: str | None) -> str | tuple[str, int]:
        """Field `manifest`, and `state` in the query; shows what will be made."""
        account = owner(org)
        try:
            manifest = parse(request.form.get("manifest", ""))
        except InvalidManifest as error:
            return invalid(error)
        return render_template(
            "new_app.html",
            manifest=manifest,
            owner=account,
            text=request.form["manifest"],
            state=request.args.get("state"),
            action=f"/organizations/{org}/settings/apps" if org else "/settings/apps",
        )

    @routes.post("/settings/apps", defaults={"org": None})
    @routes.post("/organizations/<org>/settings/apps")
    def create(org: str | None) -> BaseResponse | tuple[str, int]:
        """The button "Create GitHub App": fields `manifest`, `name` and `state`."""
        account = owner(org)
        try:
            manifest = parse(request.form.get("manifest", ""))
            name = request.form.get("name") or manifest.name
            code = maker.make(manifest, name, account)
        except InvalidManifest as error:
            return invalid(error)
        state = request.form.get("state")
        return redirect(_with(manifest.redirect_url, code, state), 302)

    @routes.get("/apps/<slug>")
    @routes.get("/settings/apps/<slug>")
    @routes.get("/organizations/<_org>/settings/apps/<slug>")
    def app_page(slug: str, _org: str = "") -> str:
        return render_template("app.html", app=world.app_named(slug) or abort(404))

    return routes


def _with(url: str, code: str, state: str | None) -> str:
    """The URL with the code, and the state when one was given."""
    parts = urlsplit(url)
    added = urlencode({"code": code} | ({"state": state} if state else {}))
    query = f"{parts.query}&{added}" if parts.query else added
    return urlunsplit(parts._replace(query=query))
