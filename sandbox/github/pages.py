"""The stand-in's face for people: repositories, commits with their checks, installing the App.

Whoever opens a page is signed in as the user who owns everything. Buttons are plain forms, so a
script can post the same fields.
"""

import re
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request
from markdown_it import MarkdownIt
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from sandbox.github import pages_checks, pages_pulls, render
from sandbox.github.endpoints.repositories import new_repository
from sandbox.github.git import Commit, UnknownObject
from sandbox.github.installing import Installer
from sandbox.github.reports import age, of_commit
from sandbox.github.routing import Services
from sandbox.github.viewing import viewer
from sandbox.github.world import Installation, Repository

COMMITS_SHOWN = 30
# GitHub shows nothing of a comment, and Sigil marks what it wrote with one.
_HIDDEN = re.compile(r"<!--.*?-->", re.DOTALL)
_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def blueprint(services: Services) -> Blueprint:
    """The pages' routes."""
    routes = Blueprint("pages", __name__, template_folder="templates")
    routes.add_app_template_filter(_render_markdown, "markdown")
    routes.app_context_processor(lambda: _shown_everywhere(services))
    _add_repository_pages(routes, services)
    pages_checks.add_pages(routes, services)
    _add_installation_pages(routes, services)
    pages_pulls.add_pages(routes, services)
    return routes


def _shown_everywhere(services: Services) -> dict[str, Any]:
    people = [user for user in services.world.users.values() if user.type == "User"]
    apps = list(services.world.apps.values())
    return {"viewer": viewer(services), "app": apps[0], "apps": apps, "people": people}


def _render_markdown(text: str | None) -> Markup:
    # The renderer escapes HTML in the text, so its output may be trusted.
    return Markup(_markdown.render(_HIDDEN.sub("", text or "")))  # noqa: S704


def _repository(services: Services, owner: str, name: str) -> Repository:
    found = services.world.repository(owner, name)
    former = None if found else services.world.former(f"{owner}/{name}")
    if former:
        rest = request.full_path.removeprefix(f"/{owner}/{name}").rstrip("?")
        abort(redirect(f"/{former.full_name}{rest}", 301 if request.method == "GET" else 307))
    return found or abort(404)


def _add_repository_pages(routes: Blueprint, services: Services) -> None:
    @routes.get("/")
    def home() -> str:
        world = services.world
        repositories = [
            (repository, world.installation_on(repository))
            for repository in world.all_repositories()
        ]
        return render_template("home.html", repositories=repositories)

    @routes.post("/new")
    def create() -> BaseResponse:
        name = request.form.get("name", "").strip().replace(" ", "-")
        user = viewer(services)
        if not name or services.world.repository(user.login, name):
            abort(422, "A repository needs a name that is not taken yet.")
        repository = new_repository(
            services.world, user, name, private="private" in request.form, description=None
        )
        services.events.repository("created", repository, user)
        Installer(services.world, services.events).repository_created(repository, user)
        return redirect(render.page_url(services.world, repository), 303)

    @routes.get("/<owner>/<repo>")
    def repository_page(owner: str, repo: str) -> str:
        repository = _repository(services, owner, repo.removesuffix(".git"))
        age(services.world, repository)
        commits: list[Commit] = []
        if repository.git.refs():
            commits = repository.git.commits("--branches", "--date-order", limit=COMMITS_SHOWN)
        return render_template(
            "repository.html",
            repository=repository,
            rows=[(commit, *of_commit(repository, commit.sha)) for commit in commits],
            tips=_names(repository),
            clone_url=f"{render.page_url(services.world, repository)}.git",
            installation=services.world.installation_on(repository),
        )

    @routes.get("/<owner>/<repo>/commit/<sha>")
    def commit_page(owner: str, repo: str, sha: str) -> str:
        repository = _repository(services, owner, repo)
        try:
            commit = repository.git.commit(sha)
        except UnknownObject:
            abort(404)
        runs, statuses = of_commit(repository, commit.sha)
        return render_template(
            "commit.html", repository=repository, commit=commit, runs=runs, statuses=statuses
        )

    @routes.get("/<owner>/<repo>/<any(blob, raw):view>/<ref>/<path:path>")
    def file(owner: str, repo: str, view: str, ref: str, path: str) -> Response:
        git = _repository(services, owner, repo).git
        try:
            entries = git.tree(git.commit_sha(ref), path)
            content = git.blob(entries[0].sha)
        except (UnknownObject, IndexError):
            abort(404)
        # Never as HTML: it is somebody's file, served from the place that serves the pages.
        return Response(content, mimetype="text/plain")


def _names(repository: Repository) -> dict[str, list[str]]:
    """Commit → the branches and tags that name it."""
    named: dict[str, list[str]] = {}
    for ref in repository.git.refs():
        short = ref.split("/", 2)[2]
        named.setdefault(repository.git.commit_sha(short), []).append(short)
    return named


def _add_installation_pages(routes: Blueprint, services: Services) -> None:
    installer = Installer(services.world, services.events)

    def answer(installation: Installation | None, action: str = "") -> BaseResponse:
        """A page for a person, JSON for a script that asks for it.

        Once repositories were chosen (`action`), the App's own page follows if it has one.
        """
        if request.accept_mimetypes.best == "application/json":
            body: Any = installation and render.installation(services.world, installation)
            return jsonify(body)
        if installation is None:
            return redirect("/", 303)
        app, page = installation.app, f"/settings/installations/{installation.id}"
        if app.setup_url and (action == "install" or (action and app.setup_on_update)):
            query = f"installation_id={installation.id}&setup_action={action}"
            page = f"{app.setup_url}{'&' if '?' in app.setup_url else '?'}{query}"
        return redirect(page, 303)

    def own(number: int) -> Installation:
        installation = services.world.installations.get(number) or abort(404)
        if not services.world.administers(viewer(services), installation.account):
            abort(404)
        return installation

    @routes.get("/apps/<slug>/installations/new")
    def choose(slug: str) -> str:
        app = services.world.app_named(slug) or abort(404)
        world, user = services.world, viewer(services)
        return render_template(
            "install.html",
            app=app,
            repositories=[
                one for one in world.all_repositories() if world.administers(user, one.owner)
            ],
            accounts=[one for one in world.users.values() if world.administers(user, one)],
        )

    @routes.post("/apps/<slug>/installations/new")
    def install(slug: str) -> BaseResponse:
        """Fields: `repository=owner/name` (several), or `repository_selection=all` and, for
        another account than one's own, `account`.
        """
        names = [name.partition("/") for name in request.form.getlist("repository")]
        everything = request.form.get("repository_selection") == "all"
        app = services.world.app_named(slug) or abort(404)
        if not names and not everything:
            abort(422, "Choose at least one repository.")
        chosen = [_repository(services, owner, name) for owner, _, name in names]
        user = viewer(services)
        account = services.world.user(request.form.get("account", "")) or user
        account = chosen[0].owner if chosen else account
        foreign = account is not app.owner and not app.public
        if foreign or not services.world.administers(user, account):
            abort(404)
        before = set(services.world.installations)
        made = installer.install(app, account, chosen, user, everything=everything)
        return answer(made, "update" if made.id in before else "install")

    @routes.get("/settings/installations/<int:number>")
    def settings(number: int) -> str:
        installation = own(number)
        covered = services.world.repositories_of(installation)
        owned = [
            one
            for one in services.world.all_repositories()
            if one not in covered and one.owner is installation.account
        ]
        return render_template(
            "installation.html",
            app=installation.app,
            installation=installation,
            covered=covered,
            others=owned,
        )

    @routes.post("/settings/installations/<int:number>/<verb>")
    def change(number: int, verb: str) -> BaseResponse:
        """`add`, `remove` (with `repository`), `suspend`, `unsuspend`, `accept`, `uninstall`."""
        installation = own(number)
        names = [name.partition("/") for name in request.form.getlist("repository")]
        chosen = [_repository(services, owner, name) for owner, _, name in names]
        user = viewer(services)
        match verb:
            case "add":
                installer.add(installation, chosen, user)
            case "remove":
                installer.remove(installation, chosen, user)
            case "suspend":
                installer.suspend(installation, user)
            case "unsuspend":
                installer.unsuspend(installation, user)
            case "accept":
                installer.accept_permissions(installation, user)
            case "uninstall":
                installer.uninstall(installation, user)
            case _:
                abort(404)
        return answer(None if verb == "uninstall" else installation)
