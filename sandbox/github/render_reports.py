"""Check runs, check suites, statuses and releases as GitHub's JSON."""

from sandbox.github import render, render_commits, render_pulls
from sandbox.github.world import (
    CheckRun,
    CheckSuite,
    Json,
    Release,
    Repository,
    Status,
    World,
    node_id,
)


def check_run(world: World, repository: Repository, item: CheckRun) -> Json:
    """A check run (`check-run`)."""
    url = f"{render.repository_url(world, repository)}/check-runs/{item.id}"
    return {
        "id": item.id,
        "name": item.name,
        "node_id": node_id("CheckRun", item.id),
        "head_sha": item.head_sha,
        "external_id": item.external_id,
        "url": url,
        "html_url": f"{render.page_url(world, repository)}/runs/{item.id}",
        "details_url": item.details_url,
        "status": item.status,
        "conclusion": item.conclusion,
        "started_at": item.started_at,
        "completed_at": item.completed_at,
        "output": {
            **item.output,
            "annotations_count": len(item.annotations),
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": {"id": item.suite.id},
        "app": render.app(world, item.suite.app),
        "pull_requests": render_pulls.of_commit(world, repository, item.head_sha),
    }


def check_suite(world: World, repository: Repository, item: CheckSuite) -> Json:
    """A check suite (`check-suite`)."""
    url = f"{render.repository_url(world, repository)}/check-suites/{item.id}"
    runs = [run for run in repository.check_runs.values() if run.suite is item]
    return {
        "id": item.id,
        "node_id": node_id("CheckSuite", item.id),
        "head_branch": item.head_branch,
        "head_sha": item.head_sha,
        "status": item.status,
        "conclusion": item.conclusion,
        "url": url,
        "before": item.before,
        "after": item.head_sha,
        "pull_requests": render_pulls.of_commit(world, repository, item.head_sha),
        "app": render.app(world, item.app),
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "rerequestable": True,
        "runs_rerequestable": True,
        "latest_check_runs_count": len({run.name for run in runs}),
        "check_runs_url": f"{url}/check-runs",
        "head_commit": render_commits.simple_commit(repository.git.commit(item.head_sha)),
        "repository": render.repository_essentials(world, repository),
    }


def event_check_run(world: World, repository: Repository, item: CheckRun) -> Json:
    """A check run inside an event, where its suite is spelled out."""
    suite = check_suite(world, repository, item.suite)
    named = (
        "id node_id head_branch head_sha status conclusion url before after pull_requests app "
        "created_at updated_at"
    )
    return {
        **check_run(world, repository, item),
        "check_suite": {name: suite[name] for name in named.split()},
    }


def status(world: World, repository: Repository, item: Status) -> Json:
    """A commit status (`status`)."""
    creator = render.user(world, item.creator)
    return {
        "url": f"{render.repository_url(world, repository)}/statuses/{item.sha}",
        "avatar_url": creator["avatar_url"],
        "id": item.id,
        "node_id": node_id("StatusContext", item.id),
        "state": item.state,
        "description": item.description,
        "target_url": item.target_url,
        "context": item.context,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "creator": creator,
    }


def release(world: World, repository: Repository, item: Release) -> Json:
    """A release (`release`)."""
    api, page = render.repository_url(world, repository), render.page_url(world, repository)
    url = f"{api}/releases/{item.id}"
    return {
        "url": url,
        "assets_url": f"{url}/assets",
        "upload_url": f"{url}/assets{{?name,label}}",
        "html_url": f"{page}/releases/tag/{item.tag_name}",
        "id": item.id,
        "author": render.user(world, item.author),
        "node_id": node_id("Release", item.id),
        "tag_name": item.tag_name,
        "target_commitish": item.target_commitish,
        "name": item.name,
        "draft": item.draft,
        "immutable": False,
        "prerelease": item.prerelease,
        "created_at": item.created_at,
        "updated_at": item.created_at,
        "published_at": item.published_at,
        "assets": [],
        "tarball_url": f"{api}/tarball/{item.tag_name}",
        "zipball_url": f"{api}/zipball/{item.tag_name}",
        "body": item.body,
    }
