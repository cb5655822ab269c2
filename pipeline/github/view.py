"""What GitHub is told of a run is made from this: the run, and how things stand around it now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from config.database import Connection
from config.settings import settings
from pipeline import deployments, pull_requests, run_logs, run_stages, runs
from pipeline.manifest.deploy_settings import DeploySettings
from pipeline.pull_requests import PullRequest
from pipeline.run_stages import StageRow
from pipeline.runs import Repository, Run

LOG_LINES = 120
"""Lines of the log at the end of a check."""


@dataclass(frozen=True)
class Served:
    """A deployment as people name it. `version` is what the commit's `mcp.yaml` says."""

    run_id: int
    sha: str
    url: str
    version: str | None


@dataclass(frozen=True)
class RunView:
    """Everything that is told of a run.

    Attributes:
        page: The run's own page.
        repository_page: The repository's page at GitHub.
        pull: The pull request that it belongs to.
        newest: Whether its pull request has no newer run.
        approved_by: Who approved this commit of a fork.
        deployment: The state of the deployment that it made.
        serving: What serves in its environment now, itself perhaps.
        replaced: What its deployment took over from.
        last_good: What a rollback would bring back; looked up only while it serves.
        target: What a rollback brings back.
    """

    run: Run
    repository: Repository
    stages: Sequence[StageRow]
    log_tail: Sequence[str]
    page: str
    repository_page: str = ""
    pull: PullRequest | None = None
    newest: bool = True
    approved_by: str | None = None
    deployment: str | None = None
    serving: Served | None = None
    replaced: Served | None = None
    last_good: Served | None = None

    def result(self, stage: str) -> dict[str, Any]:
        """A finished stage's stored result, or nothing."""
        for row in self.stages:
            if row.stage == stage and row.state == "succeeded":
                return row.result or {}
        return {}

    @property
    def final(self) -> bool:
        """Whether the run has come to an end."""
        return self.run.state in runs.FINAL

    @property
    def is_live(self) -> bool:
        """Whether what it deployed serves now."""
        return self.run.state == "succeeded" and self.deployment == "live"

    @property
    def is_closed(self) -> bool:
        """Whether its pull request is closed."""
        return self.pull is not None and self.pull.state == "closed"

    @property
    def is_outdated(self) -> bool:
        """Whether its pull request has a newer commit."""
        return self.pull is not None and self.pull.head_sha != self.run.sha

    @property
    def wants_approval(self) -> bool:
        """Whether an approval would lead to a preview of exactly this commit."""
        run, pull = self.run, self.pull
        return (
            pull is not None
            and pull.fork
            and not run.trusted
            and run.state == "succeeded"
            and self.approved_by is None
            and not (self.is_closed or self.is_outdated)
            and self.settings.pull_request == "preview"
        )

    @property
    def settings(self) -> DeploySettings:
        """The `deploy:` settings that hold for the run."""
        return DeploySettings.from_json(self.run.deploy_settings)


def read_view(connection: Connection, run_id: int) -> RunView:
    """The run as it is now."""
    run = runs.get(connection, run_id)
    assert run is not None
    repository = runs.repository(connection, run.repository_id)
    assert repository is not None
    stage = (run.error or {}).get("stage")
    own = deployments.of_run(connection, run_id)
    serving = deployments.live(connection, run.repository_id, run.environment)
    is_live = own is not None and own.state == "live"
    good = (
        deployments.last_good(connection, run.repository_id, run.environment) if is_live else None
    )
    number = run.pull_number
    return RunView(
        run=run,
        repository=repository,
        stages=run_stages.of_run(connection, run_id),
        log_tail=run_logs.tail(connection, run_id, stage, lines=LOG_LINES)
        if run.state in runs.FINAL
        else (),
        page=f"{settings().public_url}/runs/{run_id}",
        repository_page=f"{settings().github_url}/{repository.full_name}",
        pull=pull_requests.get(connection, run.repository_id, number) if number else None,
        newest=_is_newest(connection, run),
        approved_by=pull_requests.approver(connection, run.repository_id, number, run.sha)
        if number
        else None,
        deployment=own.state if own else None,
        serving=_served(connection, serving.id) if serving else None,
        replaced=_replaced(connection, own.id) if own else None,
        last_good=_served(connection, good.id) if good else None,
    )


def _is_newest(connection: Connection, run: Run) -> bool:
    if run.pull_number is None:
        return True
    newest = runs.latest_of_pull(connection, run.repository_id, run.pull_number)
    return newest is None or newest.id <= run.id


_SERVED = """
    SELECT d.run_id, r.sha, d.url, m.result -> 'manifest' ->> 'version' AS version
    FROM mcp_deployments d JOIN runs r ON r.id = d.run_id
    LEFT JOIN run_stages m ON m.run_id = d.run_id AND m.stage = 'manifest'"""


def _served(connection: Connection, deployment_id: int) -> Served | None:
    with connection.cursor(row_factory=class_row(Served)) as cursor:
        return cursor.execute(_SERVED + " WHERE d.id = %s", (deployment_id,)).fetchone()


def _replaced(connection: Connection, deployment_id: int) -> Served | None:
    """The deployment that ended at the very moment, and so in the transaction, that this one became
    live in."""
    with connection.cursor(row_factory=class_row(Served)) as cursor:
        return cursor.execute(
            _SERVED
            + """ JOIN mcp_deployments own ON own.repository_id = d.repository_id
                    AND own.environment = d.environment AND own.live_at = d.ended_at
                    AND own.id <> d.id AND d.state = 'replaced'
                  WHERE own.id = %s LIMIT 1""",
            (deployment_id,),
        ).fetchone()
