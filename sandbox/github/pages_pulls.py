"""The pages of pull requests and issues, with what a person can do there.

The field `as` of each form names who clicks; without it, it is whoever is signed in.
"""

from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from sandbox.github import git_writing, pull_heads, render_issues, roles
from sandbox.github.comments import Comments, check_text
from sandbox.github.errors import GitHubError
from sandbox.github.pulls import Proposal, Pulls
from sandbox.github.reports import age, of_commit
from sandbox.github.routing import Services
from sandbox.github.viewing import viewer
from sandbox.github.world import Repository, User
from sandbox.github.world_pulls import Issue

# What somebody must be in the repository to click it; whoever opened the pull request may do all
# but the last.
_NEEDED = {"close": "triage", "reopen": "triage", "ready": "write", "draft": "write"}
_NEEDED |= {"merge": "write"}


def add_pages(routes: Blueprint, services: Services) -> None:
    """Add the routes to the pages' own."""
    world = services.world

    def find(owner: str, repo: str) -> Repository:
        return world.repository(owner, repo) or abort(404)

    def actor() -> User:
        login = request.form.get("as")
        user = world.user(login) if login else viewer(services)
        return user or abort(422, f"Nobody is called {login}.")

    @routes.get("/<owner>/<repo>/pulls")
    def pull_list(owner: str, repo: str) -> str:
        repository = find(owner, repo)
        issues = list(repository.conversation.issues.values())[::-1]
        people = _people(services)
        return render_template("pulls.html", repository=repository, issues=issues, people=people)

    @routes.post("/<owner>/<repo>/pulls")
    def propose(owner: str, repo: str) -> BaseResponse:
        """`title`, `head` (`branch` or `owner:branch`), `base`, and `draft` when it is one."""
        repository, form = find(owner, repo), request.form
        user, pulls = actor(), Pulls(world, services.events, repository)
        try:
            check_text("PullRequest", form["title"], form.get("body"))
            head, branch = pulls.head(form["head"], user)
            proposal = Proposal(
                *(form["title"], form.get("body"), head, branch, form["base"]),
                draft="draft" in form,
            )
            issue = pulls.open(proposal, user, None)
        except GitHubError as refusal:
            return _refusal(refusal)
        return redirect(render_issues.page_url(world, repository, issue), 303)

    @routes.get("/<owner>/<repo>/<any(pull, issues):kind>/<int:number>")
    def conversation(owner: str, repo: str, kind: str, number: int) -> str:
        repository = find(owner, repo)
        issue = repository.conversation.issues.get(number) or abort(404)
        return render_template("pull.html", **_shown(services, repository, issue))

    @routes.post("/<owner>/<repo>/<any(pull, issues):kind>/<int:number>/<verb>")
    def click(owner: str, repo: str, kind: str, number: int, verb: str) -> BaseResponse:
        """`comment` (with `body`), `close`, `reopen`, `merge`, `ready` and `draft`."""
        repository = find(owner, repo)
        issue = repository.conversation.issues.get(number) or abort(404)
        try:
            _act(services, repository, issue, actor(), verb)
        except GitHubError as refusal:
            return _refusal(refusal)
        return redirect(render_issues.page_url(world, repository, issue), 303)


def _act(services: Services, repository: Repository, issue: Issue, user: User, verb: str) -> None:
    if verb == "comment":
        if roles.effective(repository, user) == "none":
            raise GitHubError(403, "You cannot see this repository.")
        comments = Comments(services.world, services.events, repository)
        comments.create(issue, request.form.get("body", ""), user, None)
        return
    if verb not in _NEEDED or issue.pull is None:
        abort(404)
    own = issue.author is user and verb != "merge"
    if not own and not roles.includes(roles.effective(repository, user), _NEEDED[verb]):
        raise GitHubError(403, f"{user.login} may not do this here.")
    pulls = Pulls(services.world, services.events, repository)
    match verb:
        case "close":
            pulls.close(issue, user)
        case "reopen":
            pulls.reopen(issue, user)
        case "merge":
            pulls.merge(issue, user, {})
        case _:
            pulls.set_draft(issue, user, draft=verb == "draft")


def _refusal(refusal: GitHubError) -> Response:
    """JSON for a script that asks for it, words for a person."""
    if request.accept_mimetypes.best == "application/json":
        answer = jsonify(refusal.body)
        answer.status_code = refusal.status
        return answer
    details = [str(one.get("message", one.get("field", ""))) for one in refusal.errors or ()]
    words = " ".join([refusal.message, *details]).strip()
    return Response(words + "\n", refusal.status, mimetype="text/plain")


def _people(services: Services) -> list[User]:
    return [one for one in services.world.users.values() if one.type == "User"]


def _shown(services: Services, repository: Repository, issue: Issue) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "repository": repository,
        "issue": issue,
        "pull": issue.pull,
        "comments": repository.conversation.comments_on(issue.number),
        "people": _people(services),
        "association": lambda user: roles.association(repository, user),
    }
    if issue.pull is None:
        return shown
    age(services.world, repository)
    runs, statuses = of_commit(repository, issue.pull.head_sha)
    base = git_writing.merge_base(repository.git, issue.pull.base_sha, issue.pull.head_sha)
    changes = repository.git.changes(base, issue.pull.head_sha) if base else []
    fork = pull_heads.head_repository(services.world, issue.pull)
    return shown | {"runs": runs, "statuses": statuses, "changes": changes, "head": fork}
