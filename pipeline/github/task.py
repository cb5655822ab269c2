"""A report that is due, leased to one worker: what it is about, and what GitHub has of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from config.database import Connection, transaction
from config.settings import settings
from pipeline.github.view import RunView, read_view


class LeaseLost(Exception):
    """Another worker has this report now: nothing more may be sent."""


def lease_seconds() -> float:
    """So long is one worker alone with a report, counted anew from each part of it: longer than the
    requests of a part may take together, even when the last of them has no answer."""
    return 5 * settings().github_timeout + 10


@dataclass
class Task:
    """A report that is due.

    Attributes:
        attempts: How often this revision was tried, this time included.
        leased_until: Until then no other worker takes it; it is how the lease is recognised.
        permissions: What GitHub granted, as far as it is known; empty when it is not.
        deployment_id: GitHub's id of the deployment.
    """

    view: RunView
    revision: int
    attempts: int
    leased_until: datetime
    check_run_id: int | None
    check_reported: str | None
    status_reported: str | None
    deployment_id: int | None
    deployment_reported: str | None
    permissions: dict[str, Any] = field(default_factory=dict)

    @property
    def may_have_been_sent(self) -> bool:
        """Whether an earlier attempt may have reached GitHub without our learning of it."""
        return self.attempts > 1

    def renew(self) -> None:
        """Count the lease anew.

        Raises:
            LeaseLost: it was over, and somebody else has the report.
        """
        with transaction() as connection:
            row = connection.execute(
                """UPDATE runs SET report_due_at = now() + make_interval(secs => %s)
                   WHERE id = %s AND report_due_at = %s RETURNING report_due_at""",
                (lease_seconds(), self.view.run.id, self.leased_until),
            ).fetchone()
        if row is None:
            raise LeaseLost
        self.leased_until = row[0]

    def remember_check(self, check_run_id: int) -> None:
        """Note the check run's id."""
        self.check_run_id = check_run_id
        self._note("UPDATE runs SET check_run_id = %s WHERE id = %s", check_run_id)

    def remember_check_told(self, fingerprint: str) -> None:
        """Note what the check run says at GitHub."""
        self._note("UPDATE runs SET check_reported = %s WHERE id = %s", fingerprint)

    def remember_status(self, fingerprint: str) -> None:
        """Note the commit status that GitHub has now."""
        self._note("UPDATE runs SET status_reported = %s WHERE id = %s", fingerprint)

    def remember_deployment(self, deployment_id: int | None) -> None:
        """Note GitHub's id of the deployment; None when it was deleted there."""
        self.deployment_id = deployment_id
        self._note("UPDATE runs SET github_deployment_id = %s WHERE id = %s", deployment_id)

    def remember_deployment_status(self, fingerprint: str) -> None:
        """Note the deployment status that GitHub has now."""
        self._note("UPDATE runs SET deployment_reported = %s WHERE id = %s", fingerprint)

    def _note(self, sql: Any, value: int | str | None) -> None:
        with transaction() as connection:
            connection.execute(sql, (value, self.view.run.id))


# A suspended installation refuses everything: its reports wait. Of a repository that is gone
# nothing can be told any more.
_REPORTABLE = """
    EXISTS (SELECT FROM repositories r JOIN installations i ON i.id = r.installation_id
            WHERE r.id = runs.repository_id AND i.state <> 'suspended')"""


def due(connection: Connection, *, limit: int = 500) -> list[int]:
    """Runs whose report waits, the longest first."""
    rows = connection.execute(
        f"""SELECT id FROM runs
            WHERE reported_revision < revision AND report_due_at <= now() AND {_REPORTABLE}
            ORDER BY report_due_at LIMIT %s""",
        (limit,),
    ).fetchall()
    return [row[0] for row in rows]


def lease(run_id: int) -> Task | None:
    """Take a run's report, or None when there is none to take now."""
    with transaction() as connection:
        row = connection.execute(
            f"""UPDATE runs SET report_due_at = now() + make_interval(secs => %s),
                       report_attempts = report_attempts + 1
                WHERE id = %s AND reported_revision < revision AND report_due_at <= now()
                  AND {_REPORTABLE}
                RETURNING revision, report_attempts, report_due_at, check_run_id, check_reported,
                          status_reported, github_deployment_id, deployment_reported""",
            (lease_seconds(), run_id),
        ).fetchone()
        if row is None:
            return None
        view = read_view(connection, run_id)
        granted = connection.execute(
            "SELECT permissions FROM installations WHERE id = %s",
            (view.repository.installation_id,),
        ).fetchone()
    return Task(
        view=view,
        revision=row[0],
        attempts=row[1],
        leased_until=row[2],
        check_run_id=row[3],
        check_reported=row[4],
        status_reported=row[5],
        deployment_id=row[6],
        deployment_reported=row[7],
        permissions=granted[0] if granted else {},
    )
