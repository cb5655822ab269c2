"""The table of onboardings: which repository was offered its first `mcp.yaml`, and what came of it.

wanted ──▶ open ──▶ merged | declined        nobody is asked a second time
   └─────▶ not_needed | impossible           looked at again when it is asked for again
"""

from dataclasses import dataclass, fields
from typing import Literal

from psycopg.rows import class_row

from config.database import Connection
from config.settings import settings

State = Literal["wanted", "open", "merged", "declined", "not_needed", "impossible"]


@dataclass(frozen=True)
class Onboarding:
    """A row of `onboardings`.

    Attributes:
        pull_number: The pull request, once there is one.
        reason: Why there is none, or what became of it, in words for people.
    """

    repository_id: int
    state: State
    pull_number: int | None
    reason: str | None


_COLUMNS = ", ".join(field.name for field in fields(Onboarding))


def get(connection: Connection, repository_id: int) -> Onboarding | None:
    """The onboarding of a repository, when it was ever thought of."""
    with connection.cursor(row_factory=class_row(Onboarding)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM onboardings WHERE repository_id = %s", (repository_id,)
        ).fetchone()


def wanted(connection: Connection, repository_id: int) -> bool:
    """Whether a repository without `mcp.yaml` may be offered one.

    Not when the operator has switched that off, and not when its people have answered already:
    what they said holds after the App was uninstalled and installed again.
    """
    if not settings().onboarding:
        return False
    known = get(connection, repository_id)
    return known is None or known.state not in ("merged", "declined")


def impossible_in(connection: Connection, installation_id: int) -> list[int]:
    """Repositories of an installation that got no pull request, because GitHub refused it."""
    rows = connection.execute(
        """SELECT o.repository_id FROM onboardings o JOIN repositories r ON r.id = o.repository_id
           WHERE r.installation_id = %s AND r.state = 'active' AND o.state = 'impossible'
           ORDER BY o.repository_id""",
        (installation_id,),
    ).fetchall()
    return [row[0] for row in rows]


def begin(connection: Connection, repository_id: int) -> None:
    """Note that a pull request is about to be made."""
    connection.execute(
        "INSERT INTO onboardings (repository_id) VALUES (%s) ON CONFLICT DO NOTHING",
        (repository_id,),
    )


def settle(
    connection: Connection,
    repository_id: int,
    state: State,
    *,
    pull_number: int | None = None,
    reason: str | None = None,
) -> None:
    """Note what came of it; an answer that its people gave already stays."""
    connection.execute(
        """UPDATE onboardings
           SET state = %(state)s, pull_number = coalesce(%(number)s, pull_number),
               reason = %(reason)s, updated_at = now()
           WHERE repository_id = %(repository)s AND state NOT IN ('merged', 'declined')""",
        {
            "state": state,
            "number": pull_number,
            "reason": reason,
            "repository": repository_id,
        },
    )
    if state == "open" and pull_number is not None:
        _catch_up(connection, repository_id, pull_number)


def _catch_up(connection: Connection, repository_id: int, number: int) -> None:
    """Its people may have been faster: the event that it was closed can come before the answer that
    it was opened."""
    row = connection.execute(
        """SELECT merged FROM pull_requests
           WHERE repository_id = %s AND number = %s AND state = 'closed'""",
        (repository_id, number),
    ).fetchone()
    if row is not None:
        follow_pull_request(connection, repository_id, number, merged=row[0])


def follow_pull_request(
    connection: Connection, repository_id: int, number: int, *, merged: bool | None
) -> None:
    """Note that a pull request was closed or opened again; nothing when it is another one.

    Args:
        merged: True or False for a closed one, None for one that is open again.
    """
    state, reason = {
        True: ("merged", "merged"),
        False: ("declined", "closed without merging"),
        None: ("open", None),
    }[merged]
    connection.execute(
        """UPDATE onboardings SET state = %(state)s, reason = %(reason)s, updated_at = now()
           WHERE repository_id = %(repository)s AND pull_number = %(number)s
             AND state <> 'merged' AND state <> %(state)s""",
        {"state": state, "reason": reason, "repository": repository_id, "number": number},
    )
