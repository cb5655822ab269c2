"""The published packages: what each is, where it runs, its versions and tools."""

from flask import Blueprint, abort, render_template

from config.database import Connection
from config.settings import settings
from pipeline.overview.paging import reading
from pipeline.overview.servers import (
    LiveServer,
    ToolRow,
    Version,
    get_deployment,
    get_package,
    list_live_of,
    list_packages,
    list_tools,
    list_versions,
)
from webhook.page_arguments import shows_private, text

blueprint = Blueprint("servers", __name__)


@blueprint.get("/servers")
def listing() -> str:
    """Packages in the order of their names."""
    after = text("after") or ""
    with reading() as connection:
        packages = list_packages(connection, after=after, private=shows_private())
    return render_template("pages/servers.html", packages=packages, after=after)


@blueprint.get("/servers/<owner>/<name>")
def show(owner: str, name: str) -> str:
    """One package, with the tools of the version `?version=`; else with those that are served
    (by production, when it is), or of the version published last."""
    if "\0" in owner + name:
        abort(404)
    wanted = text("version")
    with reading() as connection:
        full_name = f"{settings().namespace}.{owner}/{name}"
        package = get_package(connection, full_name, private=shows_private())
        if package is None:
            abort(404)
        live = sorted(
            list_live_of(connection, [package.id], private=shows_private()),
            key=lambda server: (server.environment != "production", server.environment),
        )
        versions = list_versions(connection, package.id)
        chosen = next((version for version in versions if version.version == wanted), None)
        if wanted and chosen is None:
            abort(404)
        if chosen is None and not live and versions:
            chosen = versions[0]
        tools = _tools(connection, chosen, live)
    return render_template(
        "pages/server.html",
        package=package,
        live=live,
        versions=versions,
        chosen=chosen,
        tools=tools,
    )


def _tools(
    connection: Connection, chosen: Version | None, live: list[LiveServer]
) -> tuple[ToolRow, ...]:
    if chosen is not None:
        return list_tools(connection, chosen.id)
    served = get_deployment(connection, live[0].run_id) if live else None
    return served.tools if served else ()
