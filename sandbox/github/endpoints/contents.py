"""Files and archives (docs.github.com/rest/repos/contents)."""

import base64
import secrets
from urllib.parse import quote

from flask import Response

from sandbox.github import render
from sandbox.github.errors import GitHubError, not_found
from sandbox.github.git import Entry, UnknownObject
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import Json, Repository, World

ARCHIVE_SECONDS = 300
_SYMLINK = "120000"
# Beyond one megabyte GitHub leaves the content out, beyond a hundred it refuses.
_INLINE_BYTES = 1024 * 1024
_MAX_BYTES = 100 * _INLINE_BYTES


@endpoint("GET", "/repos/{owner}/{repo}/contents/{path}", permission="contents:read")
def get_content(call: Call) -> Answer:
    """A file with its content, or the listing of a folder."""
    repository, path = call.repository, call.path["path"].strip("/")
    reference = call.query.get("ref") or repository.default_branch
    try:
        commit = repository.git.commit_sha(reference)
    except UnknownObject:
        if not repository.git.refs():
            raise GitHubError(404, "This repository is empty.") from None
        raise GitHubError(404, f"No commit found for the ref {reference}") from None
    try:
        entries = repository.git.tree(commit, path)
    except UnknownObject:
        raise not_found() from None
    if len(entries) == 1 and entries[0].path == path:
        return _file(call, entries[0], reference)
    if not entries:
        raise not_found()
    return Answer([rendered(call, entry, reference) for entry in entries])


def _file(call: Call, entry: Entry, reference: str) -> Answer:
    if entry.size > _MAX_BYTES:
        raise GitHubError(403, "This API returns blobs up to 100 MB in size.")
    content = call.repository.git.blob(entry.sha)
    if "raw" in call.accept:
        kind = {"Content-Type": "application/vnd.github.raw; charset=utf-8"}
        return Answer(content, headers=kind)
    if entry.mode == _SYMLINK:
        return Answer(rendered(call, entry, reference) | {"target": content.decode()})
    inline = entry.size <= _INLINE_BYTES
    body = rendered(call, entry, reference) | {
        "content": base64.encodebytes(content).decode() if inline else "",
        "encoding": "base64" if inline else "none",
    }
    return Answer(body)


def rendered(call: Call, entry: Entry, reference: str) -> Json:
    """A file, folder, link or submodule without its content, as seen from a branch or commit."""
    repository = call.repository
    api, page = (
        render.repository_url(call.world, repository),
        render.page_url(call.world, repository),
    )
    path, ref = quote(entry.path), quote(reference, safe="")
    word = {"tree": "dir", "commit": "submodule"}.get(entry.kind, "file")
    if entry.mode == _SYMLINK:
        word = "symlink"
    url = f"{api}/contents/{path}?ref={ref}"
    git_url = f"{api}/git/{'trees' if word == 'dir' else 'blobs'}/{entry.sha}"
    view = "tree" if word == "dir" else "blob"
    html_url = f"{page}/{view}/{ref}/{path}"
    return {
        "name": entry.path.rsplit("/", 1)[-1],
        "path": entry.path,
        "sha": entry.sha,
        "size": entry.size,
        "url": url,
        "html_url": html_url,
        "git_url": git_url,
        "download_url": None if word == "dir" else f"{page}/raw/{ref}/{path}",
        "type": word,
        "_links": {"self": url, "git": git_url, "html": html_url},
    }


@endpoint("GET", "/repos/{owner}/{repo}/tarball/{ref}", permission="contents:read")
def download_tarball(call: Call) -> Answer:
    """A redirection to the archive, with a token that is good for five minutes."""
    repository = call.repository
    try:
        commit = repository.git.commit_sha(call.path["ref"])
    except UnknownObject:
        raise not_found() from None
    token = secrets.token_urlsafe(24)
    with call.world.lock:
        expires = call.world.clock.now() + ARCHIVE_SECONDS
        call.world.archive_tokens[token] = (repository.id, expires)
    page = render.page_url(call.world, repository)
    location = f"{page}/legacy.tar.gz/{commit}?token={token}"
    return Answer(status=302, headers={"Location": location})


def archive(world: World, repository: Repository, commit: str, token: str) -> Response:
    """The archive itself, which GitHub serves from another host (codeload)."""
    with world.lock:
        allowed, expires = world.archive_tokens.get(token, (0, 0.0))
    if allowed != repository.id or world.clock.now() > expires:
        return Response("404: Not Found", 404, mimetype="text/plain")
    top = f"{repository.owner.login}-{repository.name}-{commit[:7]}"
    headers = {"Content-Disposition": f"attachment; filename={top}.tar.gz"}
    data = repository.git.archive(commit, top)
    return Response(data, headers=headers, mimetype="application/x-gzip")
