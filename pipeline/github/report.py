"""Brings GitHub's check run and commit status of a run to what the run's row says.

Works from the difference between `revision` and `reported_revision`, so that a report that is lost,
doubled or late changes nothing: the next one starts from the truth again.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog
from githubkit.exception import RequestFailed
from githubkit_schemas.latest.models import CheckRun

from config.database import Connection, transaction
from config.settings import settings
from pipeline import run_logs, run_stages, runs
from pipeline.github.checks import (
    CheckReport,
    RunView,
    StatusReport,
    check_name,
    check_report,
    external_id,
    minimal,
    status_report,
)
from pipeline.github.client import (
    GitHubAway,
    GitHubHeld,
    GitHubRefused,
    InstallationClient,
    retry_moment,
    speaking,
)

ANNOTATIONS_A_REQUEST = 50
"""GitHub's limit; further annotations are appended by further updates."""

LEASE_SECONDS = 60
"""So long is one worker alone with a report. Longer than all its requests may take together."""

MAX_REFUSALS = 8
"""After so many refusals in a row a report is given up: a person has to grant something first."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Task:
    """A report that is due, leased to this worker."""

    view: RunView
    revision: int
    attempts: int
    check_run_id: int | None
    status_reported: str | None


def due(connection: Connection, *, limit: int = 500) -> list[int]:
    """Runs whose report waits, the longest first."""
    rows = connection.execute(
        """SELECT id FROM runs WHERE reported_revision < revision AND report_due_at <= now()
           ORDER BY report_due_at LIMIT %s""",
        (limit,),
    ).fetchall()
    return [row[0] for row in rows]


def report(run_id: int) -> None:
    """Report a run until GitHub has its newest revision, or until GitHub cannot answer now."""
    while True:
        task = _lease(run_id)
        if task is None:
            return
        try:
            problem = _send(task)
        except GitHubHeld as error:
            _hold(task, error)
            return
        except GitHubAway as error:
            _postpone(task, str(error), error.retry_at)
            return
        except GitHubRefused as error:
            if task.attempts < MAX_REFUSALS:
                _postpone(task, str(error), None)
                return
            problem = str(error)
            log.warning("a report is given up", run=run_id, why=problem)
        _settle(task, problem)


def _lease(run_id: int) -> _Task | None:
    with transaction() as connection:
        row = connection.execute(
            """UPDATE runs SET report_due_at = now() + make_interval(secs => %s),
                      report_attempts = report_attempts + 1
               WHERE id = %s AND reported_revision < revision AND report_due_at <= now()
               RETURNING revision, report_attempts, check_run_id, status_reported""",
            (LEASE_SECONDS, run_id),
        ).fetchone()
        if row is None:
            return None
        return _Task(
            view=_view(connection, run_id),
            revision=row[0],
            attempts=row[1],
            check_run_id=row[2],
            status_reported=row[3],
        )


def _view(connection: Connection, run_id: int) -> RunView:
    run = runs.get(connection, run_id)
    assert run is not None
    repository = runs.repository(connection, run.repository_id)
    assert repository is not None
    stage = (run.error or {}).get("stage")
    return RunView(
        run=run,
        repository=repository,
        stages=run_stages.of_run(connection, run_id),
        log_tail=run_logs.tail(connection, run_id, stage, lines=120)
        if run.state in runs.FINAL
        else (),
        page=f"{settings().public_url}/runs/{run_id}",
    )


def _send(task: _Task) -> str | None:
    """Bring GitHub up to date; return what it will not have, when it takes only a part."""
    view = task.view
    problem = None
    with speaking(view.repository.installation_id) as github:
        try:
            _bring_check(github, task)
        except RequestFailed as error:
            # Without the permission for checks, the commit status still says what came of it.
            if error.response.status_code != 403 or task.attempts < 2:
                raise
            problem = "GitHub refuses check runs: the App lacks the permission `checks: write`"
        _bring_status(github, task)
    return problem


def _bring_check(github: InstallationClient, task: _Task) -> None:
    wanted = check_report(task.view)
    try:
        _put_check(github, task, wanted)
    except RequestFailed as error:
        if error.response.status_code != 422:
            raise
        log.warning("GitHub finds the check run's output wrong; sending less", run=task.view.run.id)
        # The refused request may have been one that followed the creation.
        _put_check(github, replace(task, check_run_id=_known_check(task)), minimal(wanted))


def _put_check(github: InstallationClient, task: _Task, wanted: CheckReport) -> None:
    known = task.check_run_id or _find_check(github, task)
    annotations = wanted.annotations
    if known is None:
        created = _write_check(
            github,
            task,
            "POST",
            "",
            {"name": wanted.name, "head_sha": task.view.run.sha, **_body(wanted, annotations)},
        )
        known = created.id
        _remember_check(task, known)
    else:
        if annotations:
            # An update that was lost after it was applied must not list its annotations twice.
            repository = task.view.repository
            found = github.rest.checks.get(repository.owner, repository.name, known).parsed_data
            annotations = annotations[found.output.annotations_count :]
        _write_check(github, task, "PATCH", f"/{known}", _body(wanted, annotations))
    for at in range(ANNOTATIONS_A_REQUEST, len(annotations), ANNOTATIONS_A_REQUEST):
        _write_check(
            github, task, "PATCH", f"/{known}", {"output": _output(wanted, annotations[at:])}
        )


def _write_check(
    github: InstallationClient, task: _Task, method: str, suffix: str, body: dict[str, Any]
) -> CheckRun:
    repository = task.view.repository
    return github.request(
        method,
        f"/repos/{repository.owner}/{repository.name}/check-runs{suffix}",
        json=body,
        response_model=CheckRun,
    ).parsed_data


def _body(wanted: CheckReport, annotations: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "external_id": wanted.external_id,
        "details_url": wanted.details_url,
        "status": wanted.status,
        "output": _output(wanted, annotations),
    }
    if wanted.started_at:
        body["started_at"] = _time(wanted.started_at)
    if wanted.conclusion:
        body["conclusion"] = wanted.conclusion
        body["completed_at"] = _time(wanted.completed_at or datetime.now(UTC))
    return body


def _output(wanted: CheckReport, annotations: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    output: dict[str, Any] = {"title": wanted.title, "summary": wanted.summary}
    if wanted.text:
        output["text"] = wanted.text
    if annotations:
        output["annotations"] = annotations[:ANNOTATIONS_A_REQUEST]
    return output


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _find_check(github: InstallationClient, task: _Task) -> int | None:
    """The check run that an earlier attempt created, when its answer was lost."""
    if task.attempts < 2:
        return None
    repository, run = task.view.repository, task.view.run
    listed: Callable[..., Any] = github.rest.checks.list_for_ref
    for check in github.rest.paginate(
        listed,
        map_func=lambda response: response.parsed_data.check_runs,
        owner=repository.owner,
        repo=repository.name,
        ref=run.sha,
        check_name=check_name(run),
        filter_="all",
        per_page=100,
    ):
        if check.external_id == external_id(run):
            _remember_check(task, check.id)
            return int(check.id)
    return None


def _known_check(task: _Task) -> int | None:
    with transaction() as connection:
        row = connection.execute(
            "SELECT check_run_id FROM runs WHERE id = %s", (task.view.run.id,)
        ).fetchone()
    return row[0] if row else None


def _remember_check(task: _Task, check_run_id: int) -> None:
    with transaction() as connection:
        connection.execute(
            "UPDATE runs SET check_run_id = %s WHERE id = %s", (check_run_id, task.view.run.id)
        )


def _bring_status(github: InstallationClient, task: _Task) -> None:
    wanted = status_report(task.view)
    fingerprint = _fingerprint(wanted)
    if fingerprint == task.status_reported:
        return
    repository, run = task.view.repository, task.view.run
    github.rest.repos.create_commit_status(
        repository.owner,
        repository.name,
        run.sha,
        state=wanted.state,
        context=wanted.context,
        description=wanted.description,
        target_url=wanted.target_url,
    )
    with transaction() as connection:
        connection.execute(
            "UPDATE runs SET status_reported = %s WHERE id = %s", (fingerprint, run.id)
        )


def _fingerprint(wanted: StatusReport) -> str:
    return json.dumps(asdict(wanted), sort_keys=True)


def _settle(task: _Task, problem: str | None) -> None:
    with transaction() as connection:
        connection.execute(
            """UPDATE runs SET reported_revision = greatest(reported_revision, %s),
                      report_attempts = 0, report_due_at = now(), report_error = %s
               WHERE id = %s""",
            (task.revision, problem, task.view.run.id),
        )


def _hold(task: _Task, error: GitHubHeld) -> None:
    """Wait for room within GitHub's limits, as if this had not been tried."""
    at = error.retry_at
    log.info("a report is held back", run=task.view.run.id, why=str(error), until=at.isoformat())
    with transaction() as connection:
        connection.execute(
            """UPDATE runs SET report_due_at = %s, report_error = %s,
                      report_attempts = greatest(report_attempts - 1, 0)
               WHERE id = %s""",
            (at, str(error), task.view.run.id),
        )


def _postpone(task: _Task, why: str, retry_at: datetime | None) -> None:
    at = retry_moment(task.attempts, floor=retry_at)
    log.warning("a report waits", run=task.view.run.id, why=why, until=at.isoformat())
    with transaction() as connection:
        connection.execute(
            "UPDATE runs SET report_due_at = %s, report_error = %s WHERE id = %s",
            (at, why, task.view.run.id),
        )
