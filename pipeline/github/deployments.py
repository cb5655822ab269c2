"""A run as a deployment at GitHub: its environment, its state, its address.

Source: https://docs.github.com/en/rest/deployments
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from githubkit.exception import RequestFailed

from config.database import transaction
from pipeline import pull_requests
from pipeline.github.checks import headline
from pipeline.github.client import InstallationClient
from pipeline.github.markdown import cut
from pipeline.github.task import Task
from pipeline.github.view import RunView, read_view
from pipeline.runs import PRODUCTION, by_whom

MAX_DESCRIPTION = 140

State = Literal["queued", "in_progress", "success", "failure", "error", "inactive"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class DeploymentReport:
    """A deployment as it should stand at GitHub. `url` is empty unless it serves now."""

    environment: str
    summary: str
    transient: bool
    production: bool
    state: State
    description: str
    url: str
    log_url: str

    @property
    def fingerprint(self) -> str:
        """Changes when there is a new status to send."""
        return json.dumps([self.state, self.description, self.url, self.log_url])


def deployment_report(view: RunView) -> DeploymentReport | None:
    """The deployment of a run; None for a run that deploys nothing, has not begun, or belongs to a
    pull request that is closed, whose deployments are deleted."""
    run = view.run
    if run.kind == "check" or run.state == "skipped" or run.started_at is None or view.is_closed:
        return None
    state = _state(view)
    return DeploymentReport(
        environment=run.environment,
        summary=cut(_summary(view), MAX_DESCRIPTION),
        transient=run.kind == "preview",
        production=run.environment == PRODUCTION,
        state=state,
        description=cut(_description(view, state), MAX_DESCRIPTION),
        url=str(view.result("publish").get("url") or "") if state == "success" else "",
        log_url=view.page,
    )


_STATES: dict[str, State] = {
    "queued": "queued",
    "running": "in_progress",
    "cancelled": "inactive",
    "superseded": "inactive",
}


def _state(view: RunView) -> State:
    if view.run.state == "succeeded":
        # GitHub itself deactivates earlier deployments only where they are neither transient nor
        # to production: a run whose server was replaced or stopped says so itself.
        return "success" if view.is_live else "inactive"
    if view.run.state == "failed":
        return "error" if (view.run.error or {}).get("fault") == "ours" else "failure"
    return _STATES[view.run.state]


def _summary(view: RunView) -> str:
    run = view.run
    if run.kind == "preview":
        return f"Preview of #{run.pull_number}"
    if run.kind == "rollback":
        return f"Rollback to {run.sha[:7]}{by_whom(run.actor)}"
    if run.kind == "release":
        return f"Release {run.ref.removeprefix('refs/tags/')}"
    return f"Deploy of {run.ref.removeprefix('refs/heads/')}"


def _description(view: RunView, state: State) -> str:
    if state == "in_progress":
        # Not the stage: each change would be one more request.
        return "Sigil is at work"
    serving = view.serving
    if state == "inactive" and view.run.state == "succeeded" and not view.run.remark:
        return f"{serving.sha[:7]} serves now" if serving else "It was stopped"
    return headline(view)


def bring_deployment(github: InstallationClient, task: Task) -> None:
    """Create the deployment when the run has begun, and send its state when that has changed."""
    wanted = deployment_report(task.view)
    if wanted is None or wanted.fingerprint == task.deployment_reported:
        return
    if task.deployment_id is None:
        if wanted.state == "inactive":
            return
        if not _create(github, task, wanted):
            return
    if wanted.state == "success" and task.view.replaced is not None:
        _end_replaced(github, task.view.replaced.run_id)
    assert task.deployment_id is not None
    _send_status(github, task.view, task.deployment_id, wanted)
    task.remember_deployment_status(wanted.fingerprint)


def _end_replaced(github: InstallationClient, run_id: int) -> None:
    """Deactivate the deployment that this one took over from, before this one is active: GitHub
    shows one of them at any time. The other run's own report finds it done."""
    with transaction() as connection:
        view = read_view(connection, run_id)
        row = connection.execute(
            "SELECT github_deployment_id, deployment_reported FROM runs WHERE id = %s", (run_id,)
        ).fetchone()
    wanted = deployment_report(view)
    if row is None or row[0] is None or wanted is None or wanted.fingerprint == row[1]:
        return
    _send_status(github, view, row[0], wanted)
    with transaction() as connection:
        connection.execute(
            "UPDATE runs SET deployment_reported = %s WHERE id = %s", (wanted.fingerprint, run_id)
        )


def _send_status(
    github: InstallationClient, view: RunView, number: int, wanted: DeploymentReport
) -> None:
    body = {
        "state": wanted.state,
        "description": wanted.description,
        "log_url": wanted.log_url,
        **({"environment_url": wanted.url} if wanted.url else {}),
    }
    path = f"/repos/{view.repository.full_name}/deployments/{number}/statuses"
    try:
        github.request("POST", path, json=body)
    except RequestFailed as error:
        if error.response.status_code != 404:
            raise
        log.info("the deployment was deleted at GitHub", run=view.run.id)


def _create(github: InstallationClient, task: Task, wanted: DeploymentReport) -> bool:
    """Make the deployment, or find the one whose answer was lost. False when the pull request was
    closed meanwhile, and nothing of it is to be left."""
    found = _find(github, task, wanted) if task.may_have_been_sent else None
    if found is None:
        body = {
            "ref": task.view.run.sha,
            "environment": wanted.environment,
            "description": wanted.summary,
            "payload": {"sigil_run": task.view.run.id},
            # GitHub would merge the default branch first, or wait for checks: our own among them.
            "auto_merge": False,
            "required_contexts": [],
            "transient_environment": wanted.transient,
            "production_environment": wanted.production,
        }
        repository = task.view.repository
        answer: Any = github.request(
            "POST", f"/repos/{repository.full_name}/deployments", json=body
        ).json()
        found = int(answer["id"])
    task.remember_deployment(found)
    # Whoever takes the preview down lists deployments after the closing was written: either this
    # one is in that list, or the closing is seen here.
    with transaction() as connection:
        closed = pull_requests.is_closed(connection, task.view.run)
    if closed:
        _remove(github, task, found)
    return not closed


def _remove(github: InstallationClient, task: Task, number: int) -> None:
    path = f"/repos/{task.view.repository.full_name}/deployments/{number}"
    try:
        github.request("POST", f"{path}/statuses", json={"state": "inactive"})
        github.request("DELETE", path)
    except RequestFailed as error:
        if error.response.status_code != 404:
            raise
    task.remember_deployment(None)


def _find(github: InstallationClient, task: Task, wanted: DeploymentReport) -> int | None:
    repository, run = task.view.repository, task.view.run
    listed: Callable[..., Any] = github.rest.repos.list_deployments
    for deployment in github.rest.paginate(
        listed,
        map_func=lambda response: response.json(),
        owner=repository.owner,
        repo=repository.name,
        sha=run.sha,
        environment=wanted.environment,
        per_page=100,
    ):
        if _run_of(deployment.get("payload")) == run.id:
            return int(deployment["id"])
    return None


def _run_of(payload: Any) -> Any:
    """The run that a deployment's payload names. GitHub keeps it as it came, or as text."""
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except ValueError:
            return None
    return payload.get("sigil_run") if isinstance(payload, dict) else None
