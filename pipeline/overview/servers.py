"""Published packages, their versions and tools, and where they run."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from config.database import Connection
from pipeline.overview.paging import MAX_PAGE_SIZE, PAGE_SIZE


@dataclass(frozen=True)
class LiveServer:
    """A deployment that serves.

    Attributes:
        name: The package's full name.
        version: None when its commit is live, but not published as a version.
        tools: How many the server listed at its handshake.
    """

    name: str
    title: str
    version: str | None
    sha: str
    environment: str
    host: str
    url: str
    run_id: int
    live_at: datetime | None
    tools: int


@dataclass(frozen=True)
class PackageRow:
    """A package in the list. `latest` is the version published last."""

    id: int
    name: str
    title: str
    description: str
    categories: list[str]
    tags: list[str]
    latest: str | None


@dataclass(frozen=True)
class PackageList:
    """Packages in the order of their names, with their serving deployments by package name.
    `after` asks for the next page (None: this is the last)."""

    rows: tuple[PackageRow, ...]
    live: dict[str, tuple[LiveServer, ...]]
    after: str | None


@dataclass(frozen=True)
class Version:
    """A published version: the commit it was built from, for ever."""

    id: int
    version: str
    sha: str
    run_id: int
    protocol: str
    published_at: datetime


@dataclass(frozen=True)
class ToolRow:
    """A tool of a version. Not `verified`: declared in `mcp.yaml`, never listed by the server."""

    name: str
    title: str | None
    description: str | None
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    annotations: dict[str, Any] | None
    verified: bool


@dataclass(frozen=True)
class Package:
    """A package with the name of the repository it comes from. `deleted_at`: since when that
    repository is gone, and the package is listed no more."""

    id: int
    name: str
    title: str
    description: str
    categories: list[str]
    tags: list[str]
    repository: str
    deleted_at: datetime | None


_LIVE = """
    SELECT p.name, p.title, v.version, r.sha, d.environment, d.host, d.url, d.run_id, d.live_at,
           coalesce(jsonb_array_length(d.handshake -> 'tools'), 0) AS tools
    FROM mcp_deployments d
    JOIN mcp_packages p ON p.id = d.package_id
    JOIN runs r ON r.id = d.run_id
    LEFT JOIN mcp_versions v ON v.id = d.version_id
    WHERE d.state = 'live' AND (%(private)s OR NOT (p.private OR r.private))
"""


def list_live(
    connection: Connection, *, limit: int = 20, private: bool = False
) -> tuple[LiveServer, ...]:
    """The deployments that serve, newest first.

    Args:
        private: Also those of private repositories.
    """
    with connection.cursor(row_factory=class_row(LiveServer)) as cursor:
        rows = cursor.execute(
            _LIVE + " ORDER BY d.live_at DESC NULLS LAST, d.id DESC LIMIT %(limit)s",
            {"limit": limit, "private": private},
        ).fetchall()
    return tuple(rows)


def list_live_of(
    connection: Connection, package_ids: list[int], *, private: bool = False
) -> tuple[LiveServer, ...]:
    """The serving deployments of these packages, as `list_live`."""
    with connection.cursor(row_factory=class_row(LiveServer)) as cursor:
        rows = cursor.execute(
            _LIVE + " AND d.package_id = ANY(%(ids)s) ORDER BY d.environment",
            {"ids": package_ids, "private": private},
        ).fetchall()
    return tuple(rows)


PACKAGES = """
    SELECT p.id, p.name, p.title, p.description, p.categories, p.tags,
           (SELECT version FROM mcp_versions WHERE package_id = p.id
            ORDER BY published_at DESC LIMIT 1) AS latest
    FROM mcp_packages p JOIN repositories r ON r.id = p.repository_id
    WHERE lower(p.name) > lower(%(after)s)
      AND (%(private)s OR NOT p.private) AND (%(private)s OR NOT r.private)
      AND p.deleted_at IS NULL
    ORDER BY lower(p.name) LIMIT %(limit)s
"""


def list_packages(
    connection: Connection, *, after: str = "", size: int = PAGE_SIZE, private: bool = False
) -> PackageList:
    """Packages in the order of their names, from the one that follows `after` on.

    Args:
        private: Also those of private repositories.
    """
    size = min(size, MAX_PAGE_SIZE)
    with connection.cursor(row_factory=class_row(PackageRow)) as cursor:
        rows = cursor.execute(
            PACKAGES, {"after": after, "limit": size + 1, "private": private}
        ).fetchall()
    kept = tuple(rows[:size])
    servers = list_live_of(connection, [row.id for row in kept], private=private)
    return PackageList(
        kept,
        live={row.name: tuple(s for s in servers if s.name == row.name) for row in kept},
        after=kept[-1].name if len(rows) > size else None,
    )


def get_package(connection: Connection, name: str, *, private: bool = False) -> Package | None:
    """The package of that full name (`io.github.<owner>/<name>`), in any case, or None.

    Args:
        private: Also when its repository is private.
    """
    with connection.cursor(row_factory=class_row(Package)) as cursor:
        return cursor.execute(
            """
            SELECT p.id, p.name, p.title, p.description, p.categories, p.tags,
                   r.owner || '/' || r.name AS repository, p.deleted_at
            FROM mcp_packages p JOIN repositories r ON r.id = p.repository_id
            WHERE lower(p.name) = lower(%(name)s) AND (%(private)s OR NOT r.private)
            """,
            {"name": name, "private": private},
        ).fetchone()


def list_versions(
    connection: Connection, package_id: int, *, limit: int = MAX_PAGE_SIZE
) -> tuple[Version, ...]:
    """The versions of a package, the last published first."""
    with connection.cursor(row_factory=class_row(Version)) as cursor:
        rows = cursor.execute(
            "SELECT id, version, sha, run_id, protocol, published_at FROM mcp_versions"
            " WHERE package_id = %(id)s ORDER BY published_at DESC, id DESC LIMIT %(limit)s",
            {"id": package_id, "limit": limit},
        ).fetchall()
    return tuple(rows)


def list_tools(connection: Connection, version_id: int) -> tuple[ToolRow, ...]:
    """The tools of a version, in the order of their names."""
    with connection.cursor(row_factory=class_row(ToolRow)) as cursor:
        rows = cursor.execute(
            "SELECT name, title, description, input_schema, output_schema, annotations, verified"
            " FROM mcp_tools WHERE version_id = %(id)s ORDER BY name",
            {"id": version_id},
        ).fetchall()
    return tuple(rows)


@dataclass(frozen=True)
class Deployment:
    """What a run deployed.

    Attributes:
        state: `candidate` until the handshake proved it.
        version: None when the commit is not published as a version.
        handshake: What the server answered, with its tools.
    """

    state: str
    environment: str
    host: str
    url: str
    package: str | None
    version: str | None
    handshake: dict[str, Any] | None
    live_at: datetime | None
    ended_at: datetime | None

    @property
    def tools(self) -> tuple[ToolRow, ...]:
        """The tools that the server listed, or `mcp.yaml` declared, at the handshake."""
        answer = self.handshake or {}
        return tuple(
            ToolRow(
                name=tool["name"],
                title=tool.get("title"),
                description=tool.get("description"),
                input_schema=tool.get("input_schema") or {},
                output_schema=tool.get("output_schema"),
                annotations=tool.get("annotations"),
                verified=bool(answer.get("verified")),
            )
            for tool in answer.get("tools") or ()
        )


def get_deployment(connection: Connection, run_id: int) -> Deployment | None:
    """What the run deployed, or None when it has not come to that."""
    with connection.cursor(row_factory=class_row(Deployment)) as cursor:
        return cursor.execute(
            """
            SELECT d.state, d.environment, d.host, d.url, p.name AS package, v.version,
                   d.handshake, d.live_at, d.ended_at
            FROM mcp_deployments d
            LEFT JOIN mcp_packages p ON p.id = d.package_id
            LEFT JOIN mcp_versions v ON v.id = d.version_id
            WHERE d.run_id = %(id)s
            """,
            {"id": run_id},
        ).fetchone()
