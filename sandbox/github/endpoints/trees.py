"""Trees and blobs (docs.github.com/rest/git/trees, /rest/git/blobs)."""

import base64

from sandbox.github import render
from sandbox.github.errors import GitHubError, not_found
from sandbox.github.git import Entry, UnknownObject
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import Json, node_id

ENTRIES_LISTED = 100_000


@endpoint("GET", "/repos/{owner}/{repo}/git/trees/{tree_sha}", permission="contents:read")
def get_tree(call: Call) -> Answer:
    """A folder of a commit, or with `recursive` all that is below it.

    `tree_sha` may also be a commit, a branch or a tag.
    """
    git, name = call.repository.git, call.path["tree_sha"]
    if not git.refs():
        raise GitHubError(409, "Git Repository is empty.")
    try:
        tree = git.text("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{tree}}")
    except UnknownObject:
        raise not_found() from None
    # Any value means yes, says GitHub, even 0 and false.
    entries = git.entries(tree, recursive="recursive" in call.query)
    url = render.repository_url(call.world, call.repository)
    body = {
        "sha": tree,
        "url": f"{url}/git/trees/{tree}",
        "tree": [_entry(url, one) for one in entries[:ENTRIES_LISTED]],
        "truncated": len(entries) > ENTRIES_LISTED,
    }
    return Answer(body)


def _entry(url: str, entry: Entry) -> Json:
    rendered: Json = {
        "path": entry.path,
        "mode": entry.mode,
        "type": entry.kind,
        "sha": entry.sha,
    }
    if entry.kind == "blob":
        rendered["size"] = entry.size
    if entry.kind != "commit":
        rendered["url"] = f"{url}/git/{entry.kind}s/{entry.sha}"
    return rendered


@endpoint("GET", "/repos/{owner}/{repo}/git/blobs/{file_sha}", permission="contents:read")
def get_blob(call: Call) -> Answer:
    """A file's content by its own SHA."""
    git, sha = call.repository.git, call.path["file_sha"]
    try:
        content = git.blob(sha)
    except UnknownObject:
        raise not_found() from None
    if "raw" in call.accept:
        kind = {"Content-Type": "application/vnd.github.raw; charset=utf-8"}
        return Answer(content, headers=kind)
    body = {
        "sha": sha,
        "node_id": node_id("Blob", int(sha[:8], 16)),
        "size": len(content),
        "url": f"{render.repository_url(call.world, call.repository)}/git/blobs/{sha}",
        "content": base64.encodebytes(content).decode(),
        "encoding": "base64",
    }
    return Answer(body)
