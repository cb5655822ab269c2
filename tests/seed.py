"""Rows for tests, put straight into the database: what must be there before a test can begin."""

import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from config.database import transaction

SHA = "0123456789abcdef0123456789abcdef01234567"


def sha(number: int) -> str:
    """A commit of 40 hex digits, the same for the same number."""
    return f"{number:040x}"


@dataclass(frozen=True)
class Seeded:
    """The ids of a repository and what it belongs to."""

    workspace_id: int
    installation_id: int
    repository_id: int


def _id(connection: psycopg.Connection[Any], sql: str, parameters: dict[str, Any]) -> int:
    row = connection.execute(sql, parameters).fetchone()
    assert row is not None
    return int(row[0])


def repository(
    owner: str = "octo", name: str = "weather", *, number: int = 1, private: bool = False
) -> Seeded:
    """A repository of an active installation. Another `number` is another GitHub id."""
    with transaction() as connection:
        workspace = _id(
            connection,
            """INSERT INTO workspaces (account_id, login) VALUES (%(n)s, %(owner)s)
               ON CONFLICT (account_id) DO UPDATE SET login = excluded.login RETURNING id""",
            {"n": number, "owner": owner},
        )
        connection.execute(
            "INSERT INTO installations (id, workspace_id) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (number, workspace),
        )
        connection.execute(
            """INSERT INTO repositories (id, installation_id, workspace_id, owner, name, private)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            (number, number, workspace, owner, name, private),
        )
    return Seeded(workspace, number, number)


def delivery(event: str = "push", *, state: str = "done", **columns: Any) -> tuple[int, str]:
    """A delivery; returns its id and GUID. `columns` are further columns of the table."""
    guid = str(uuid.uuid4())
    values = {"guid": guid, "event": event, "state": state, "payload": b"{}"} | columns
    return _insert("deliveries", values), guid


def run(repository_id: int = 1, *, state: str = "queued", commit: str = SHA, **columns: Any) -> int:
    """A run; returns its id. `columns` are further columns of the table, such as `title`."""
    values = {
        "repository_id": repository_id,
        "kind": "deploy",
        "environment": "production",
        "ref": "refs/heads/main",
        "sha": commit,
        "state": state,
        "error": None,
    } | columns
    values["error"] = Jsonb(values["error"]) if values["error"] else None
    return _insert("runs", values)


def stage(run_id: int, name: str, position: int, *, state: str = "running", **columns: Any) -> None:
    """A stage that has begun."""
    values = {"run_id": run_id, "stage": name, "position": position, "state": state} | columns
    if "result" in values:
        values["result"] = Jsonb(values["result"])
    _insert("run_stages", values, returning="position")


def log(run_id: int, stage_name: str, *lines: str) -> None:
    """Lines of a run's log."""
    with transaction() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO run_logs (run_id, stage, line) VALUES (%s, %s, %s)",
            [(run_id, stage_name, line) for line in lines],
        )


def tool(name: str, description: str = "", **properties: Any) -> dict[str, Any]:
    """A tool as the verify stage stores it."""
    return {
        "name": name,
        "title": None,
        "description": description,
        "input_schema": {"type": "object", "properties": properties},
        "output_schema": None,
        "annotations": None,
        "hash": f"hash of {name}",
    }


@dataclass(frozen=True)
class Published:
    """The ids of a package and of the version of it."""

    package_id: int
    version_id: int


def package(
    seeded: Seeded,
    run_id: int,
    name: str = "io.github.octo/weather",
    *,
    version: str = "1.4.0",
    tools: tuple[dict[str, Any], ...] = (),
    **columns: Any,
) -> Published:
    """A package with one published version and its tools. `columns` are the package's."""
    values = {
        "workspace_id": seeded.workspace_id,
        "repository_id": seeded.repository_id,
        "name": name,
        "title": "Weather",
        "description": "Forecasts for any place",
    } | columns
    package_id = _insert("mcp_packages", values)
    return Published(package_id, publish(package_id, run_id, version=version, tools=tools))


def publish(
    package_id: int,
    run_id: int,
    *,
    version: str,
    commit: str = SHA,
    tools: tuple[dict[str, Any], ...] = (),
) -> int:
    """A further version of a package; returns its id."""
    version_id = _insert(
        "mcp_versions",
        {
            "package_id": package_id,
            "version": version,
            "sha": commit,
            "run_id": run_id,
            "artifact": Jsonb({"kind": "image", "reference": "weather", "digest": "sha256:0"}),
            "manifest": Jsonb({}),
            "protocol": "2026-07-28",
            "server_info": Jsonb({"name": "weather", "version": version}),
        },
    )
    for one in tools:
        stored = {
            key: Jsonb(value) if isinstance(value, dict) else value for key, value in one.items()
        }
        _insert("mcp_tools", stored | {"version_id": version_id, "verified": True})
    return version_id


def deployment(
    seeded: Seeded,
    run_id: int,
    published: Published | None = None,
    *,
    state: str = "live",
    environment: str = "production",
    url: str = "http://127.0.0.1:40001/mcp",
    tools: tuple[dict[str, Any], ...] = (),
    published_as_version: bool = True,
) -> int:
    """A deployment of a run; returns its id."""
    handshake = {"verdict": "open", "protocol": "2026-07-28", "tools": tools, "verified": True}
    return _insert(
        "mcp_deployments",
        {
            "repository_id": seeded.repository_id,
            "package_id": published.package_id if published else None,
            "version_id": published.version_id if published and published_as_version else None,
            "run_id": run_id,
            "environment": environment,
            "host": "process",
            "host_id": f"sigil-{run_id}",
            "url": url,
            "artifact": Jsonb({}),
            "state": state,
            "handshake": Jsonb(handshake) if published else None,
        },
    )


def _insert(table: str, values: dict[str, Any], *, returning: str = "id") -> int:
    names = ", ".join(values)
    places = ", ".join(f"%({name})s" for name in values)
    with transaction() as connection:
        return _id(
            connection,
            f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING {returning}",
            values,
        )
