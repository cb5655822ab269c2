"""Commits, branches and comparisons (docs.github.com/rest/commits, /branches)."""

from urllib.parse import quote

from sandbox.github import network, render, render_commits
from sandbox.github.errors import GitHubError, no_commit, not_found
from sandbox.github.git import Commit, UnknownObject
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import Json

COMMITS_COMPARED = 250


@endpoint("GET", "/repos/{owner}/{repo}/commits", permission="contents:read")
def list_commits(call: Call) -> Answer:
    """History of a branch, or of one path in it, newest first."""
    reference = call.query.get("sha") or call.repository.default_branch
    if not call.repository.git.refs():
        raise GitHubError(409, "Git Repository is empty.")
    try:
        start = call.repository.git.commit_sha(reference)
    except UnknownObject:
        raise not_found() from None
    limits = [f"--{name}={call.query[name]}" for name in ("since", "until") if name in call.query]
    only = ["--", call.query["path"]] if call.query.get("path") else []
    page, headers = call.page(call.repository.git.commits(*limits, start, *only))
    body = [render_commits.commit(call.world, call.repository, one) for one in page]
    return Answer(body, headers=headers)


@endpoint("GET", "/repos/{owner}/{repo}/commits/{ref}", permission="contents:read")
def get_commit(call: Call) -> Answer:
    """One commit with its files."""
    reference = call.path["ref"]
    # `heads/…` and `tags/…` tell a branch from a tag of the same name.
    full = f"refs/{reference}" if reference.startswith(("heads/", "tags/")) else reference
    try:
        commit = call.repository.git.commit(full)
    except UnknownObject:
        if not call.repository.git.refs():
            raise GitHubError(409, "Git Repository is empty.") from None
        raise no_commit(reference) from None
    if call.accept.endswith(".sha"):
        kind = {"Content-Type": "application/vnd.github.sha; charset=utf-8"}
        return Answer(commit.sha.encode(), headers=kind)
    return Answer(render_commits.full_commit(call.world, call.repository, commit))


@endpoint("GET", "/repos/{owner}/{repo}/branches", permission="contents:read")
def list_branches(call: Call) -> Answer:
    """All branches by name."""
    api = render.repository_url(call.world, call.repository)
    branches = [
        {
            "name": ref.removeprefix("refs/heads/"),
            "commit": {"sha": sha, "url": f"{api}/commits/{sha}"},
            "protected": False,
        }
        for ref, sha in call.repository.git.refs().items()
        if ref.startswith("refs/heads/")
    ]
    page, headers = call.page(branches)
    return Answer(page, headers=headers)


@endpoint("GET", "/repos/{owner}/{repo}/branches/{branch}", permission="contents:read")
def get_branch(call: Call) -> Answer:
    """One branch with its newest commit."""
    name = call.path["branch"]
    sha = call.repository.git.refs().get(f"refs/heads/{name}")
    if sha is None:
        raise GitHubError(404, "Branch not found")
    api = f"{render.repository_url(call.world, call.repository)}/branches/{quote(name)}"
    page = f"{render.page_url(call.world, call.repository)}/tree/{quote(name)}"
    commit = call.repository.git.commit(sha)
    checks: Json = {"enforcement_level": "off", "contexts": [], "checks": []}
    body = {
        "name": name,
        "commit": render_commits.commit(call.world, call.repository, commit),
        "_links": {"self": api, "html": page},
        "protected": False,
        "protection": {"enabled": False, "required_status_checks": checks},
        "protection_url": f"{api}/protection",
    }
    return Answer(body)


@endpoint("GET", "/repos/{owner}/{repo}/compare/{basehead}", permission="contents:read")
def compare(call: Call) -> Answer:
    """What `head` has that `base` has not: commits, and at most 300 files."""
    names = call.path["basehead"].split("...")
    if len(names) != 2:
        raise not_found()
    git = call.repository.git
    try:
        base, head = (
            git.commit(network.commit_sha(call.world, call.repository, name)) for name in names
        )
        merge_base = git.commit(git.text("merge-base", base.sha, head.sha))
    except UnknownObject:
        raise not_found() from None
    ahead = git.commits(head.sha, "--not", base.sha)[::-1]
    behind = int(git.text("rev-list", "--count", base.sha, "--not", head.sha))
    page, headers = call.page(ahead[-COMMITS_COMPARED:])
    body = _comparison_urls(call, base, head) | {
        "base_commit": render_commits.commit(call.world, call.repository, base),
        "merge_base_commit": render_commits.commit(call.world, call.repository, merge_base),
        "status": _relation(len(ahead), behind),
        "ahead_by": len(ahead),
        "behind_by": behind,
        "total_commits": len(ahead),
        "commits": [render_commits.commit(call.world, call.repository, one) for one in page],
        "files": _files(call, merge_base, head),
    }
    return Answer(body, headers=headers)


def _files(call: Call, base: Commit, head: Commit) -> list[Json]:
    if call.query.get("page", "1") != "1":
        return []  # GitHub lists the files on the first page only
    changes = call.repository.git.changes(base.sha, head.sha)[: render_commits.FILES_LISTED]
    return [
        render_commits.changed_file(call.world, call.repository, change, base.sha, head.sha)
        for change in changes
    ]


def _comparison_urls(call: Call, base: Commit, head: Commit) -> Json:
    basehead = quote(call.path["basehead"])
    html = f"{render.page_url(call.world, call.repository)}/compare"
    owner = call.repository.owner.login
    return {
        "url": f"{render.repository_url(call.world, call.repository)}/compare/{basehead}",
        "html_url": f"{html}/{basehead}",
        "permalink_url": f"{html}/{owner}:{base.sha[:7]}...{owner}:{head.sha[:7]}",
        "diff_url": f"{html}/{basehead}.diff",
        "patch_url": f"{html}/{basehead}.patch",
    }


def _relation(ahead: int, behind: int) -> str:
    if ahead and behind:
        return "diverged"
    if ahead or behind:
        return "ahead" if ahead else "behind"
    return "identical"
