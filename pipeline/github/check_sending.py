"""Brings a run's check run and commit status at GitHub to what its row says."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import structlog
from githubkit.exception import RequestFailed
from githubkit_schemas.latest.models import CheckRun

from pipeline.github.checks import (
    CheckReport,
    StatusReport,
    check_name,
    check_report,
    external_id,
    minimal,
    status_report,
)
from pipeline.github.client import InstallationClient
from pipeline.github.task import Task

ANNOTATIONS_A_REQUEST = 50
"""GitHub's limit; further annotations are appended by further updates."""

log = structlog.get_logger(__name__)


def bring_check(github: InstallationClient, task: Task) -> None:
    """Create or update the check run, unless it says already what it should; with less to read when
    GitHub finds it too much."""
    wanted = check_report(task.view)
    # While GitHub's limits are near, a report comes back for what was held. Saying the same once
    # more would use up the very room that it waits for.
    fingerprint = hashlib.sha256(repr(wanted).encode()).hexdigest()
    if fingerprint == task.check_reported:
        return
    try:
        _put_check(github, task, wanted)
    except RequestFailed as error:
        if error.response.status_code != 422:
            raise
        log.warning("GitHub finds the check run's output wrong; sending less", run=task.view.run.id)
        _put_check(github, task, minimal(wanted))
    task.remember_check_told(fingerprint)


def _put_check(github: InstallationClient, task: Task, wanted: CheckReport) -> None:
    known = task.check_run_id or _find_check(github, task)
    annotations = wanted.annotations
    if known is None:
        body = {"name": wanted.name, "head_sha": task.view.run.sha, **_body(wanted, annotations)}
        known = _write_check(github, task, "POST", "", body).id
        task.remember_check(known)
    else:
        if annotations:
            # An update that was lost after it was applied must not list its annotations twice.
            repository = task.view.repository
            found = github.rest.checks.get(repository.owner, repository.name, known).parsed_data
            annotations = annotations[found.output.annotations_count :]
        _write_check(github, task, "PATCH", f"/{known}", _body(wanted, annotations))
    for at in range(ANNOTATIONS_A_REQUEST, len(annotations), ANNOTATIONS_A_REQUEST):
        task.renew()
        _write_check(
            github, task, "PATCH", f"/{known}", {"output": _output(wanted, annotations[at:])}
        )


def _write_check(
    github: InstallationClient, task: Task, method: str, suffix: str, body: dict[str, Any]
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
        # Always there: left out, buttons that do not apply any more would stay.
        "actions": [asdict(action) for action in wanted.actions],
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


def _find_check(github: InstallationClient, task: Task) -> int | None:
    """The check run that an earlier attempt created, when its answer was lost."""
    if not task.may_have_been_sent:
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
            task.remember_check(int(check.id))
            return int(check.id)
    return None


def bring_status(github: InstallationClient, task: Task) -> None:
    """Set the commit status, unless it says already what it should."""
    wanted = status_report(task.view)
    fingerprint = _fingerprint(wanted)
    if fingerprint == task.status_reported:
        return
    repository = task.view.repository
    github.rest.repos.create_commit_status(
        repository.owner,
        repository.name,
        task.view.run.sha,
        state=wanted.state,
        context=wanted.context,
        description=wanted.description,
        target_url=wanted.target_url,
    )
    task.remember_status(fingerprint)


def _fingerprint(wanted: StatusReport) -> str:
    return json.dumps(asdict(wanted), sort_keys=True)
