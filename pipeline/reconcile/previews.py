"""Looks again at pull requests that were closed lately: a report that came late may have left
something of their previews at GitHub."""

from config.database import transaction
from pipeline import pull_requests
from pipeline.errands import table as errands


def look_again_at_closed(*, days: int = 2, limit: int = 1000) -> list[int]:
    """Have the previews of pull requests that were closed in the last days taken down once more;
    return the errands. What is gone already costs one request each."""
    with transaction() as connection:
        rows = connection.execute(
            """SELECT p.repository_id, p.number FROM pull_requests p
               JOIN repositories r ON r.id = p.repository_id
               WHERE p.state = 'closed' AND r.state = 'active' AND NOT r.archived
                 AND (p.retired_at IS NULL OR p.retired_at > now() - make_interval(days => %s))
               ORDER BY p.repository_id, p.number LIMIT %s""",
            (days, limit),
        ).fetchall()
        return [
            errands.ask(
                connection,
                "pull",
                repository_id=repository,
                subject=pull_requests.subject(number),
            )
            for repository, number in rows
        ]
