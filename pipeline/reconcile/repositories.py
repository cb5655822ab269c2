"""Compares each repository with what GitHub says of it now: the heads of tracked branches, pull
requests, releases. What is missing is asked for, as its event would have."""

from typing import Any

import structlog

from config.database import Connection, transaction
from pipeline import pull_requests, run_making, runs
from pipeline.errands import table as errands
from pipeline.errands.asking import ask_for_head
from pipeline.github import reading
from pipeline.github.client import GitHubRefused, InstallationClient, speaking
from pipeline.manifest.deploying import DeploySettings

_NEWEST = 200
"""So many runs of a repository tell which branches it uses."""

log = structlog.get_logger(__name__)


def due(connection: Connection, *, older_than: float, limit: int) -> list[int]:
    """Repositories that were not compared for so many seconds, the longest first."""
    rows = connection.execute(
        """SELECT r.id FROM repositories r JOIN installations i ON i.id = r.installation_id
           WHERE r.state = 'active' AND NOT r.archived AND i.state = 'active'
             AND (r.reconciled_at IS NULL
                  OR r.reconciled_at < now() - make_interval(secs => %s))
           ORDER BY r.reconciled_at NULLS FIRST LIMIT %s""",
        (older_than, limit),
    ).fetchall()
    return [row[0] for row in rows]


def reconcile_repository(repository_id: int) -> list[int]:
    """Ask for whatever no event told of; return the errands.

    Raises:
        GitHubAway: GitHub cannot answer now.
    """
    with transaction() as connection:
        repository = runs.repository(connection, repository_id)
        branches = _tracked(connection, repository) if repository else []
    if repository is None:
        return []
    asked: list[int] = []
    try:
        with speaking(repository.installation_id, background=True) as github:
            heads = {branch: reading.head_of(github, repository, branch) for branch in branches}
            pulls = _open_pulls(github, repository)
            tags = _released(github, repository)
    except GitHubRefused as error:
        log.warning(
            "a repository refuses to be read", repository=repository.full_name, why=str(error)
        )
        _note(repository_id)
        return []
    with transaction() as connection:
        for branch, sha in heads.items():
            if sha is not None and not _is_known(connection, repository, branch, sha):
                look = ask_for_head(connection, repository.id, branch, sha, delivery_id=None)
                asked.append(look)
        asked += _ask_for_pulls(connection, repository, pulls)
        asked += _ask_for_tags(connection, repository, tags)
        connection.execute(
            "UPDATE repositories SET reconciled_at = now() WHERE id = %s", (repository_id,)
        )
    if asked:
        log.info("events were missed", repository=repository.full_name, errands=len(asked))
    return asked


def _note(repository_id: int) -> None:
    with transaction() as connection:
        connection.execute(
            "UPDATE repositories SET reconciled_at = now() WHERE id = %s", (repository_id,)
        )


def _tracked(connection: Connection, repository: runs.Repository) -> list[str]:
    """The default branch, those that the newest settings name, and those that had runs lately."""
    rows = connection.execute(
        """SELECT ref, deploy_settings FROM (
               SELECT * FROM runs WHERE repository_id = %s ORDER BY id DESC LIMIT %s) AS newest
           WHERE kind = 'deploy' AND created_at > now() - interval '30 days' ORDER BY id DESC""",
        (repository.id, _NEWEST),
    ).fetchall()
    settings = DeploySettings.from_json(next((row[1] for row in rows if row[1]), None))
    named = [rule.branch for rule in settings.push or () if not set("*?[") & set(rule.branch)]
    ran = [row[0].removeprefix("refs/heads/") for row in rows]
    return list(dict.fromkeys([repository.default_branch, *named, *ran]))


def _is_known(connection: Connection, repository: runs.Repository, branch: str, sha: str) -> bool:
    """Whether a commit of a branch has a run that stands, or was found to need none."""
    ref = f"refs/heads/{branch}"
    latest = [
        run
        for run in runs.latest_of_commit(connection, repository.id, sha)
        if run.kind == "deploy" and run.ref == ref
    ]
    if latest:
        return all(run_making.stands(connection, run) for run in latest)
    row = connection.execute(
        """SELECT 1 FROM errands WHERE repository_id = %(id)s AND kind = 'push'
             AND subject = %(ref)s AND details ->> 'sha' = %(sha)s AND state <> 'failed'
           LIMIT 1""",
        {"id": repository.id, "sha": sha, "ref": ref},
    ).fetchone()
    return row is not None


def _open_pulls(
    github: InstallationClient, repository: runs.Repository
) -> dict[int, tuple[str, bool]]:
    """The open pull requests: head commit, and whether each is a draft."""
    found: dict[int, tuple[str, bool]] = {}
    for page in range(1, 11):
        listed: Any = github.rest.pulls.list(
            repository.owner, repository.name, state="open", per_page=100, page=page
        ).json()
        for pull in listed:
            found[int(pull["number"])] = (pull["head"]["sha"], bool(pull.get("draft")))
        if len(listed) < 100:
            break
    return found


def _ask_for_pulls(
    connection: Connection, repository: runs.Repository, opened: dict[int, tuple[str, bool]]
) -> list[int]:
    """Ask for pull requests that are not as we know them, or whose end has left something."""
    rows = connection.execute(
        """SELECT number, head_sha, draft, state FROM pull_requests
           WHERE repository_id = %s AND retired_at IS NULL""",
        (repository.id,),
    ).fetchall()
    known = {row[0]: (row[1], row[2]) for row in rows if row[3] == "open"}
    changed = {
        number
        for number, now in opened.items()
        if known.get(number) != now or not _is_answered(connection, repository.id, number, now[0])
    }
    ended = {row[0] for row in rows} - set(opened)
    return [
        errands.ask(
            connection,
            "pull",
            repository_id=repository.id,
            subject=pull_requests.subject(number),
        )
        for number in sorted(changed | ended)
    ]


def _is_answered(connection: Connection, repository_id: int, number: int, head: str) -> bool:
    """Whether the head of a pull request has a run that stands, or was looked at."""
    run = runs.latest_of_pull(connection, repository_id, number)
    if run is not None and run.sha == head:
        return run_making.stands(connection, run)
    row = connection.execute(
        """SELECT 1 FROM errands e JOIN pull_requests p
             ON p.repository_id = e.repository_id AND p.number = %(number)s
           WHERE e.repository_id = %(id)s AND e.kind = 'pull' AND e.subject = %(subject)s
             AND e.state <> 'failed' AND coalesce(e.finished_at, 'infinity') >= p.updated_at
           LIMIT 1""",
        {
            "id": repository_id,
            "number": number,
            "subject": pull_requests.subject(number),
        },
    ).fetchone()
    return row is not None


def _released(
    github: InstallationClient, repository: runs.Repository
) -> list[tuple[str, str | None, str | None]]:
    """The newest releases and tags, the oldest of them first: name, commit (of tags), moment of
    publication (of releases)."""
    releases: Any = github.rest.repos.list_releases(
        repository.owner, repository.name, per_page=20
    ).json()
    tags: Any = github.rest.repos.list_tags(repository.owner, repository.name, per_page=50).json()
    found: list[tuple[str, str | None, str | None]] = [
        (release["tag_name"], None, release["published_at"])
        for release in releases
        if not release["draft"] and release["published_at"]
    ]
    found.sort(key=lambda release: release[2] or "")
    return found + [(tag["name"], tag["commit"]["sha"], None) for tag in reversed(tags)]


_BETWEEN_TAGS = 3.0


_IS_NEW_TAG = """
    SELECT NOT EXISTS (SELECT FROM runs WHERE repository_id = r.id AND ref = %(ref)s
                         AND kind = 'release')
       AND NOT EXISTS (SELECT FROM errands WHERE repository_id = r.id
                         AND kind = 'tag' AND subject = %(ref)s AND state <> 'failed')
       AND (coalesce(%(published)s::timestamptz > r.created_at, false)
            OR EXISTS (SELECT FROM runs WHERE repository_id = r.id AND sha = %(sha)s
                         AND kind = 'deploy'))
    FROM repositories r WHERE r.id = %(id)s"""


def _ask_for_tags(
    connection: Connection,
    repository: runs.Repository,
    found: list[tuple[str, str | None, str | None]],
) -> list[int]:
    """Ask for releases that were published since we know the repository, and for `v*` tags of
    commits that we have run: what is older was there before, and asks for nothing.

    Errands of several tags are done side by side: each begins some seconds after the one before, so
    that the newest release is the one that serves in the end.
    """
    asked: list[int] = []
    for name, sha, published_at in found:
        if published_at is None and not name.startswith("v"):
            continue
        ref = f"refs/tags/{name}"
        row = connection.execute(
            _IS_NEW_TAG, {"id": repository.id, "ref": ref, "sha": sha, "published": published_at}
        ).fetchone()
        if row is not None and row[0]:
            due_in = _BETWEEN_TAGS * len(asked)
            asked.append(
                errands.ask(
                    connection, "tag", repository_id=repository.id, subject=ref, due_in=due_in
                )
            )
    return asked
