"""Pull requests as GitHub's JSON."""

import functools

from sandbox.github import git_writing, pull_heads, render, render_issues, roles
from sandbox.github.git import Change, Git
from sandbox.github.world import Json, Repository, User, World, node_id
from sandbox.github.world_pulls import Issue, Pull


def simple(world: World, repository: Repository, issue: Issue) -> Json:
    """A pull request in a list (`pull-request-simple`)."""
    pull = issue.pull
    assert pull is not None
    url = f"{render.repository_url(world, repository)}/pulls/{issue.number}"
    page = render_issues.page_url(world, repository, issue)
    links = _links(world, repository, issue, pull)
    return {
        "url": url,
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": links["issue"],
        "number": issue.number,
        "state": issue.state,
        "locked": False,
        "title": issue.title,
        "user": render.user(world, issue.author),
        "body": issue.body,
        "created_at": issue.created_at,
        "updated_at": issue.updated_at,
        "closed_at": issue.closed_at,
        "merged_at": pull.merged_at,
        "merge_commit_sha": pull.merge_commit_sha,
        "assignee": None,
        **{name: [] for name in ("assignees", "requested_reviewers", "requested_teams", "labels")},
        "milestone": None,
        "draft": pull.draft,
        "commits_url": links["commits"],
        "review_comments_url": links["review_comments"],
        "review_comment_url": links["review_comment"],
        "comments_url": links["comments"],
        "statuses_url": links["statuses"],
        "head": _head(world, pull),
        "base": _end(world, repository, repository.owner, pull.base_ref, pull.base_sha),
        "_links": {name: {"href": link} for name, link in links.items()},
        "author_association": roles.association(repository, issue.author),
        "auto_merge": None,
        "active_lock_reason": None,
    }


def full(world: World, repository: Repository, issue: Issue) -> Json:
    """A pull request asked for by itself (`pull-request`)."""
    pull = issue.pull
    assert pull is not None
    commits, changes = _extent(repository.git, pull.base_sha, pull.head_sha)
    mergeable = None if issue.state == "closed" else pull.mergeable
    return {
        **simple(world, repository, issue),
        "merged": pull.merged_at is not None,
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": _merge_state(pull, mergeable),
        "merged_by": render.user(world, pull.merged_by) if pull.merged_by else None,
        "comments": len(repository.conversation.comments_on(issue.number)),
        "review_comments": 0,
        "maintainer_can_modify": pull.maintainer_can_modify,
        "commits": commits,
        "additions": sum(change.additions for change in changes),
        "deletions": sum(change.deletions for change in changes),
        "changed_files": len(changes),
    }


@functools.lru_cache(maxsize=256)
def _extent(git: Git, base: str, head: str) -> tuple[int, list[Change]]:
    """How many commits the head has more, and what they change: for ever the same."""
    count = git.text("rev-list", "--count", head, "--not", base)
    return int(count), git.changes(git_writing.merge_base(git, base, head) or base, head)


def of_commit(world: World, repository: Repository, sha: str) -> list[Json]:
    """The open pull requests of a commit, as a check lists them: none that come from a fork."""
    return [
        _minimal(world, repository, issue, pull)
        for issue, pull in repository.conversation.pulls()
        if issue.state == "open"
        and pull.head_sha == sha
        and pull.head_repository_id == repository.id
    ]


def _minimal(world: World, repository: Repository, issue: Issue, pull: Pull) -> Json:
    api = render.repository_url(world, repository)
    short = {"id": repository.id, "url": api, "name": repository.name}
    return {
        "url": f"{api}/pulls/{issue.number}",
        "id": pull.id,
        "number": issue.number,
        "head": {"ref": pull.head_ref, "sha": pull.head_sha, "repo": short},
        "base": {"ref": pull.base_ref, "sha": pull.base_sha, "repo": short},
    }


def _links(world: World, repository: Repository, issue: Issue, pull: Pull) -> dict[str, str]:
    api = render.repository_url(world, repository)
    url = f"{api}/pulls/{issue.number}"
    return {
        "self": url,
        "html": render_issues.page_url(world, repository, issue),
        "issue": f"{api}/issues/{issue.number}",
        "comments": f"{api}/issues/{issue.number}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{api}/statuses/{pull.head_sha}",
    }


def _head(world: World, pull: Pull) -> Json:
    repository = pull_heads.head_repository(world, pull)
    return _end(world, repository, pull.head_user, pull.head_ref, pull.head_sha)


def _end(world: World, repository: Repository | None, user: User, ref: str, sha: str) -> Json:
    return {
        "label": f"{user.login}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": render.user(world, user),
        "repo": render.repository(world, repository) if repository else None,
    }


def _merge_state(pull: Pull, mergeable: bool | None) -> str:
    if mergeable is None:
        return "unknown"
    if not mergeable:
        return "dirty"
    return "draft" if pull.draft else "clean"
