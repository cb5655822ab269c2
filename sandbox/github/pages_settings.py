"""What an owner clicks: a repository's settings, an account's name, and the list of deployments."""

from flask import Blueprint, abort, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from sandbox.github import render, roles
from sandbox.github.endpoints.repositories import proper_name
from sandbox.github.errors import GitHubError
from sandbox.github.lifecycle import Lifecycle
from sandbox.github.routing import Services
from sandbox.github.viewing import viewer
from sandbox.github.world import Repository, User


def blueprint(services: Services) -> Blueprint:
    """The routes of the pages."""
    routes = Blueprint("settings", __name__, template_folder="templates")
    _add_repository_settings(routes, services)
    _add_account_settings(routes, services)

    @routes.get("/<owner>/<repo>/deployments")
    @routes.get("/<owner>/<repo>/deployments/activity_log")
    def deployments(owner: str, repo: str) -> str:
        """Deployments, newest first; `environments_filter` names one environment."""
        repository = services.world.repository(owner, repo) or abort(404)
        wanted = request.args.get("environments_filter")
        listed = [
            one for one in repository.deployments.all[::-1] if wanted in (None, "", one.environment)
        ]
        return render_template("deployments.html", repository=repository, deployments=listed)

    return routes


def _add_repository_settings(routes: Blueprint, services: Services) -> None:
    def find(owner: str, repo: str) -> tuple[Repository, User]:
        repository = services.world.repository(owner, repo) or abort(404)
        user = viewer(services)
        if not roles.includes(roles.effective(repository, user), "admin"):
            abort(404)
        return repository, user

    @routes.get("/<owner>/<repo>/settings")
    def settings(owner: str, repo: str) -> str:
        repository, _ = find(owner, repo)
        others = [
            one
            for one in services.world.users.values()
            if one.type != "Bot" and one is not repository.owner
        ]
        return render_template("settings.html", repository=repository, others=others)

    @routes.post("/<owner>/<repo>/settings/<verb>")
    def change(owner: str, repo: str, verb: str) -> BaseResponse:
        """`rename` (with `name`), `transfer` (with `new_owner`), `archive`, `unarchive`, `hide`,
        `show` and `delete`.
        """
        repository, user = find(owner, repo)
        try:
            _change(services, repository, user, verb)
        except GitHubError as refusal:
            abort(refusal.status, refusal.message)
        if verb == "delete":
            return redirect("/", 303)
        return redirect(render.page_url(services.world, repository), 303)


def _change(services: Services, repository: Repository, user: User, verb: str) -> None:
    lifecycle = Lifecycle(services.world, services.events)
    match verb:
        case "rename":
            lifecycle.rename(repository, proper_name(request.form.get("name", "")), user)
        case "transfer":
            owner = services.world.user(request.form.get("new_owner", ""))
            if owner is None:
                raise GitHubError(422, "New owner was not found")
            lifecycle.ask_to_take(repository, owner, repository.name, user)
        case "archive" | "unarchive":
            lifecycle.archive(repository, user, archived=verb == "archive")
        case "hide" | "show":
            lifecycle.hide(repository, user, private=verb == "hide")
        case "delete":
            lifecycle.delete(repository, user)
        case _:
            raise GitHubError(404, "Not Found")


def _add_account_settings(routes: Blueprint, services: Services) -> None:
    world = services.world

    def taking(user: User) -> list[Repository]:
        return [
            world.repositories[number]
            for number, (owner, _) in world.transfers.items()
            if owner is user and number in world.repositories
        ]

    @routes.get("/settings/admin")
    def account() -> str:
        user = viewer(services)
        return render_template("account.html", account=user, offered=taking(user))

    @routes.post("/settings/admin/rename")
    def rename() -> BaseResponse:
        """Field `login`."""
        user = viewer(services)
        try:
            lifecycle = Lifecycle(world, services.events)
            lifecycle.rename_account(user, request.form["login"], user)
        except GitHubError as refusal:
            abort(refusal.status, refusal.message)
        return redirect("/settings/admin", 303)

    @routes.post("/settings/admin/take/<int:number>")
    def take(number: int) -> BaseResponse:
        """Accept a repository that somebody offers."""
        user = viewer(services)
        if number not in {one.id for one in taking(user)}:
            abort(404)
        repository = world.repositories[number]
        Lifecycle(world, services.events).accept(repository)
        return redirect(render.page_url(world, repository), 303)
