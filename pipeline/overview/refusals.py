"""What GitHub refuses to be told, by repository: mostly for want of a permission."""

from dataclasses import dataclass

from psycopg.rows import class_row

from config.database import Connection
from pipeline.github.errors import REFUSED


@dataclass(frozen=True)
class Refusal:
    """What GitHub refused when a repository's newest run was told.

    Attributes:
        repository: `owner/name`; None when it is not to be shown.
        problem: In words, with Markdown.
    """

    repository: str | None
    run_id: int
    problem: str


# Only the newest runs are looked at, so that the page costs the same after years.
_REFUSALS = """
    SELECT CASE WHEN %(private)s OR NOT p.private THEN p.owner || '/' || p.name END AS repository,
           newest.id AS run_id, newest.report_error AS problem
    FROM (SELECT DISTINCT ON (repository_id) id, repository_id, report_error
          FROM (SELECT * FROM runs ORDER BY id DESC LIMIT 500) recent
          ORDER BY repository_id, id DESC) newest
    JOIN repositories p ON p.id = newest.repository_id
    WHERE newest.report_error LIKE %(refused)s AND p.state = 'active'
    ORDER BY newest.id DESC LIMIT %(limit)s"""


def list_refusals(
    connection: Connection, *, private: bool = False, limit: int = 10
) -> tuple[Refusal, ...]:
    """The repositories whose newest run GitHub did not want to hear all about, the newest first.

    Args:
        private: Name private repositories too.
    """
    with connection.cursor(row_factory=class_row(Refusal)) as cursor:
        rows = cursor.execute(
            _REFUSALS, {"private": private, "refused": f"{REFUSED}%", "limit": limit}
        ).fetchall()
    return tuple(rows)
