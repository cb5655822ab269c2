"""Compares the App's installations, and the repositories they were given, with what we know."""

from typing import Any

import structlog

from config.database import Connection, transaction
from pipeline import coordinates
from pipeline.errands import table as errands
from pipeline.github.client import GitHubRefused, speaking, speaking_as_app
from pipeline.triggers.kinds import Account, RepositoryRef

_PAGE = 100
_MOST_PAGES = 100

log = structlog.get_logger(__name__)


def reconcile_installations() -> list[int]:
    """Take over what GitHub says of the App's installations; return the errands that came of it.

    Raises:
        GitHubAway: GitHub cannot answer now.
    """
    with speaking_as_app(background=True) as github:
        listed = _pages(github, "/app/installations", None)
    with transaction() as connection:
        for installation in listed:
            _record(connection, installation)
        _forget_others(connection, {int(installation["id"]) for installation in listed})
    asked: list[int] = []
    for installation in listed:
        if not installation.get("suspended_at"):
            try:
                asked += _reconcile_repositories(installation)
            except GitHubRefused as error:
                log.warning("an installation refuses to be read", why=str(error))
    return asked


def _pages(github: Any, path: str, key: str | None) -> list[dict[str, Any]]:
    """All entries of a list, page by page; `key` names it where it is wrapped."""
    found: list[dict[str, Any]] = []
    for page in range(1, _MOST_PAGES + 1):
        body = github.request("GET", path, params={"per_page": _PAGE, "page": page}).json()
        entries = body[key] if key else body
        found += entries
        if len(entries) < _PAGE:
            break
    return found


def _account(body: dict[str, Any]) -> Account:
    return Account(id=int(body["account"]["id"]), login=str(body["account"]["login"]))


def _record(connection: Connection, body: dict[str, Any]) -> None:
    coordinates.record_installation(
        connection, int(body["id"]), _account(body), permissions=body.get("permissions")
    )
    state = "suspended" if body.get("suspended_at") else "active"
    # What GitHub lists is installed, whatever a lost or late event made of it.
    connection.execute(
        "UPDATE installations SET state = %s, updated_at = now() WHERE id = %s AND state <> %s",
        (state, body["id"], state),
    )


def _forget_others(connection: Connection, known: set[int]) -> None:
    """Uninstall what GitHub does not list any more."""
    rows = connection.execute(
        """UPDATE installations SET state = 'deleted', updated_at = now()
           WHERE state <> 'deleted' AND id <> ALL(%s) AND created_at < now() - interval '10 minutes'
           RETURNING id""",
        (list(known),),
    ).fetchall()
    for (installation,) in rows:
        ours = connection.execute(
            "SELECT id FROM repositories WHERE installation_id = %s", (installation,)
        ).fetchall()
        gone = coordinates.give_up(connection, [row[0] for row in ours])
        log.info("the App was uninstalled unnoticed", repositories=gone)


def _reconcile_repositories(body: dict[str, Any]) -> list[int]:
    installation, account = int(body["id"]), _account(body)
    with speaking(installation, background=True) as github:
        listed = _pages(github, "/installation/repositories", "repositories")
    asked = []
    with transaction() as connection:
        workspace = coordinates.record_installation(connection, installation, account)
        active = {
            row[0]
            for row in connection.execute(
                "SELECT id FROM repositories WHERE installation_id = %s AND state = 'active'",
                (installation,),
            ).fetchall()
        }
        for found in listed:
            reference = _reference(found)
            coordinates.record_repository(
                connection, installation, workspace, reference, asked=True
            )
            connection.execute(
                "UPDATE repositories SET archived = %s WHERE id = %s",
                (bool(found.get("archived")), reference.id),
            )
            if reference.id not in active:
                look = errands.ask(connection, "first_look", repository_id=reference.id)
                asked.append(look)
        lost = active - {int(found["id"]) for found in listed}
        if lost:
            gone = coordinates.give_up(connection, sorted(lost))
            log.info("repositories were taken away unnoticed", repositories=gone)
    return asked


def _reference(body: dict[str, Any]) -> RepositoryRef:
    return RepositoryRef(
        id=int(body["id"]),
        owner=str(body["owner"]["login"]),
        name=str(body["name"]),
        private=bool(body["private"]),
        default_branch=body.get("default_branch"),
    )
