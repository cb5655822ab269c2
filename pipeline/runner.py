"""Drives one run through its stages, and turns whatever ends it into a state.

The only place where a failure becomes a state: a fault of the author's ends the run, one of ours
puts it back in the queue with a back-off, anything else is a bug and says so with an id.
"""

import functools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from types import FrameType
from typing import Any

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from config.database import transaction
from config.settings import SettingsError, settings
from pipeline import deployments, run_claims, run_making, run_stages, runs
from pipeline.bugs import report_bug
from pipeline.builders.base import Builder
from pipeline.github.client import retry_moment
from pipeline.heartbeat import Heartbeat
from pipeline.hosts.choose import choose_builder, choose_host
from pipeline.run_logs import RunLog
from pipeline.stages.base import STAGES, Result, RunStopped, StageError, StageName, stages_of
from pipeline.stages.build import BuildResult, build
from pipeline.stages.context import RunContext, Superseded
from pipeline.stages.deploy import deploy
from pipeline.stages.manifest import manifest
from pipeline.stages.publish import PublishResult, publish
from pipeline.stages.source import forget, source
from pipeline.stages.verify import VerifyResult, verify
from pipeline.tidy import stop_unwanted_servers

MAX_RETRIES = 8
"""Retries of a run whose stage could not do its work through no fault of the author's."""

_RUN: dict[StageName, Callable[[RunContext], Result]] = {
    "source": source,
    "manifest": manifest,
    "build": build,
    "deploy": deploy,
    "verify": verify,
    "publish": publish,
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Driven:
    """What the caller should ring the bell for: runs that can go on now."""

    run_ids: tuple[int, ...] = ()


def drive(run_id: int, *, changed: Callable[[int], None]) -> Driven:
    """Take a run and bring it to an end, or as far as it goes now.

    Args:
        run_id: The run. When it is not to be had, nothing happens.
        changed: Called with the run's id after every change that GitHub should see.
    """
    run = run_claims.claim(run_id)
    if run is None:
        return Driven()
    changed(run.id)
    log.info("run claimed", sha=run.sha, environment=run.environment, claims=run.claims)
    followers: tuple[int, ...] = ()
    try:
        with Heartbeat(run) as heart, _sigterm_hands_back(heart), RunLog(run.id) as run_log:
            followers = _work(run, heart, run_log, changed)
    except run_claims.LostClaim:
        # Whoever owns the run now will finish it. What this worker started is found by its name.
        log.warning("the run belongs to another worker now")
    changed(run.id)
    with transaction() as connection:
        waiting = runs.waiting_for(connection, run)
    return Driven(run_ids=(*followers, *waiting))


@contextmanager
def _sigterm_hands_back(heart: Heartbeat) -> Iterator[None]:
    """A worker that is told to end gives its run back instead of making everyone wait."""

    def hand_back(_signal: int, _frame: FrameType | None) -> None:
        heart.end_early("handed back")

    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread of a process may take signals.
        return
    before = signal.signal(signal.SIGTERM, hand_back)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _work(
    run: runs.Run, heart: Heartbeat, run_log: RunLog, changed: Callable[[int], None]
) -> tuple[int, ...]:
    stage: StageName = "source"
    try:
        context = _context(run, heart, run_log)
    except SettingsError as error:
        return _cannot_begin(run, error)
    try:
        for stage in stages_of(run.kind):
            if stage in context.results:
                continue
            context.stop.check()
            run_stages.begin(run, stage)
            changed(run.id)
            here = replace(context, log=functools.partial(run_log, stage))
            result = _RUN[stage](here)
            run_log.flush()
            run_stages.succeed(run, stage, result)
            context.results[stage] = result.model_dump(mode="json")
    except Superseded as error:
        _superseded(context, by=error.by)
    except RunStopped:
        return _stopped(context, heart)
    except StageError as error:
        run_log(stage, f"{error.title}")
        _failed(context, stage, error)
    except (run_claims.LostClaim, psycopg.OperationalError, PoolTimeout):
        # Without PostgreSQL nothing can be written down: the reaper puts the run back.
        raise
    except Exception as error:  # noqa: BLE001 - a bug of ours must not leave the check open
        run_log(stage, "internal error")
        _failed(context, stage, _bug(error), retry=False)
    else:
        _succeeded(context)
    return ()


def _context(run: runs.Run, heart: Heartbeat, run_log: RunLog) -> RunContext:
    with transaction() as connection:
        repository = runs.repository(connection, run.repository_id)
        row = connection.execute("SELECT name FROM sigil_instance").fetchone()
    assert repository is not None
    assert row is not None
    var = settings().var
    builder = choose_builder(settings())
    return RunContext(
        run=run,
        repository=repository,
        instance=row[0],
        host=choose_host(settings()),
        builder=builder,
        work=var / "work" / f"run-{run.id}",
        output=var / "builds" / f"run-{run.id}",
        log=functools.partial(run_log, "source"),
        stop=heart.stop,
        results=_results(run, builder),
    )


def _results(run: runs.Run, builder: Builder) -> dict[StageName, dict[str, Any]]:
    """What need not be done again. A build of another machine counts only if it can be reached
    from here."""
    stored = run_stages.finished_results(run.id)
    if "build" in stored and "deploy" not in stored:
        artifact = BuildResult.model_validate(stored["build"]).artifact
        if not builder.has(artifact):
            del stored["build"]
    return {stage: stored[stage] for stage in STAGES if stage in stored}


def _cannot_begin(run: runs.Run, error: SettingsError) -> tuple[int, ...]:
    """The operator has to mend something; the author of the repository has to wait."""
    log.error("the settings keep a run from beginning", why=str(error))
    stored = StageError(
        "Sigil is not set up to run this",
        "This is not your repository's fault: the operator has to mend Sigil's settings. Re-run "
        "the check afterwards.",
        fault="ours",
    )
    if run.retries < MAX_RETRIES:
        at = retry_moment(run.retries + 1)
        run_claims.requeue(run, title=f"Waiting: {stored.title}", due_at=at, count=True)
    else:
        run_claims.finish(run, "failed", title=stored.title, error=_stored("source", stored))
    return ()


def _succeeded(context: RunContext) -> None:
    if context.run.kind == "check":
        run_claims.finish(context.run, "succeeded", title="mcp.yaml is right, and it builds")
        log.info("check succeeded")
        forget(context)
        return
    published = context.result("publish", PublishResult)
    tools = len(context.result("verify", VerifyResult).tools)
    run_claims.finish(
        context.run,
        "succeeded",
        title=_success(context.run, published.package, tools),
    )
    log.info("run succeeded", url=published.url)
    try:
        stop_unwanted_servers()
    except StageError as error:
        log.warning("the sweep has to stop the replaced server", why=str(error))
    forget(context)


def _success(run: runs.Run, package: str, tools: int) -> str:
    what = f"with {tools} tool{'' if tools == 1 else 's'}"
    if run.kind == "preview":
        return f"The preview of #{run.pull_number} runs {what}"
    if run.kind == "rollback":
        return f"{package} is back at {run.sha[:7]} {what}"
    return f"{package} is live {what}"


def _failed(
    context: RunContext, stage: StageName, error: StageError, *, retry: bool = True
) -> None:
    left = error.held or context.run.retries < MAX_RETRIES
    if retry and error.fault == "ours" and left:
        at = error.retry_at if error.held else None
        at = at or retry_moment(context.run.retries + 1, floor=error.retry_at)
        run_claims.requeue(
            context.run, title=f"Waiting: {error.title}", due_at=at, count=not error.held
        )
        log.warning("run waits", stage=stage, title=error.title, until=at.isoformat())
        return
    _withdraw(context, "failed")
    run_stages.end_unfinished(context.run, "failed")
    run_claims.finish(context.run, "failed", title=error.title, error=_stored(stage, error))
    log.info("run failed", stage=stage, title=error.title)
    forget(context)


def _stored(stage: StageName, error: StageError) -> dict[str, Any]:
    return {
        "stage": stage,
        "title": error.title,
        "detail": error.detail,
        "fault": error.fault,
        "annotations": [asdict(annotation) for annotation in error.annotations],
    }


def _bug(error: Exception) -> StageError:
    return StageError(
        "Sigil failed: an internal error",
        "This is a bug in Sigil, not in your repository. It was reported as "
        f"`{report_bug(error)}`; give the operator that reference. Re-run the check to try again.",
        fault="ours",
    )


def _stopped(context: RunContext, heart: Heartbeat) -> tuple[int, ...]:
    if heart.reason == "lost":
        raise run_claims.LostClaim
    if heart.reason == "handed back":
        run_claims.requeue(context.run, title=None, due_at=None, count=False)
        log.info("run handed back")
        return (context.run.id,)
    if heart.reason == "superseded":
        with transaction() as connection:
            current = runs.get(connection, context.run.id)
        assert current is not None
        assert current.superseded_by is not None
        _superseded(context, by=current.superseded_by)
        return ()
    _withdraw(context, "stopped")
    run_stages.end_unfinished(context.run, "cancelled")
    run_claims.finish(context.run, "cancelled", title="Cancelled")
    forget(context)
    return ()


def _superseded(context: RunContext, *, by: str) -> None:
    run = context.run
    _withdraw(context, "stopped")
    run_stages.end_unfinished(run, "cancelled")
    run_claims.finish(run, "superseded", title=run_making.superseded_title(by), superseded_by=by)
    log.info("run superseded", by=by)
    forget(context)


def _withdraw(context: RunContext, state: str) -> None:
    """Stop the server that the run has started, unless it already serves."""
    with transaction() as connection:
        deployment = deployments.of_run(connection, context.run.id)
    if deployment is None or deployment.state == "live":
        return
    try:
        context.host.stop(deployment.host_id)
    except StageError as error:
        log.warning("the sweep has to stop this server", server=deployment.host_id, why=str(error))
    deployments.end_candidate(context.run, state)
