"""Check runs for people: their report, and the buttons below it.

A button is there once the run is completed, and whoever may write can press it
(docs.github.com/rest/checks/runs, `actions`).
"""

from flask import Blueprint, abort, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from sandbox.github import roles
from sandbox.github.errors import GitHubError
from sandbox.github.events import Events
from sandbox.github.reports import age, rerequest, rerequest_suite
from sandbox.github.routing import Services
from sandbox.github.viewing import viewer
from sandbox.github.world import CheckRun, Repository, User


def press(
    events: Events, repository: Repository, run: CheckRun, identifier: str, user: User
) -> None:
    """Press one of the buttons that the App gave a check run.

    Raises:
        GitHubError: 404 when there is no such button, 422 while the run is not completed.
    """
    if identifier not in {action["identifier"] for action in run.actions}:
        raise GitHubError(404, f"This check run has no action {identifier}")
    if run.status != "completed":
        raise GitHubError(422, "Actions are displayed after the check run completes")
    events.check_run("requested_action", repository, user, run, identifier=identifier)


def add_pages(routes: Blueprint, services: Services) -> None:
    """The routes of the pages."""
    world, events = services.world, services.events

    def find(owner: str, repo: str) -> Repository:
        repository = world.repository(owner, repo) or abort(404)
        age(world, repository)
        return repository

    def writer(repository: Repository) -> User:
        user = viewer(services)
        if not roles.includes(roles.effective(repository, user), "write"):
            abort(403, "Only people with write permission see this button.")
        return user

    @routes.get("/<owner>/<repo>/runs/<int:number>")
    def check_page(owner: str, repo: str, number: int) -> str:
        repository = find(owner, repo)
        run = repository.check_runs.get(number) or abort(404)
        return render_template("check_run.html", repository=repository, run=run)

    @routes.post("/<owner>/<repo>/runs/<int:number>/rerequest")
    def again(owner: str, repo: str, number: int) -> BaseResponse:
        repository = find(owner, repo)
        run = repository.check_runs.get(number) or abort(404)
        try:
            rerequest(events, repository, run, writer(repository))
        except GitHubError as refusal:
            abort(refusal.status, refusal.message)
        return redirect(request.path.removesuffix("/rerequest"), 303)

    @routes.post("/<owner>/<repo>/runs/<int:number>/actions/<identifier>")
    def act(owner: str, repo: str, number: int, identifier: str) -> BaseResponse:
        repository = find(owner, repo)
        run = repository.check_runs.get(number) or abort(404)
        try:
            press(events, repository, run, identifier, writer(repository))
        except GitHubError as refusal:
            abort(refusal.status, refusal.message)
        return redirect(request.path.split("/actions/")[0], 303)

    @routes.post("/<owner>/<repo>/commit/<sha>/rerequest")
    def all_again(owner: str, repo: str, sha: str) -> BaseResponse:
        """Re-run all checks of a commit."""
        repository = find(owner, repo)
        user = writer(repository)
        for suite in [one for one in repository.suites if one.head_sha == sha]:
            if any(run.suite is suite for run in repository.check_runs.values()):
                rerequest_suite(events, repository, suite, user)
        return redirect(request.path.removesuffix("/rerequest"), 303)
