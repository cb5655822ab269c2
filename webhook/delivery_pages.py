"""The ledger for people: what GitHub sent, and why something or nothing came of it.

Payloads are not shown: a delivery may tell of a private repository.
"""

from uuid import UUID

from flask import Blueprint, abort, render_template

from pipeline.overview.deliveries import (
    DELIVERY_STATES,
    get_delivery,
    list_deliveries,
    list_events,
)
from pipeline.overview.paging import Window, reading
from pipeline.overview.runs import list_runs
from webhook.page_arguments import choice, shows_private, text, window

blueprint = Blueprint("deliveries", __name__)


@blueprint.get("/deliveries")
def listing() -> str:
    """Deliveries, newest first, by state, event and repository."""
    state = choice("state", DELIVERY_STATES)
    event, repository = text("event"), text("repository")
    with reading() as connection:
        page = list_deliveries(
            connection,
            window(),
            state=state,
            event=event,
            repository=repository,
            private=shows_private(),
        )
        events = list_events(connection)
    return render_template(
        "pages/deliveries.html",
        page=page,
        state=state,
        event=event,
        repository=repository,
        states=DELIVERY_STATES,
        events=events,
    )


@blueprint.get("/deliveries/<uuid:guid>")
def show(guid: UUID) -> str:
    """One delivery: the facts of its headers, what came of it, and the runs it started."""
    with reading() as connection:
        delivery = get_delivery(connection, guid, private=shows_private())
        if delivery is None:
            abort(404)
        runs = list_runs(connection, Window(), delivery=delivery.id, private=shows_private())
    return render_template("pages/delivery.html", delivery=delivery, runs=runs)
