"""Writing files through REST (docs.github.com/rest/repos/contents). Each is a commit and a push."""

import base64
import binascii
from dataclasses import dataclass

from sandbox.github import bodies, git_writing, pushes, render_commits
from sandbox.github.endpoints import contents
from sandbox.github.errors import GitHubError, invalid_request, not_found
from sandbox.github.git import EMPTY_TREE, Entry, UnknownObject
from sandbox.github.git_writing import Signature
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import Json

_ONE = "/repos/{owner}/{repo}/contents/{path}"
_NOT_IN_PATHS = {"", ".", "..", ".git"}


@dataclass(frozen=True)
class _Spot:
    """Where a file is to be written: the branch, its commit and the file that is there now."""

    branch: str
    commit: str | None
    path: str
    present: Entry | None


@endpoint("PUT", _ONE, permission="contents:write", content=True)
def write_file(call: Call) -> Answer:
    """Make a file, or with the `sha` of what is there write another one in its place."""
    bodies.check("file", call.body)
    try:
        content = base64.b64decode("".join(call.body["content"].split()), validate=True)
    except binascii.Error:
        raise GitHubError(422, "content is not valid Base64") from None
    with call.repository.push_lock:
        before = call.repository.git.refs()
        spot = _spot(call, before)
        _check_sha(call, spot)
        commit = _commit(call, spot, content)
        after = call.repository.git.refs()
    _announce(call, before, after)
    (entry,) = call.repository.git.tree(commit, spot.path)
    body = {
        "content": contents.rendered(call, entry, spot.branch),
        "commit": _rendered(call, commit),
    }
    return Answer(body, 200 if spot.present else 201)


@endpoint("DELETE", _ONE, permission="contents:write", content=True)
def delete_file(call: Call) -> Answer:
    """Remove the file whose `sha` is given."""
    # Here GitHub takes the fields from the query too.
    body = call.query.to_dict() | call.body
    bodies.check("file-removal", body)
    call.body = body
    with call.repository.push_lock:
        before = call.repository.git.refs()
        spot = _spot(call, before)
        if spot.present is None:
            raise not_found()
        _check_sha(call, spot)
        commit = _commit(call, spot, None)
        after = call.repository.git.refs()
    _announce(call, before, after)
    return Answer({"content": None, "commit": _rendered(call, commit)})


def _spot(call: Call, refs: dict[str, str]) -> _Spot:
    path = call.path["path"].rstrip("/")
    if _NOT_IN_PATHS & set(path.split("/")):
        raise GitHubError(422, "path contains a malformed path component")
    branch = call.body.get("branch") or call.repository.default_branch
    branch = branch.removeprefix("refs/heads/")
    commit = refs.get(f"refs/heads/{branch}")
    if commit is None and (refs or call.body.get("branch")):
        raise GitHubError(404, f"Branch {branch} not found")
    return _Spot(branch, commit, path, _present(call, commit, path))


def _present(call: Call, commit: str | None, path: str) -> Entry | None:
    try:
        entries = call.repository.git.tree(commit, path) if commit else []
    except UnknownObject:
        return None
    return entries[0] if len(entries) == 1 and entries[0].path == path else None


def _check_sha(call: Call, spot: _Spot) -> None:
    given = call.body.get("sha")
    if spot.present and given is None:
        raise invalid_request('"sha" wasn\'t supplied.')
    if spot.present and given != spot.present.sha:
        raise GitHubError(409, f"{spot.path} does not match {given}")


def _commit(call: Call, spot: _Spot, content: bytes | None) -> str:
    git, account = call.repository.git, call.caller.account
    person = Signature(account.name, account.email)
    committer = _signature(call.body.get("committer")) or (
        person if call.body.get("author") else git_writing.GITHUB
    )
    tree = git.commit(spot.commit).tree if spot.commit else EMPTY_TREE
    try:
        new = git_writing.with_file(git, tree, spot.path, content)
    except git_writing.PathTaken:
        raise GitHubError(422, "path contains a malformed path component") from None
    parents = (spot.commit,) if spot.commit else ()
    author = _signature(call.body.get("author")) or _signature(call.body.get("committer"))
    sha = git_writing.commit(git, new, parents, call.body["message"], author or person, committer)
    git.run("update-ref", f"refs/heads/{spot.branch}", sha)
    return sha


def _signature(given: Json | None) -> Signature | None:
    return Signature(given["name"], given["email"], given.get("date")) if given else None


def _announce(call: Call, before: dict[str, str], after: dict[str, str]) -> None:
    account = call.caller.account
    pushes.announce(call.world, call.events, call.repository, account, before, after)


def _rendered(call: Call, sha: str) -> Json:
    """The commit as git has it (`git-commit`)."""
    repository = call.repository
    whole = render_commits.commit(call.world, repository, repository.git.commit(sha))
    inner = whole["commit"]
    named = ("author", "committer", "message", "tree", "verification")
    return {
        "sha": sha,
        "node_id": whole["node_id"],
        "url": inner["url"],
        "html_url": whole["html_url"],
        **{name: inner[name] for name in named},
        "parents": whole["parents"],
    }
