"""Pull requests in the database, and who approved which commit of a fork."""

from dataclasses import dataclass, fields
from typing import Literal

from psycopg.rows import class_row

from config.database import Connection
from pipeline import runs
from pipeline.runs import Run


@dataclass(frozen=True)
class PullRequest:
    """A row of `pull_requests`, without what Sigil itself keeps there.

    Attributes:
        head_repository: `owner/name`; None when the fork was deleted.
        fork: Whether its commits come from another repository, and so from someone who may not
            be trusted with secrets.
    """

    repository_id: int
    number: int
    head_sha: str
    head_ref: str
    head_repository: str | None
    fork: bool
    base_ref: str
    author: str
    draft: bool
    state: Literal["open", "closed"]
    merged: bool


@dataclass(frozen=True)
class Comment:
    """Sigil's one comment under a pull request, as far as it is known.

    Attributes:
        id: GitHub's id; None before there is one.
        reported: What it says at GitHub.
    """

    id: int | None = None
    reported: str | None = None


_COLUMNS = ", ".join(field.name for field in fields(PullRequest))


def subject(number: int) -> str:
    """What errands about a pull request have as their subject."""
    return f"#{number}"


def environment(number: int) -> str:
    """The environment of a pull request's preview. A shared one would not do: a new deployment of
    an environment makes GitHub deactivate the others."""
    return f"preview/pr-{number}"


def record(connection: Connection, pull: PullRequest) -> None:
    """Note a pull request as it is now. One that is open again has a preview to retire again."""
    before = get(connection, pull.repository_id, pull.number)
    connection.execute(
        f"""INSERT INTO pull_requests ({_COLUMNS})
            VALUES (%(repository_id)s, %(number)s, %(head_sha)s, %(head_ref)s,
                    %(head_repository)s, %(fork)s, %(base_ref)s, %(author)s, %(draft)s, %(state)s,
                    %(merged)s)
            ON CONFLICT (repository_id, number) DO UPDATE
            SET head_sha = excluded.head_sha, head_ref = excluded.head_ref,
                head_repository = excluded.head_repository, fork = excluded.fork,
                base_ref = excluded.base_ref, draft = excluded.draft, state = excluded.state,
                merged = excluded.merged, updated_at = now(),
                retired_at = CASE WHEN excluded.state = 'open' THEN NULL
                                  ELSE pull_requests.retired_at END""",
        vars(pull),
    )
    if before is not None and _turns(before) != _turns(pull):
        runs.show_again(connection, pull.repository_id, pull.number, before.head_sha)


def _turns(pull: PullRequest) -> tuple[object, ...]:
    """What decides on the buttons and the words of the checks of a pull request."""
    return pull.head_sha, pull.state, pull.draft


def get(connection: Connection, repository_id: int, number: int) -> PullRequest | None:
    """The pull request of that number."""
    with connection.cursor(row_factory=class_row(PullRequest)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM pull_requests WHERE repository_id = %s AND number = %s",
            (repository_id, number),
        ).fetchone()


def is_closed(connection: Connection, run: Run) -> bool:
    """Whether a run belongs to a pull request that is closed."""
    row = connection.execute(
        """SELECT 1 FROM pull_requests
           WHERE repository_id = %s AND number = %s AND state = 'closed'""",
        (run.repository_id, run.pull_number),
    ).fetchone()
    return row is not None


def retired(connection: Connection, repository_id: int, number: int) -> None:
    """Note that nothing of a pull request's preview is left, unless it was opened again."""
    connection.execute(
        """UPDATE pull_requests SET retired_at = now()
           WHERE repository_id = %s AND number = %s AND state = 'closed'""",
        (repository_id, number),
    )


def approve(connection: Connection, pull: PullRequest, sha: str, *, by: str) -> None:
    """Let a commit of a fork be deployed. Holds for that commit only."""
    connection.execute(
        """INSERT INTO approvals (repository_id, number, sha, approved_by)
           VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING""",
        (pull.repository_id, pull.number, sha, by),
    )


def approver(connection: Connection, repository_id: int, number: int, sha: str) -> str | None:
    """Who approved a commit, or None."""
    row = connection.execute(
        "SELECT approved_by FROM approvals WHERE repository_id = %s AND number = %s AND sha = %s",
        (repository_id, number, sha),
    ).fetchone()
    return row[0] if row else None


def comment(connection: Connection, repository_id: int, number: int) -> Comment:
    """Sigil's comment under a pull request."""
    row = connection.execute(
        """SELECT comment_id, comment_reported FROM pull_requests
           WHERE repository_id = %s AND number = %s""",
        (repository_id, number),
    ).fetchone()
    return Comment(*row) if row else Comment()


def remember_comment(
    connection: Connection, repository_id: int, number: int, comment_id: int, text: str
) -> None:
    """Note what Sigil's comment under a pull request says now."""
    connection.execute(
        """UPDATE pull_requests SET comment_id = %s, comment_reported = %s
           WHERE repository_id = %s AND number = %s""",
        (comment_id, text, repository_id, number),
    )
