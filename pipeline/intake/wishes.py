"""What people ask for at GitHub's check runs: run it again, or do what a button says."""

import re

from config.database import Connection
from pipeline import coordinates, pull_requests, run_making, runs
from pipeline.errands import table as errands
from pipeline.intake.outcome import Outcome, rule
from pipeline.triggers.kinds import ButtonPressed, RerunRequested


@rule.register
def _rerun(trigger: RerunRequested, connection: Connection, delivery_id: int) -> Outcome:
    coordinates.hide(connection, trigger.repository)
    wanted = _runs_to_repeat(trigger, connection)
    if not wanted:
        what = "check run" if trigger.external_id else "commit"
        return Outcome(reason=f"that {what} is not one of Sigil's", ignored=True)
    wanted = [run for run in wanted if not pull_requests.is_closed(connection, run)]
    if not wanted:
        return Outcome(reason="the pull request is closed: reopen it to run it again", ignored=True)
    repeated = [run_making.rerun(connection, run, delivery_id=delivery_id) for run in wanted]
    return Outcome(
        reason="; ".join(run_making.words(created) for created in repeated),
        run_ids=tuple(created.run.id for created in repeated),
    )


@rule.register
def _press(trigger: ButtonPressed, connection: Connection, delivery_id: int) -> Outcome:
    run = _run_of_check(connection, trigger.repository.id, trigger.external_id)
    if run is None:
        return Outcome(reason="that check run is not one of Sigil's", ignored=True)
    errand = errands.ask(
        connection,
        "command",
        repository_id=run.repository_id,
        subject=f"run {run.id}",
        details={"words": [trigger.identifier], "actor": trigger.actor, "run_id": run.id},
        delivery_id=delivery_id,
    )
    return Outcome(f"{trigger.actor} pressed {trigger.identifier} on run {run.id}", (), (errand,))


def _runs_to_repeat(trigger: RerunRequested, connection: Connection) -> list[runs.Run]:
    if trigger.external_id is None:
        return runs.latest_of_commit(connection, trigger.repository.id, trigger.sha)
    run = _run_of_check(connection, trigger.repository.id, trigger.external_id)
    return [run] if run is not None else []


def _run_of_check(connection: Connection, repository_id: int, external_id: str) -> runs.Run | None:
    # A check run of a fork names no pull request: the id that we gave it is all there is.
    match = re.fullmatch(r"sigil-run-(\d{1,18})", external_id)
    run = runs.get(connection, int(match[1])) if match else None
    return run if run is not None and run.repository_id == repository_id else None
