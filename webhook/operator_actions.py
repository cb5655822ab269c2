"""The buttons of a check run, on the pages of the operator: Cancel, Retry and Roll back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NoReturn

import structlog
from flask import Blueprint, abort, redirect, request, url_for
from redis.exceptions import RedisError
from werkzeug.wrappers import Response as BaseResponse

from config.database import Connection, transaction
from pipeline import deployments, run_making, runs
from pipeline.github.actions import actions
from pipeline.github.view import RunView, Served, read_view
from pipeline.runs import OPERATOR
from webhook import operator_session
from webhook.operator_pages import required
from workers import queues

_log = structlog.stdlib.get_logger(__name__)

blueprint = Blueprint("actions", __name__)

Verb = Literal["cancel", "retry", "rollback"]


@dataclass(frozen=True)
class Offer:
    """A button that does something for a run as things stand.

    Attributes:
        seen: The run that the button goes by: the newest attempt for a retry, the one that is
            brought back for a rollback. When it is another one by then, the page was out of date.
    """

    verb: Verb
    label: str
    description: str
    run_id: int
    seen: int


@dataclass(frozen=True)
class Outcome:
    """What came of a button: the run whose page is shown, and who is to be told of it."""

    run_id: int
    ring: tuple[Callable[[int], None], ...] = ()


def offers(connection: Connection, run_id: int) -> tuple[Offer, ...]:
    """The buttons for a run; none for anybody but the operator."""
    if operator_session.current() is None:
        return ()
    return _offers(connection, read_view(connection, run_id))


def rollbacks(connection: Connection, run_ids: list[int]) -> dict[int, Offer]:
    """The button that brings back what served before, for each of these runs that has one."""
    found = [offer for run_id in run_ids for offer in offers(connection, run_id)]
    return {offer.run_id: offer for offer in found if offer.verb == "rollback"}


def _offers(connection: Connection, view: RunView) -> tuple[Offer, ...]:
    run = view.run
    found = []
    for action in actions(view):
        if action.identifier == "cancel":
            found.append(Offer("cancel", action.label, action.description, run.id, run.id))
        elif action.identifier == "retry":
            latest = run_making.latest_attempt(connection, run)
            found.append(Offer("retry", action.label, action.description, run.id, latest))
        elif action.identifier == "rollback" and view.last_good:
            back = view.last_good
            found.append(Offer("rollback", _label(back), action.description, run.id, back.run_id))
    return tuple(found)


def _label(back: Served) -> str:
    return f"Roll back to {back.sha[:7]}" + (f", version {back.version}" if back.version else "")


@blueprint.post("/runs/<int(max=9223372036854775807):run_id>/<any(cancel, retry, rollback):verb>")
def act(run_id: int, verb: Verb) -> BaseResponse:
    """Does what a button says, once however often it is pressed, and leads to the run."""
    required()
    seen = request.form.get("seen", type=int)
    with transaction() as connection:
        if runs.get(connection, run_id) is None:
            abort(404)
        view = read_view(connection, run_id)
        offered = [offer for offer in _offers(connection, view) if offer.verb == verb]
        if offered and offered[0].seen == seen:
            outcome = _ACTS[verb](connection, view)
        else:
            outcome = _done_already(connection, view, verb)
    _log.info("the operator acts", action=verb, run=run_id, shown=outcome.run_id)
    _ring(outcome)
    return redirect(url_for("pages.runs.show", run_id=outcome.run_id), 303)


def _cancel(connection: Connection, view: RunView) -> Outcome:
    runs.cancel(connection, view.run.id)
    return Outcome(view.run.id, (queues.enqueue_report,))


def _retry(connection: Connection, view: RunView) -> Outcome:
    return _begun(run_making.rerun(connection, view.run, actor=OPERATOR))


def _roll_back(connection: Connection, view: RunView) -> Outcome:
    run = view.run
    target = deployments.last_good(connection, run.repository_id, run.environment)
    if target is None or view.last_good is None or target.run_id != view.last_good.run_id:
        _changed()
    return _begun(run_making.roll_back(connection, target.id, actor=OPERATOR))


def _begun(created: run_making.Created) -> Outcome:
    # GitHub is told that the run waits before a worker takes it and has more to tell.
    ring = (queues.enqueue_report, queues.enqueue_run) if created.new else ()
    return Outcome(created.run.id, ring)


_ACTS: dict[Verb, Callable[[Connection, RunView], Outcome]] = {
    "cancel": _cancel,
    "retry": _retry,
    "rollback": _roll_back,
}


def _done_already(connection: Connection, view: RunView, verb: Verb) -> Outcome:
    """What an earlier press of the same button did; a 409 when it was not a button's doing."""
    run = view.run
    if verb == "cancel" and (view.final or run.stop_requested):
        return Outcome(run.id)
    if verb == "retry":
        latest = run_making.latest_attempt(connection, run)
        if latest > run.id:
            return Outcome(latest)
    if verb == "rollback":
        later = run_making.rollback_after(connection, run)
        if later is not None:
            return Outcome(later)
    return _changed()


def _changed() -> NoReturn:
    abort(
        409,
        "Things have changed since that page was shown, and the button does not apply to the run "
        "as it is now. Nothing was done: look at the run again.",
    )


def _ring(outcome: Outcome) -> None:
    try:
        for enqueue in outcome.ring:
            enqueue(outcome.run_id)
    except RedisError as error:
        _log.warning("Redis is away, the next sweep picks the run up", error=type(error).__name__)
