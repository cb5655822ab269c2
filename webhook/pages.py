"""The pages for people, and the answers for tools that watch them: one blueprint.

Every page works without JavaScript, and with PostgreSQL or Redis away it says so instead of
failing. No sign-in yet: what is shown is public to whoever reaches the web process, so private
repositories are left out and nothing can be changed, unless the operator has opened a session at
`/operator`; SIGIL_SHOW_PRIVATE says that nobody else reaches it.
"""

import functools
import hashlib
from pathlib import Path

from flask import Blueprint, Response, render_template, url_for

from config.database import transaction
from config.settings import settings
from pipeline.github import missed
from pipeline.overview.holds import list_held_back
from pipeline.overview.paging import Window, reading
from pipeline.overview.refusals import Refusal, list_refusals
from pipeline.overview.runs import list_runs
from pipeline.overview.servers import list_live
from pipeline.overview.totals import Totals, read_totals
from registry.snippets import client_snippet
from webhook import (
    app_setup,
    delivery_pages,
    operator_actions,
    operator_pages,
    operator_session,
    page_errors,
    run_pages,
    server_pages,
    views,
)
from webhook.metrics import scrape
from webhook.page_arguments import shows_private
from webhook.parts import Doorbell, Part, read_doorbell, read_holds, read_host

_ROOT = Path(__file__).parent

# A delivery or a report that is overdue for longer than this deserves a word on the status page.
_OVERDUE = 60.0

blueprint = Blueprint(
    "pages",
    __name__,
    template_folder=str(_ROOT.parent / "templates"),
    static_folder="static",
    static_url_path="/assets",
)
blueprint.register_blueprint(run_pages.blueprint)
blueprint.register_blueprint(delivery_pages.blueprint)
blueprint.register_blueprint(server_pages.blueprint)
blueprint.register_blueprint(app_setup.blueprint)
blueprint.register_blueprint(operator_pages.blueprint)
blueprint.register_blueprint(operator_actions.blueprint)
page_errors.install(blueprint)

for _filter in (
    views.age,
    views.ago,
    views.duration,
    views.inline_markdown,
    views.iso,
    views.markdown,
    views.pretty_json,
    views.ref_name,
    views.stamp,
):
    blueprint.add_app_template_filter(_filter)
for _global in (
    client_snippet,
    views.commit_url,
    views.line_url,
    views.repository_url,
    views.took,
):
    blueprint.add_app_template_global(_global)
blueprint.add_app_template_global(shows_private)
blueprint.add_app_template_global(operator_session.current, "operator")
blueprint.add_app_template_global(views.STATE_WORDS, "state_words")  # type: ignore[arg-type]


@blueprint.app_template_global()
def asset(name: str) -> str:
    """The address of a static file; it changes with the file, so that browsers may keep it."""
    return url_for("pages.static", filename=name, v=_fingerprint(name))


@blueprint.app_template_global()
def package_url(name: str) -> str:
    """The page of the package `<namespace>.<owner>/<name>`."""
    owner, _, short = name.removeprefix(f"{settings().namespace}.").partition("/")
    return url_for("pages.servers.show", owner=owner, name=short)


@functools.cache
def _fingerprint(name: str) -> str:
    return hashlib.sha256((_ROOT / "static" / name).read_bytes()).hexdigest()[:12]


@blueprint.get("/")
def status() -> tuple[str, int]:
    """How the system is, what it did last, and what it serves."""
    doorbell = read_doorbell()
    host = read_host()
    totals, runs, live, recovery, held = None, None, None, None, None
    refusals: tuple[Refusal, ...] = ()
    holding = read_holds()
    try:
        with reading() as connection:
            totals = read_totals(connection)
            runs = list_runs(connection, Window(size=8), private=shows_private())
            live = list_live(connection, private=shows_private())
            recovery = missed.progress(connection)
            refusals = list_refusals(connection, private=shows_private())
            if holding is not None:
                held = list_held_back(connection, holding, private=shows_private())
            version = connection.info.server_version // 10_000
            database = Part("postgresql", "PostgreSQL", "up", f"Version {version}.")
    except page_errors.DATABASE_AWAY as error:
        page_errors.log_database(error)
        database = Part(
            "postgresql",
            "PostgreSQL",
            "down",
            page_errors.database_trouble(error),
            "GitHub gets a 503 for each delivery meanwhile, and Sigil asks for them again later.",
        )
    parts = (database, *doorbell.parts, host)
    page = render_template(
        "pages/status.html",
        parts=parts,
        concerns=_concerns(parts, totals),
        doorbell=doorbell,
        totals=totals,
        runs=runs,
        live=live,
        recovery=recovery,
        held=held,
        refusals=refusals,
    )
    return page, 200 if database.state == "up" else 503


def _concerns(parts: tuple[Part, ...], totals: Totals | None) -> list[str]:
    concerns = [f"{part.name}: {part.text}" for part in parts if part.state == "down"]
    if totals is None:
        return concerns
    if totals.oldest_waiting is not None and totals.oldest_waiting > _OVERDUE:
        concerns.append(f"A delivery is overdue by {views.age(totals.oldest_waiting)}.")
    if totals.oldest_unreported is not None and totals.oldest_unreported > _OVERDUE:
        concerns.append(
            f"GitHub has not been told of a change for {views.age(totals.oldest_unreported)}."
        )
    if totals.dead:
        noun = "delivery was" if totals.dead == 1 else "deliveries were"
        concerns.append(f"{totals.dead} {noun} given up and can be replayed.")
    return concerns


@blueprint.get("/healthz")
def healthz() -> tuple[dict[str, object], int]:
    """Whether this process can do its job: accept deliveries, which takes the database only."""
    doorbell: Doorbell = read_doorbell()
    answer: dict[str, object] = {part.key: part.state for part in doorbell.parts}
    try:
        with transaction() as connection:
            connection.execute("SELECT 1 FROM deliveries LIMIT 1")
    except page_errors.DATABASE_AWAY as error:
        page_errors.log_database(error)
        reason = page_errors.database_trouble(error)
        return answer | {"status": "unavailable", "postgresql": "down", "reason": reason}, 503
    return answer | {"status": "ok", "postgresql": "up"}, 200


@blueprint.get("/metrics")
def metrics() -> Response:
    """For Prometheus."""
    return Response(scrape(), content_type="text/plain; version=0.0.4; charset=utf-8")
