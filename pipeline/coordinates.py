"""Where a repository is: its account, its installation, its names, old ones too.

GitHub's ids stay when a name changes, so every event brings the names up to date; a name that was
given up leads on to the repository until somebody else takes it.
"""

from psycopg.types.json import Jsonb

from config.database import Connection
from config.settings import settings
from pipeline import runs
from pipeline.triggers.kinds import Account, RepositoryRef


def is_uninstalled(connection: Connection, installation: int) -> bool:
    """Whether the App was uninstalled; a late event does not bring it back."""
    row = connection.execute(
        "SELECT 1 FROM installations WHERE id = %s AND state = 'deleted'", (installation,)
    ).fetchone()
    return row is not None


def record_installation(
    connection: Connection,
    installation: int,
    account: Account,
    *,
    permissions: dict[str, str] | None = None,
) -> int:
    """Record an installation and its account, as they are now; return the workspace's id."""
    row = connection.execute(
        """INSERT INTO workspaces (account_id, login) VALUES (%s, %s)
           ON CONFLICT (account_id) DO UPDATE SET login = excluded.login RETURNING id""",
        (account.id, account.login),
    ).fetchone()
    assert row is not None
    workspace = int(row[0])
    # A late event does not bring a deleted installation back; GitHub gives a new one a new id.
    connection.execute(
        """INSERT INTO installations (id, workspace_id, permissions)
           VALUES (%(id)s, %(workspace)s, coalesce(%(permissions)s, '{}'::jsonb))
           ON CONFLICT (id) DO UPDATE SET workspace_id = excluded.workspace_id, updated_at = now(),
               permissions = coalesce(%(permissions)s, installations.permissions)
           WHERE installations.state <> 'deleted'""",
        {
            "id": installation,
            "workspace": workspace,
            "permissions": Jsonb(permissions) if permissions else None,
        },
    )
    return workspace


def record_repository(
    connection: Connection,
    installation: int,
    workspace: int,
    repository: RepositoryRef,
    *,
    asked: bool = False,
) -> None:
    """Record a repository as it is now. One that was gone is back, and so is its listing.

    Args:
        asked: GitHub was asked just now. An event may come late, from before the repository was
            made private, so it makes none public again that is private.
    """
    known = runs.repository(connection, repository.id)
    connection.execute(
        """INSERT INTO repositories
             (id, installation_id, workspace_id, owner, name, default_branch, private)
           VALUES (%(id)s, %(installation)s, %(workspace)s, %(owner)s, %(name)s,
                   coalesce(%(branch)s, 'main'), %(private)s)
           ON CONFLICT (id) DO UPDATE
           SET installation_id = excluded.installation_id, workspace_id = excluded.workspace_id,
               owner = excluded.owner, name = excluded.name,
               private = excluded.private OR (repositories.private AND NOT %(asked)s),
               default_branch = coalesce(%(branch)s, repositories.default_branch),
               state = 'active', gone_at = NULL, torn_down_at = NULL, updated_at = now()""",
        {
            "id": repository.id,
            "installation": installation,
            "workspace": workspace,
            "owner": repository.owner,
            "name": repository.name,
            "branch": repository.default_branch,
            "private": repository.private,
            "asked": asked,
        },
    )
    connection.execute(
        """UPDATE mcp_packages SET deleted_at = NULL, workspace_id = %s
           WHERE repository_id = %s AND (deleted_at IS NOT NULL OR workspace_id <> %s)""",
        (workspace, repository.id, workspace),
    )
    _take_name(connection, known, repository)
    if known is not None and known.state != "active":
        report_again(connection, repository.id)


def report_again(connection: Connection, repository_id: int) -> None:
    """Have told what could not be told while the repository was lost or archived: otherwise the
    checks of the runs that were cancelled then would stay open."""
    connection.execute(
        """UPDATE runs SET revision = revision + 1, report_due_at = now(), report_attempts = 0
           WHERE repository_id = %s AND report_error IS NOT NULL
             AND created_at > now() - interval '14 days'""",
        (repository_id,),
    )


def record_name(connection: Connection, repository: RepositoryRef) -> None:
    """Note a repository's owner and name, and nothing else about it."""
    known = runs.repository(connection, repository.id)
    if known is None:
        return
    connection.execute(
        "UPDATE repositories SET owner = %s, name = %s, updated_at = now() WHERE id = %s",
        (repository.owner, repository.name, repository.id),
    )
    _take_name(connection, known, repository)


def _take_name(connection: Connection, known: runs.Repository | None, now: RepositoryRef) -> None:
    """Note that a name leads to this repository from now on, and its old one, too."""
    new = f"{now.owner}/{now.name}"
    connection.execute("DELETE FROM former_names WHERE full_name = lower(%s)", (new,))
    if known is None or known.full_name == new:
        return
    if known.full_name.lower() != new.lower():
        connection.execute(
            """INSERT INTO former_names (full_name, repository_id) VALUES (lower(%s), %s)
               ON CONFLICT (full_name)
               DO UPDATE SET repository_id = excluded.repository_id, since = now()""",
            (known.full_name, now.id),
        )
    if known.owner != now.owner:
        _rename_packages(connection, now)


def _rename_packages(connection: Connection, repository: RepositoryRef) -> None:
    """Bring the owner in the names of a repository's packages up to date, where they are free."""
    rows = connection.execute(
        "SELECT id, name FROM mcp_packages WHERE repository_id = %s", (repository.id,)
    ).fetchall()
    for package, old in rows:
        new = f"{settings().namespace}.{repository.owner}/{old.partition('/')[2]}"
        renamed = connection.execute(
            """UPDATE mcp_packages SET name = %(new)s, updated_at = now()
               WHERE id = %(id)s AND NOT EXISTS (
                   SELECT FROM mcp_packages WHERE lower(name) = lower(%(new)s) AND id <> %(id)s)
               RETURNING 1""",
            {"id": package, "new": new},
        ).fetchone()
        if renamed is None or old.lower() == new.lower():
            continue
        connection.execute("DELETE FROM former_package_names WHERE name = lower(%s)", (new,))
        connection.execute(
            """INSERT INTO former_package_names (name, package_id) VALUES (lower(%s), %s)
               ON CONFLICT (name) DO UPDATE SET package_id = excluded.package_id, since = now()""",
            (old, package),
        )


def heal(
    connection: Connection, installation: int, account: Account, repository: RepositoryRef
) -> runs.Repository | None:
    """The repository as we know it, recorded now when its installation event never came; None when
    the App was uninstalled since."""
    workspace = record_installation(connection, installation, account)
    if is_uninstalled(connection, installation):
        return None
    record_repository(connection, installation, workspace, repository)
    known = runs.repository(connection, repository.id)
    assert known is not None
    return known


def hide(connection: Connection, repository: RepositoryRef) -> None:
    """Note that a repository is private when an event says so, and nothing when it does not."""
    if repository.private:
        record_visibility(connection, repository)


def record_visibility(connection: Connection, repository: RepositoryRef) -> bool:
    """Note whether the repository is private. False when it is not known."""
    updated = connection.execute(
        "UPDATE repositories SET private = %(private)s, updated_at = now() WHERE id = %(id)s",
        {"id": repository.id, "private": repository.private},
    )
    return updated.rowcount == 1


def give_up(connection: Connection, repository_ids: list[int]) -> list[str]:
    """Note that the App may not see these repositories any more: their runs are cancelled now, and
    their servers stopped after the grace period. Returns the names of those that were active."""
    gone = connection.execute(
        """UPDATE repositories SET state = 'removed', gone_at = now(), updated_at = now()
           WHERE id = ANY(%s) AND state = 'active' RETURNING id, owner || '/' || name""",
        (repository_ids,),
    ).fetchall()
    cancel_open_runs(connection, [row[0] for row in gone])
    return [row[1] for row in gone]


def cancel_open_runs(connection: Connection, repository_ids: list[int]) -> None:
    """Cancel what waits or runs for these repositories, until they are back."""
    rows = connection.execute(
        """UPDATE runs SET absent = true
           WHERE repository_id = ANY(%s) AND state IN ('queued', 'running') RETURNING id""",
        (repository_ids,),
    ).fetchall()
    for row in rows:
        runs.cancel(connection, row[0])
