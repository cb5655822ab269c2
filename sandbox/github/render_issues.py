"""Issues, comments, reactions and collaborators as GitHub's JSON."""

from sandbox.github import render, roles
from sandbox.github.world import App, Json, Repository, User, World, node_id
from sandbox.github.world_pulls import Comment, Invitation, Issue, Reaction

REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


def page_url(world: World, repository: Repository, issue: Issue) -> str:
    """The page of an issue or a pull request."""
    kind = "pull" if issue.pull else "issues"
    return f"{render.page_url(world, repository)}/{kind}/{issue.number}"


def issue(world: World, repository: Repository, item: Issue) -> Json:
    """An issue or a pull request, as the issues' part of the API shows it (`issue`)."""
    api = render.repository_url(world, repository)
    url = f"{api}/issues/{item.number}"
    comments = repository.conversation.comments_on(item.number)
    rendered = {
        "url": url,
        "repository_url": api,
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": page_url(world, repository, item),
        "id": item.id,
        "node_id": node_id("PullRequest" if item.pull else "Issue", item.id),
        "number": item.number,
        "title": item.title,
        "user": render.user(world, item.author),
        "labels": [],
        "state": item.state,
        "locked": False,
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": len(comments),
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "closed_at": item.closed_at,
        "author_association": roles.association(repository, item.author),
        "active_lock_reason": None,
        "body": item.body,
        "reactions": _rollup(url, []),
        "timeline_url": f"{url}/timeline",
        "performed_via_github_app": _app(world, item.app),
        "state_reason": "completed" if item.closed_at and not item.pull else None,
    }
    if item.pull:
        page = rendered["html_url"]
        rendered["draft"] = item.pull.draft
        rendered["pull_request"] = {
            "url": f"{api}/pulls/{item.number}",
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "merged_at": item.pull.merged_at,
        }
    return rendered


def comment(world: World, repository: Repository, item: Comment) -> Json:
    """A comment on an issue or a pull request (`issue-comment`)."""
    api = render.repository_url(world, repository)
    url = f"{api}/issues/comments/{item.id}"
    page = page_url(world, repository, repository.conversation.issues[item.number])
    return {
        "url": url,
        "html_url": f"{page}#issuecomment-{item.id}",
        "issue_url": f"{api}/issues/{item.number}",
        "id": item.id,
        "node_id": node_id("IssueComment", item.id),
        "user": render.user(world, item.author),
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "author_association": roles.association(repository, item.author),
        "body": item.body,
        "reactions": _rollup(url, item.reactions),
        "performed_via_github_app": _app(world, item.app),
    }


def reaction(world: World, item: Reaction) -> Json:
    """Somebody's emoji (`reaction`)."""
    return {
        "id": item.id,
        "node_id": node_id("Reaction", item.id),
        "user": render.user(world, item.user),
        "content": item.content,
        "created_at": item.created_at,
    }


def collaborator(world: World, user: User, role: str) -> Json:
    """An account with what it may do in a repository (`collaborator`)."""
    return {
        **render.user(world, user),
        "permissions": roles.flags(role),
        "role_name": role,
    }


def invitation(world: World, repository: Repository, item: Invitation) -> Json:
    """Somebody's invitation to become a collaborator (`repository-invitation`)."""
    return {
        "id": item.id,
        "node_id": node_id("RepositoryInvitation", item.id),
        "repository": render.repository_essentials(world, repository),
        "invitee": render.user(world, item.invitee),
        "inviter": render.user(world, item.inviter),
        "permissions": item.role,
        "created_at": item.created_at,
        "expired": False,
        "url": f"{world.url}/user/repository_invitations/{item.id}",
        "html_url": f"{render.page_url(world, repository)}/invitations",
    }


def _rollup(url: str, reactions: list[Reaction]) -> Json:
    counts = {name: sum(one.content == name for one in reactions) for name in REACTIONS}
    return {"url": f"{url}/reactions", "total_count": len(reactions), **counts}


def _app(world: World, app: App | None) -> Json | None:
    return render.app(world, app) if app else None
