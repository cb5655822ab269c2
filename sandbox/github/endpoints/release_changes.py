"""Single releases: read, changed, published, deleted (docs.github.com/rest/releases/releases)."""

from sandbox.github import bodies, render_reports
from sandbox.github.endpoints.releases import announce_published, check_tag, make_tag
from sandbox.github.errors import not_found
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import Json, Release

_ALL = "/repos/{owner}/{repo}/releases"
_ONE = _ALL + "/{release_id}"


@endpoint("GET", _ALL + "/latest", permission="contents:read")
def get_latest_release(call: Call) -> Answer:
    """The newest release that is neither a draft nor a prerelease."""
    full = [one for one in call.repository.releases if not one.draft and not one.prerelease]
    if not full:
        raise not_found()
    newest = max(full, key=lambda one: (one.published_at or "", one.id))
    return Answer(render_reports.release(call.world, call.repository, newest))


@endpoint("GET", _ONE, permission="contents:read")
def get_release(call: Call) -> Answer:
    """One release; a draft only for those who may write."""
    found = _release(call)
    if found.draft and not call.caller.may(call.repository, "contents", "write"):
        raise not_found()
    return Answer(render_reports.release(call.world, call.repository, found))


@endpoint("PATCH", _ONE, permission="contents:write")
def update_release(call: Call) -> Answer:
    """Change a release; a draft is published by taking `draft` from it."""
    bodies.check("release-update", call.body)
    release, body = _release(call), call.body
    tag = body.get("tag_name", release.tag_name)
    if tag != release.tag_name:
        check_tag(call, tag)
    was_draft, was_prerelease, changes = release.draft, release.prerelease, _changes(release, body)
    publishing = was_draft and body.get("draft") is False
    if publishing:
        make_tag(call, tag, body.get("target_commitish") or release.target_commitish)
    for name in ("tag_name", "target_commitish", "name", "body", "draft", "prerelease"):
        setattr(release, name, body.get(name, getattr(release, name)))
    sender = call.caller.account
    if publishing:
        release.published_at = call.world.clock.stamp()
        announce_published(call, release)
    elif not was_draft:
        call.events.release("edited", call.repository, sender, release, changes)
        if was_prerelease and not release.prerelease:
            call.events.release("released", call.repository, sender, release)
    return Answer(render_reports.release(call.world, call.repository, release))


def _changes(release: Release, body: Json) -> Json:
    return {
        name: {"from": getattr(release, name) or ""}
        for name in ("body", "name", "tag_name")
        if name in body and body[name] != getattr(release, name)
    }


@endpoint("DELETE", _ONE, permission="contents:write")
def delete_release(call: Call) -> Answer:
    """Remove a release; its tag stays."""
    release = _release(call)
    with call.world.lock:
        call.repository.releases.remove(release)
    call.events.release("deleted", call.repository, call.caller.account, release)
    return Answer(status=204)


def _release(call: Call) -> Release:
    for release in call.repository.releases:
        if release.id == call.path["release_id"]:
            return release
    raise not_found()
