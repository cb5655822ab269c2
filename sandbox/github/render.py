"""Accounts, repositories, the App and installations as GitHub's JSON."""

from urllib.parse import quote

from sandbox.github import network, roles
from sandbox.github.world import App, Installation, Json, Repository, User, World, node_id

_USER_PATHS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
_REPOSITORY_PATHS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def repository_url(world: World, repository: Repository) -> str:
    """Root of the repository's REST API."""
    return f"{world.url}/repos/{repository.full_name}"


def page_url(world: World, repository: Repository) -> str:
    """The repository's page for people."""
    return f"{world.url}/{repository.full_name}"


def user(world: World, account: User) -> Json:
    """An account, as it appears inside other answers (`simple-user`)."""
    # The name of an App's account has brackets: `sigil[bot]`.
    api = f"{world.url}/users/{quote(account.login)}"
    page = account.login
    if account.type == "Bot":
        page = f"apps/{account.login.removesuffix('[bot]')}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id(account.type, account.id),
        "avatar_url": f"{world.url}/_sandbox/avatars/{account.id}.svg",
        "gravatar_id": "",
        "url": api,
        "html_url": f"{world.url}/{page}",
        **{name: api + path for name, path in _USER_PATHS.items()},
        "type": account.type,
        "user_view_type": "public",
        "site_admin": False,
    }


def organization(world: World, account: User) -> Json:
    """An organization, as it appears inside events (`organization-simple`)."""
    api = f"{world.url}/orgs/{quote(account.login)}"
    paths = ("repos", "events", "hooks", "issues")
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("Organization", account.id),
        "url": api,
        **{f"{name}_url": f"{api}/{name}" for name in paths},
        "members_url": f"{api}/members{{/member}}",
        "public_members_url": f"{api}/public_members{{/member}}",
        "avatar_url": f"{world.url}/_sandbox/avatars/{account.id}.svg",
        "description": account.name,
    }


def renamed_account(world: World, account: User) -> Json:
    """An account in the event that tells of its new name."""
    described = user(world, account)
    if account.type == "Organization":
        described = organization(world, account)
        described |= {"html_url": f"{world.url}/{account.login}", "type": account.type}
        described["description"] = None
    return described | {"created_at": account.created_at, "updated_at": world.clock.stamp()}


def profile(world: World, account: User) -> Json:
    """An account, as its own page shows it (`public-user`)."""
    owned = sum(repository.owner is account for repository in world.all_repositories())
    nothing = dict.fromkeys(("company", "location", "email", "hireable", "bio"))
    return {
        **user(world, account),
        "name": account.name,
        **nothing,
        "blog": "",
        "twitter_username": None,
        "public_repos": owned,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": account.created_at,
        "updated_at": account.created_at,
    }


def repository_essentials(world: World, repository: Repository) -> Json:
    """What every rendering of a repository begins with (`minimal-repository`)."""
    api = repository_url(world, repository)
    return {
        "id": repository.id,
        "node_id": node_id("Repository", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
        "owner": user(world, repository.owner),
        "html_url": page_url(world, repository),
        "description": repository.description,
        "fork": network.parent(world, repository) is not None,
        "url": api,
        **{name: api + path for name, path in _REPOSITORY_PATHS.items()},
    }


def repository(world: World, item: Repository) -> Json:
    """A repository with its counters and settings (`repository`)."""
    page = page_url(world, item)
    host = world.url.split("://")[1].split(":")[0]
    forks = len(network.forks(world, item))
    issues = sum(one.state == "open" for one in list(item.conversation.issues.values()))
    return {
        **repository_essentials(world, item),
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "pushed_at": item.pushed_at,
        "git_url": f"git://{host}/{item.full_name}.git",
        "ssh_url": f"git@{host}:{item.full_name}.git",
        "clone_url": f"{page}.git",
        "svn_url": page,
        "homepage": None,
        "size": 0,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": None,
        **dict.fromkeys(("has_issues", "has_projects", "has_downloads", "has_wiki"), True),
        "has_pages": False,
        "has_discussions": False,
        "forks_count": forks,
        "mirror_url": None,
        "archived": item.archived,
        "disabled": False,
        "open_issues_count": issues,
        "license": None,
        "allow_forking": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
        "visibility": "private" if item.private else "public",
        "forks": forks,
        "open_issues": issues,
        "watchers": 0,
        "default_branch": item.default_branch,
    }


def full_repository(world: World, item: Repository, *, role: str) -> Json:
    """A repository asked for by itself (`full-repository`), by somebody with that role."""
    rendered = {
        **repository(world, item),
        "permissions": roles.flags(role),
        "temp_clone_token": None,
        "network_count": len(network.forks(world, item)),
        "subscribers_count": 0,
    }
    if item.owner.type == "Organization":
        rendered["organization"] = user(world, item.owner)
    above = network.parent(world, item)
    if above:
        rendered["parent"] = repository(world, above)
        rendered["source"] = repository(world, network.root(world, item))
    return rendered


def named_repository(item: Repository) -> Json:
    """The five fields by which installation events name a repository."""
    return {
        "id": item.id,
        "node_id": node_id("Repository", item.id),
        "name": item.name,
        "full_name": item.full_name,
        "private": item.private,
    }


def app(world: World, item: App) -> Json:
    """The GitHub App (`integration`)."""
    return {
        "id": item.id,
        "client_id": item.client_id,
        "slug": item.slug,
        "node_id": node_id("Integration", item.id),
        "owner": user(world, item.owner),
        "name": item.name,
        "description": item.description,
        "external_url": item.external_url or f"{world.url}/apps/{item.slug}",
        "html_url": f"{world.url}/apps/{item.slug}",
        "created_at": item.created_at,
        "updated_at": item.created_at,
        "permissions": dict(item.permissions),
        "events": list(item.events),
    }


def installation(world: World, item: Installation) -> Json:
    """The App on one account (`installation`)."""
    return {
        "id": item.id,
        "client_id": item.app.client_id,
        "account": user(world, item.account),
        "repository_selection": item.selection,
        "access_tokens_url": f"{world.url}/app/installations/{item.id}/access_tokens",
        "repositories_url": f"{world.url}/installation/repositories",
        "html_url": f"{world.url}/settings/installations/{item.id}",
        "app_id": item.app.id,
        "app_slug": item.app.slug,
        "target_id": item.account.id,
        "target_type": item.account.type,
        "permissions": dict(item.permissions),
        "events": list(item.events),
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": user(world, item.suspended_by) if item.suspended_by else None,
        "suspended_at": item.suspended_at,
    }
