"""Branches and tags as git's refs (docs.github.com/rest/git/refs)."""

from collections.abc import Callable
from urllib.parse import quote

from sandbox.github import bodies, pushes, render
from sandbox.github.errors import GitHubError, not_found
from sandbox.github.git import Git, UnknownObject
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import Json, node_id

_REPOSITORY = "/repos/{owner}/{repo}"
_ALL = _REPOSITORY + "/git/refs"
_ONE = _ALL + "/{ref}"


@endpoint("GET", _REPOSITORY + "/git/ref/{ref}", permission="contents:read")
def get_ref(call: Call) -> Answer:
    """A branch (`heads/…`), a tag (`tags/…`) or a pull request's ref, and the object it names."""
    name = "refs/" + call.path["ref"].removeprefix("refs/")
    sha = _refs(call.repository.git).get(name)
    if sha is None:
        raise not_found()
    return Answer(_rendered(call, name, sha))


@endpoint("GET", _REPOSITORY + "/git/matching-refs/{ref}", permission="contents:read")
def list_matching_refs(call: Call) -> Answer:
    """All refs whose names begin like that."""
    start = "refs/" + call.path["ref"].removeprefix("refs/")
    found = [one for one in sorted(_refs(call.repository.git).items()) if one[0].startswith(start)]
    page, headers = call.page(found)
    return Answer([_rendered(call, *one) for one in page], headers=headers)


@endpoint("POST", _ALL, permission="contents:write", content=True)
def create_ref(call: Call) -> Answer:
    """A new branch or tag."""
    bodies.check("ref", call.body)
    name, sha = call.body["ref"], call.body["sha"]
    if name.count("/") < 2:
        words = "Reference name must contain at least three slash-separated components."
        raise GitHubError(422, words)
    _check_name(call.repository.git, name)
    _check_filled(call)

    def change(git: Git, before: dict[str, str]) -> None:
        if name in before:
            raise GitHubError(422, "Reference already exists")
        _check_object(git, name, sha)
        git.run("update-ref", name, sha)

    _change(call, change)
    body = _rendered(call, name, sha)
    return Answer(body, 201, {"Location": body["url"]})


@endpoint("PATCH", _ONE, permission="contents:write")
def update_ref(call: Call) -> Answer:
    """Move a branch or tag; back or aside only with `force`."""
    bodies.check("ref-update", call.body)
    name, sha = f"refs/{call.path['ref']}", call.body["sha"]
    _check_filled(call)

    def change(git: Git, before: dict[str, str]) -> None:
        if name not in before:
            raise GitHubError(422, "Reference does not exist")
        _check_object(git, name, sha)
        if not call.body.get("force", False) and not git.reaches(before[name], sha):
            raise GitHubError(422, "Update is not a fast forward")
        git.run("update-ref", name, sha)

    _change(call, change)
    return Answer(_rendered(call, name, sha))


@endpoint("DELETE", _ONE, permission="contents:write")
def delete_ref(call: Call) -> Answer:
    """Take a branch or tag away."""
    name = f"refs/{call.path['ref']}"
    _check_filled(call)
    if name == f"refs/heads/{call.repository.default_branch}":
        raise GitHubError(422, "Cannot delete the default branch")

    def change(git: Git, before: dict[str, str]) -> None:
        if name not in before:
            raise GitHubError(422, "Reference does not exist")
        git.run("update-ref", "-d", name)

    _change(call, change)
    return Answer(status=204)


def _change(call: Call, change: Callable[[Git, dict[str, str]], None]) -> None:
    """Change the refs as one push would, and announce it like a push."""
    repository, git = call.repository, call.repository.git
    with repository.push_lock:
        before = git.refs()
        change(git, before)
        after = git.refs()
    pushes.announce(call.world, call.events, repository, call.caller.account, before, after)


def _refs(git: Git) -> dict[str, str]:
    return git.refs() | git.pull_refs()


def _check_filled(call: Call) -> None:
    if not call.repository.git.refs():
        raise GitHubError(409, "Git Repository is empty.")


def _check_name(git: Git, name: str) -> None:
    """Refuse what git would not take, and what is neither a branch nor a tag."""
    try:
        git.run("check-ref-format", name)
    except UnknownObject:
        raise GitHubError(422, f"{name} is not a valid ref name.") from None
    if not name.startswith(("refs/heads/", "refs/tags/")):
        raise GitHubError(422, f"{name} is not a valid ref name.")


def _check_object(git: Git, name: str, sha: str) -> None:
    try:
        kind = git.kind(sha)
    except UnknownObject:
        raise GitHubError(422, "Object does not exist") from None
    if name.startswith("refs/heads/") and kind != "commit":
        raise GitHubError(422, "Reference update failed")


def _rendered(call: Call, name: str, sha: str) -> Json:
    api, kind = render.repository_url(call.world, call.repository), call.repository.git.kind(sha)
    return {
        "ref": name,
        "node_id": node_id("Ref", call.repository.id),
        "url": f"{api}/git/{quote(name)}",
        "object": {"sha": sha, "type": kind, "url": f"{api}/git/{kind}s/{sha}"},
    }
