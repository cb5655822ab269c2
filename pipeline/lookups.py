"""Works off what has to be asked of GitHub before a run can be made: the head of a repository that
is new to Sigil, and the commit of a release's tag."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from githubkit.exception import RequestFailed

from config.database import Connection, transaction
from pipeline import runs
from pipeline.github.client import GitHubAway, GitHubRefused, retry_moment, speaking
from pipeline.intake import deploy, release

MAX_ATTEMPTS = 12
"""After that many failures, about an hour, a lookup is given up."""


@dataclass(frozen=True)
class _Lookup:
    id: int
    ref: str | None
    attempts: int
    delivery_id: int | None
    repository: runs.Repository


def due(connection: Connection, *, limit: int = 200) -> list[int]:
    """Lookups whose time has come."""
    rows = connection.execute(
        "SELECT id FROM lookups WHERE state = 'waiting' AND due_at <= now() ORDER BY id LIMIT %s",
        (limit,),
    ).fetchall()
    return [row[0] for row in rows]


def look(lookup_id: int) -> list[int]:
    """Work off one lookup; return the runs it made."""
    lookup = _take(lookup_id)
    if lookup is None:
        return []
    try:
        if lookup.ref is None:
            return _first_run(lookup)
        return _release_run(lookup)
    except GitHubAway as error:
        if lookup.attempts < MAX_ATTEMPTS:
            _postpone(lookup, str(error), error.retry_at)
        else:
            _end(lookup, "failed", str(error))
    except GitHubRefused as error:
        # A fresh installation is unknown to parts of GitHub for some seconds.
        if error.status in (403, 404) and lookup.attempts < 4:
            _postpone(lookup, str(error), None)
        else:
            _end(lookup, "failed", str(error))
    return []


def _take(lookup_id: int) -> _Lookup | None:
    """Lease a lookup for a minute, so that two workers do not both ask."""
    with transaction() as connection:
        row = connection.execute(
            """UPDATE lookups SET attempts = attempts + 1, due_at = now() + interval '60 seconds'
               WHERE id = %s AND state = 'waiting' AND due_at <= now()
               RETURNING repository_id, ref, attempts, delivery_id""",
            (lookup_id,),
        ).fetchone()
        repository = runs.repository(connection, row[0]) if row else None
    if row is None or repository is None:
        return None
    return _Lookup(
        id=lookup_id, ref=row[1], attempts=row[2], delivery_id=row[3], repository=repository
    )


def _first_run(lookup: _Lookup) -> list[int]:
    repository = lookup.repository
    with speaking(repository.installation_id) as github:
        found = github.rest.repos.get(repository.owner, repository.name).parsed_data
        branch = found.default_branch
        try:
            head = github.rest.repos.get_branch(repository.owner, repository.name, branch)
            sha = head.parsed_data.commit.sha
        except RequestFailed as error:
            if error.response.status_code == 404:
                return _end(lookup, "done", "the repository is empty")
            raise
        try:
            content = github.rest.repos.get_content(
                repository.owner, repository.name, "mcp.yaml", ref=sha
            ).json()
        except RequestFailed as error:
            if error.response.status_code == 404:
                return _end(lookup, "done", f"{branch} has no mcp.yaml")
            raise
    if not _is_file(content):
        return _end(lookup, "done", "mcp.yaml is not a file")
    with transaction() as connection:
        connection.execute(
            "UPDATE repositories SET default_branch = %s WHERE id = %s", (branch, repository.id)
        )
        created = deploy(connection, repository.id, branch, sha, delivery_id=lookup.delivery_id)
        _set_state(connection, lookup, "done", f"run {created.run.id}")
    return [created.run.id]


def _release_run(lookup: _Lookup) -> list[int]:
    repository, ref = lookup.repository, lookup.ref or ""
    with speaking(repository.installation_id) as github:
        commit = github.rest.repos.get_commit(repository.owner, repository.name, ref)
        sha = commit.parsed_data.sha
    with transaction() as connection:
        created = release(connection, repository.id, ref, sha, lookup.delivery_id)
        _set_state(connection, lookup, "done", f"run {created.run.id}")
    return [created.run.id]


def _is_file(content: Any) -> bool:
    try:
        return isinstance(content, dict) and bool(base64.b64decode(content.get("content") or ""))
    except binascii.Error:
        return False


def _postpone(lookup: _Lookup, reason: str, retry_at: Any) -> None:
    with transaction() as connection:
        connection.execute(
            "UPDATE lookups SET due_at = %s, reason = %s WHERE id = %s",
            (retry_moment(lookup.attempts, floor=retry_at), reason, lookup.id),
        )


def _end(lookup: _Lookup, state: str, reason: str) -> list[int]:
    with transaction() as connection:
        _set_state(connection, lookup, state, reason)
    return []


def _set_state(connection: Connection, lookup: _Lookup, state: str, reason: str) -> None:
    connection.execute(
        "UPDATE lookups SET state = %s, reason = %s WHERE id = %s", (state, reason, lookup.id)
    )
