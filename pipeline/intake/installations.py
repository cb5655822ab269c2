"""What the App's own events write: installed, removed, suspended, renamed, granted more."""

from psycopg.types.json import Jsonb

from config.database import Connection
from pipeline import coordinates, onboardings
from pipeline.errands import table as errands
from pipeline.intake.outcome import UNINSTALLED, Outcome, rule
from pipeline.triggers.kinds import (
    AccountRenamed,
    InstallationChanged,
    Installed,
    PermissionsGranted,
    RepositoriesRemoved,
    RepositoryRef,
)


@rule.register
def _install(trigger: Installed, connection: Connection, delivery_id: int) -> Outcome:
    workspace = coordinates.record_installation(
        connection, trigger.installation, trigger.account, permissions=trigger.permissions
    )
    if coordinates.is_uninstalled(connection, trigger.installation):
        return UNINSTALLED
    looks = []
    for repository in trigger.repositories:
        coordinates.record_repository(connection, trigger.installation, workspace, repository)
        looks.append(
            errands.ask(
                connection, "first_look", repository_id=repository.id, delivery_id=delivery_id
            )
        )
    # With their owners: by that a delivery is found that names what is made private later.
    names = ", ".join(f"{one.owner}/{one.name}" for one in trigger.repositories)
    return Outcome(
        reason=f"installed for {trigger.account.login}: {names or 'no repositories'}",
        errand_ids=(*looks,),
    )


@rule.register
def _remove(trigger: RepositoriesRemoved, connection: Connection, _delivery_id: int) -> Outcome:
    # GitHub may have given a repository to another installation in the meantime.
    ours = connection.execute(
        "SELECT id FROM repositories WHERE id = ANY(%s) AND installation_id = %s",
        (list(trigger.repository_ids), trigger.installation),
    ).fetchall()
    names = ", ".join(coordinates.give_up(connection, [row[0] for row in ours]))
    return Outcome(reason=f"removed {names}" if names else "those repositories were not ours")


@rule.register
def _change(trigger: InstallationChanged, connection: Connection, _delivery_id: int) -> Outcome:
    changed = connection.execute(
        """UPDATE installations SET state = %(state)s, updated_at = now()
           WHERE id = %(id)s AND state <> 'deleted' RETURNING id""",
        {"state": trigger.state, "id": trigger.installation},
    ).fetchone()
    if changed is None:
        return Outcome(reason=f"installation {trigger.installation} is not known")
    if trigger.state == "deleted":
        rows = connection.execute(
            "SELECT id FROM repositories WHERE installation_id = %s", (trigger.installation,)
        ).fetchall()
        coordinates.give_up(connection, [row[0] for row in rows])
    words = {"active": "resumed", "suspended": "paused", "deleted": "uninstalled"}
    reason = f"installation {words[trigger.state]}"
    if trigger.state != "active":
        return Outcome(reason)
    return Outcome(reason, *_what_waited(connection, trigger.installation))


def _what_waited(
    connection: Connection, installation: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The runs and errands that were held up while an installation was suspended."""
    waiting_runs = connection.execute(
        """SELECT u.id FROM runs u JOIN repositories r ON r.id = u.repository_id
           WHERE r.installation_id = %s AND u.state = 'queued' ORDER BY u.id""",
        (installation,),
    ).fetchall()
    waiting_errands = connection.execute(
        """SELECT e.id FROM errands e JOIN repositories r ON r.id = e.repository_id
           WHERE r.installation_id = %s AND e.state = 'waiting' ORDER BY e.id""",
        (installation,),
    ).fetchall()
    return tuple(row[0] for row in waiting_runs), tuple(row[0] for row in waiting_errands)


@rule.register
def _grant(trigger: PermissionsGranted, connection: Connection, delivery_id: int) -> Outcome:
    known = connection.execute(
        "UPDATE installations SET permissions = %s, updated_at = now() WHERE id = %s RETURNING 1",
        (Jsonb(trigger.permissions), trigger.installation),
    ).fetchone()
    if known is None:
        return Outcome(f"installation {trigger.installation} is not known", ignored=True)
    # What GitHub refused for want of a permission is said again.
    again = connection.execute(
        """UPDATE runs SET revision = revision + 1, report_due_at = now(), report_attempts = 0
           WHERE report_error IS NOT NULL AND created_at > now() - interval '7 days'
             AND repository_id IN (SELECT id FROM repositories WHERE installation_id = %s)
           RETURNING id""",
        (trigger.installation,),
    ).fetchall()
    offers = tuple(
        errands.ask(connection, "onboarding", repository_id=one, delivery_id=delivery_id)
        for one in onboardings.impossible_in(connection, trigger.installation)
    )
    reason = f"permissions accepted; {len(again)} reports are made again"
    return Outcome(reason, errand_ids=offers)


@rule.register
def _rename(trigger: AccountRenamed, connection: Connection, _delivery_id: int) -> Outcome:
    row = connection.execute(
        "SELECT id, login FROM workspaces WHERE account_id = %s", (trigger.account.id,)
    ).fetchone()
    if row is None:
        return Outcome("that account is not known", ignored=True)
    workspace, before = row
    connection.execute(
        "UPDATE workspaces SET login = %s WHERE id = %s", (trigger.account.login, workspace)
    )
    rows = connection.execute(
        "SELECT id, name, private FROM repositories WHERE workspace_id = %s", (workspace,)
    ).fetchall()
    for number, name, private in rows:
        ref = RepositoryRef(number, trigger.account.login, name, private)
        coordinates.record_name(connection, ref)
    return Outcome(f"the account {before} is called {trigger.account.login} now")
