"""Tags (docs.github.com/rest/repos/repos)."""

from sandbox.github import render
from sandbox.github.routing import Answer, Call, endpoint
from sandbox.github.world import node_id


@endpoint("GET", "/repos/{owner}/{repo}/tags", permission="contents:read")
def list_tags(call: Call) -> Answer:
    """A repository's tags, the last in the alphabet first."""
    git, api = call.repository.git, render.repository_url(call.world, call.repository)
    prefix = "refs/tags/"
    names = sorted(ref.removeprefix(prefix) for ref in git.refs() if ref.startswith(prefix))
    page, headers = call.page(names[::-1])
    body = []
    for name in page:
        sha = git.commit_sha(f"{prefix}{name}")
        body.append(
            {
                "name": name,
                "zipball_url": f"{api}/zipball/{prefix}{name}",
                "tarball_url": f"{api}/tarball/{prefix}{name}",
                "commit": {"sha": sha, "url": f"{api}/commits/{sha}"},
                "node_id": node_id("Ref", int(sha[:8], 16)),
            }
        )
    return Answer(body, headers=headers)
