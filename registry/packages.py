"""Packages, their immutable versions and the versions' tools, in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from config.database import Connection
from registry.tools import Tool


@dataclass(frozen=True)
class PackageFacts:
    """What `mcp.yaml` says of a package. `name` is the full one, `io.github.<owner>/<name>`."""

    name: str
    title: str
    description: str
    categories: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class VersionFacts:
    """A version, as it is published once and for ever."""

    version: str
    sha: str
    run_id: int
    artifact: dict[str, Any]
    manifest: dict[str, Any]
    protocol: str
    server_info: dict[str, Any]
    tools: Sequence[Tool]
    verified: bool


@dataclass(frozen=True)
class PublishedVersion:
    """A version that exists. `sha` tells whether it is the one that was asked for."""

    id: int
    sha: str


class NameTaken(Exception):
    """Another repository has published a package of that name. `owner` is that repository, in
    words when it is private: whose check this is said in may be anybody's to read."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"the name belongs to {owner}")
        self.owner = owner


def upsert_package(
    connection: Connection, facts: PackageFacts, *, workspace_id: int, repository_id: int
) -> int:
    """Record the package, or bring what is said of it up to date; return its id.

    Raises:
        NameTaken: the name, compared without case, belongs to another repository.
    """
    row = connection.execute(
        """INSERT INTO mcp_packages
             (workspace_id, repository_id, name, title, description, categories, tags)
           VALUES (%(workspace)s, %(repository)s, %(name)s, %(title)s, %(description)s,
                   %(categories)s, %(tags)s)
           ON CONFLICT (lower(name)) DO UPDATE
           SET name = excluded.name, title = excluded.title, description = excluded.description,
               categories = excluded.categories, tags = excluded.tags, updated_at = now(),
               deleted_at = NULL
           WHERE mcp_packages.repository_id = excluded.repository_id
           RETURNING id""",
        {
            "workspace": workspace_id,
            "repository": repository_id,
            "name": facts.name,
            "title": facts.title,
            "description": facts.description,
            "categories": list(facts.categories),
            "tags": list(facts.tags),
        },
    ).fetchone()
    if row is None:
        owner = connection.execute(
            """SELECT CASE WHEN r.private THEN 'A private repository of ' || r.owner
                           ELSE r.owner || '/' || r.name END
               FROM mcp_packages p
               JOIN repositories r ON r.id = p.repository_id WHERE lower(p.name) = lower(%s)""",
            (facts.name,),
        ).fetchone()
        raise NameTaken(owner[0] if owner else "Another repository")
    # What another package was once called is this one's name now.
    connection.execute("DELETE FROM former_package_names WHERE name = lower(%s)", (facts.name,))
    return int(row[0])


def current_name(connection: Connection, name: str) -> str | None:
    """What the package is called now that once had this name; None when there is none."""
    row = connection.execute(
        """SELECT p.name FROM former_package_names f JOIN mcp_packages p ON p.id = f.package_id
           WHERE f.name = lower(%s)""",
        (name,),
    ).fetchone()
    return row[0] if row else None


def mark_deleted(connection: Connection, repository_id: int) -> None:
    """Take a repository's packages out of the listing. They come back with their repository."""
    connection.execute(
        """UPDATE mcp_packages SET deleted_at = now()
           WHERE repository_id = %s AND deleted_at IS NULL""",
        (repository_id,),
    )


def publish_version(
    connection: Connection, package_id: int, facts: VersionFacts
) -> PublishedVersion:
    """Publish a version with its tools, unless it exists; return the one that stands."""
    row = connection.execute(
        """INSERT INTO mcp_versions
             (package_id, version, sha, run_id, artifact, manifest, protocol, server_info)
           VALUES (%(package)s, %(version)s, %(sha)s, %(run)s, %(artifact)s, %(manifest)s,
                   %(protocol)s, %(server)s)
           ON CONFLICT (package_id, version) DO NOTHING RETURNING id""",
        {
            "package": package_id,
            "version": facts.version,
            "sha": facts.sha,
            "run": facts.run_id,
            "artifact": Jsonb(facts.artifact),
            "manifest": Jsonb(facts.manifest),
            "protocol": facts.protocol,
            "server": Jsonb(facts.server_info),
        },
    ).fetchone()
    if row is None:
        found = connection.execute(
            "SELECT id, sha FROM mcp_versions WHERE package_id = %s AND version = %s",
            (package_id, facts.version),
        ).fetchone()
        assert found is not None
        return PublishedVersion(id=found[0], sha=found[1])
    _insert_tools(connection, row[0], facts)
    return PublishedVersion(id=row[0], sha=facts.sha)


def _insert_tools(connection: Connection, version_id: int, facts: VersionFacts) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO mcp_tools (version_id, name, title, description, input_schema,
                                      output_schema, annotations, hash, verified)
               VALUES (%(version)s, %(name)s, %(title)s, %(description)s, %(input)s, %(output)s,
                       %(annotations)s, %(hash)s, %(verified)s)""",
            [
                {
                    "version": version_id,
                    "name": tool.name,
                    "title": tool.title,
                    "description": tool.description,
                    "input": Jsonb(tool.input_schema),
                    "output": _json(tool.output_schema),
                    "annotations": _json(tool.annotations),
                    "hash": tool.hash,
                    "verified": facts.verified,
                }
                for tool in facts.tools
            ],
        )


def _json(value: dict[str, Any] | None) -> Jsonb | None:
    return None if value is None else Jsonb(value)
