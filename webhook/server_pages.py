"""The published packages: what each is, where it runs, its versions and tools."""

from flask import Blueprint, abort, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

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
from registry.packages import current_name
from webhook.operator_actions import rollbacks
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
def show(owner: str, name: str) -> str | BaseResponse:
    """One package, with the tools of the version `?version=`; else with those that are served
    (by production, when it is), or of the version published last."""
    if "\0" in owner + name:
        abort(404)
    wanted = text("version")
    with reading() as connection:
        full_name = f"{settings().namespace}.{owner}/{name}"
        package = get_package(connection, full_name, private=shows_private())
        if package is None:
            return _moved(connection, full_name)
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
        back = rollbacks(connection, [server.run_id for server in live])
    return render_template(
        "pages/server.html",
        package=package,
        live=live,
        versions=versions,
        chosen=chosen,
        tools=tools,
        back=back,
    )


def _moved(connection: Connection, full_name: str) -> BaseResponse:
    """Lead on from a name that the package had before its owner was renamed or changed."""
    current = current_name(connection, full_name)
    if current is None or get_package(connection, current, private=shows_private()) is None:
        abort(404)
    owner, name = current.removeprefix(f"{settings().namespace}.").split("/")
    return redirect(url_for("pages.servers.show", owner=owner, name=name), 301)


def _tools(
    connection: Connection, chosen: Version | None, live: list[LiveServer]
) -> tuple[ToolRow, ...]:
    if chosen is not None:
        return list_tools(connection, chosen.id)
    served = get_deployment(connection, live[0].run_id) if live else None
    return served.tools if served else ()
