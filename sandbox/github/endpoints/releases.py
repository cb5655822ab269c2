"""Releases (docs.github.com/rest/releases)."""

from sandbox.github import bodies, pushes, render_reports
from sandbox.github.errors import GitHubError, not_found
from sandbox.github.git import UnknownObject
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import Release

_ALL = "/repos/{owner}/{repo}/releases"


@endpoint("POST", _ALL, permission="contents:write", content=True)
def create_release(call: Call) -> Answer:
    """Publish a tag, which is made when it is not there yet."""
    bodies.check("release", call.body)
    repository, tag, now = call.repository, call.body["tag_name"], call.world.clock.stamp()
    draft = call.body.get("draft", False)
    target = call.body.get("target_commitish") or repository.default_branch
    check_tag(call, tag)
    if not draft:
        make_tag(call, tag, target)
    release = Release(
        id=call.world.new_id("release"),
        tag_name=tag,
        target_commitish=target,
        name=call.body.get("name"),
        body=call.body.get("body"),
        draft=draft,
        prerelease=call.body.get("prerelease", False),
        author=call.caller.account,
        created_at=now,
        published_at=None if draft else now,
    )
    with call.world.lock:
        repository.releases.append(release)
    # GitHub tells of a release that was never a draft as if it had been one.
    call.events.release("created", repository, call.caller.account, release)
    if not draft:
        announce_published(call, release)
    body = render_reports.release(call.world, repository, release)
    return Answer(body, 201, {"Location": body["url"]})


def check_tag(call: Call, tag: str) -> None:
    """Refuse a tag that has a release.

    Raises:
        GitHubError: 422.
    """
    if any(one.tag_name == tag for one in call.repository.releases):
        taken = {"resource": "Release", "code": "already_exists", "field": "tag_name"}
        raise GitHubError(422, "Validation Failed", errors=[taken])


def announce_published(call: Call, release: Release) -> None:
    """Tell of a release that everybody sees from now on."""
    kind = "prereleased" if release.prerelease else "released"
    for action in ("published", kind):
        call.events.release(action, call.repository, call.caller.account, release)


def make_tag(call: Call, tag: str, target: str) -> None:
    """Make a release's tag, when it is not there yet, and announce it.

    Raises:
        GitHubError: 422 when there is nothing called `target`.
    """
    git = call.repository.git
    with call.repository.push_lock:
        before = git.refs()
        if f"refs/tags/{tag}" in before:
            return
        try:
            git.run("update-ref", f"refs/tags/{tag}", git.commit_sha(target))
        except UnknownObject:
            wrong = {"resource": "Release", "code": "invalid", "field": "target_commitish"}
            raise GitHubError(422, "Validation Failed", errors=[wrong]) from None
        after = git.refs()
    pushes.announce(call.world, call.events, call.repository, call.caller.account, before, after)


@endpoint("GET", _ALL, permission="contents:read")
def list_releases(call: Call) -> Answer:
    """Releases, newest first; drafts only for those who may write."""
    write = call.caller.may(call.repository, "contents", "write")
    found = [one for one in call.repository.releases[::-1] if write or not one.draft]
    page, headers = call.page(found)
    body = [render_reports.release(call.world, call.repository, one) for one in page]
    return Answer(body, headers=headers)


@endpoint("GET", _ALL + "/tags/{tag}", permission="contents:read")
def get_release_by_tag(call: Call) -> Answer:
    """The published release of a tag."""
    for release in call.repository.releases:
        if release.tag_name == call.path["tag"] and not release.draft:
            return Answer(render_reports.release(call.world, call.repository, release))
    raise not_found()
