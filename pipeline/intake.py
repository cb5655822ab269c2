"""Carries triggers out: writes what an event means into the tables, in the delivery's transaction.

Talks to PostgreSQL only. What has to be asked of GitHub first becomes a row in `lookups`, which
`pipeline.lookups` works off.
"""

import functools
import re
from dataclasses import dataclass

from config.database import Connection
from pipeline import run_making, runs
from pipeline.triggers import (
    Account,
    BranchPushed,
    Ignored,
    InstallationChanged,
    Installed,
    RepositoriesRemoved,
    RepositoryRef,
    RerunRequested,
    TagPublished,
    Trigger,
    VisibilityChanged,
)

PRODUCTION = "production"


@dataclass(frozen=True)
class Outcome:
    """What came of a trigger.

    Attributes:
        reason: In words, for the ledger.
        run_ids: Runs to ring the bell for once the transaction has committed.
        lookup_ids: Lookups to ring the bell for, likewise.
        ignored: Nothing was to be done.
    """

    reason: str
    run_ids: tuple[int, ...] = ()
    lookup_ids: tuple[int, ...] = ()
    ignored: bool = False


@functools.singledispatch
def _carry_out(trigger: object, connection: Connection, delivery_id: int) -> Outcome:
    raise TypeError(f"no rule for {type(trigger).__name__}")


def carry_out(connection: Connection, trigger: Trigger, *, delivery_id: int) -> Outcome:
    """Write what `trigger` means. Safe to repeat: a second time changes nothing."""
    return _carry_out(trigger, connection, delivery_id)


@_carry_out.register
def _ignore(trigger: Ignored, _connection: Connection, _delivery_id: int) -> Outcome:
    return Outcome(reason=trigger.reason, ignored=True)


@_carry_out.register
def _install(trigger: Installed, connection: Connection, delivery_id: int) -> Outcome:
    workspace = _record_installation(connection, trigger.installation, trigger.account)
    looks = []
    for repository in trigger.repositories:
        _record_repository(connection, trigger.installation, workspace, repository)
        looks.append(look_up(connection, repository.id, ref=None, delivery_id=delivery_id))
    names = ", ".join(repository.name for repository in trigger.repositories) or "no repositories"
    return Outcome(reason=f"installed for {trigger.account.login}: {names}", lookup_ids=(*looks,))


@_carry_out.register
def _remove(trigger: RepositoriesRemoved, connection: Connection, _delivery_id: int) -> Outcome:
    # GitHub may have given a repository to another installation in the meantime.
    gone = connection.execute(
        """UPDATE repositories SET state = 'removed', updated_at = now()
           WHERE id = ANY(%s) AND installation_id = %s AND state = 'active'
           RETURNING id, owner || '/' || name""",
        (list(trigger.repository_ids), trigger.installation),
    ).fetchall()
    _cancel_open_runs(connection, [row[0] for row in gone])
    names = ", ".join(row[1] for row in gone)
    return Outcome(reason=f"removed {names}" if names else "those repositories were not ours")


@_carry_out.register
def _change_installation(
    trigger: InstallationChanged, connection: Connection, _delivery_id: int
) -> Outcome:
    changed = connection.execute(
        """UPDATE installations SET state = %(state)s, updated_at = now()
           WHERE id = %(id)s AND state <> 'deleted' RETURNING id""",
        {"state": trigger.state, "id": trigger.installation},
    ).fetchone()
    if changed is None:
        return Outcome(reason=f"installation {trigger.installation} is not known")
    if trigger.state == "deleted":
        gone = connection.execute(
            """UPDATE repositories SET state = 'removed', updated_at = now()
               WHERE installation_id = %s AND state = 'active' RETURNING id""",
            (trigger.installation,),
        ).fetchall()
        _cancel_open_runs(connection, [row[0] for row in gone])
    waiting = connection.execute(
        """SELECT u.id FROM runs u JOIN repositories r ON r.id = u.repository_id
           WHERE r.installation_id = %s AND u.state = 'queued' ORDER BY u.id""",
        (trigger.installation,),
    ).fetchall()
    resumed = tuple(row[0] for row in waiting) if trigger.state == "active" else ()
    words = {"active": "resumed", "suspended": "paused", "deleted": "uninstalled"}
    return Outcome(reason=f"installation {words[trigger.state]}", run_ids=resumed)


_UNINSTALLED = Outcome(reason="the App was uninstalled before this was processed", ignored=True)


@_carry_out.register
def _push(trigger: BranchPushed, connection: Connection, delivery_id: int) -> Outcome:
    repository = _heal(connection, trigger.installation, trigger.account, trigger.repository)
    if repository is None:
        return _UNINSTALLED
    if trigger.branch != repository.default_branch:
        return Outcome(
            reason=f"branch {trigger.branch} is not tracked: only a push to "
            f"{repository.default_branch} deploys",
            ignored=True,
        )
    return _about(
        deploy(
            connection,
            repository.id,
            trigger.branch,
            trigger.sha,
            before=trigger.before,
            delivery_id=delivery_id,
        )
    )


@_carry_out.register
def _tag(trigger: TagPublished, connection: Connection, delivery_id: int) -> Outcome:
    repository = _heal(connection, trigger.installation, trigger.account, trigger.repository)
    if repository is None:
        return _UNINSTALLED
    ref = f"refs/tags/{trigger.tag}"
    if trigger.sha is None:
        look = look_up(connection, repository.id, ref=ref, delivery_id=delivery_id)
        return Outcome(reason=f"looking up the commit of {trigger.tag}", lookup_ids=(look,))
    return _about(release(connection, repository.id, ref, trigger.sha, delivery_id))


def deploy(
    connection: Connection,
    repository_id: int,
    branch: str,
    sha: str,
    *,
    delivery_id: int | None,
    before: str | None = None,
) -> run_making.Created:
    """Queue the run that brings a branch's commit to its environment."""
    wanted = run_making.Wanted(
        repository_id=repository_id,
        kind="deploy",
        environment=PRODUCTION,
        ref=f"refs/heads/{branch}",
        sha=sha,
        before_sha=before,
        delivery_id=delivery_id,
    )
    return run_making.create(connection, wanted)


def release(
    connection: Connection, repository_id: int, ref: str, sha: str, delivery_id: int | None
) -> run_making.Created:
    """Queue the release run of a tag; the tag's push and its release event give the same one."""
    wanted = run_making.Wanted(
        repository_id=repository_id,
        kind="release",
        environment=PRODUCTION,
        ref=ref,
        sha=sha,
        delivery_id=delivery_id,
    )
    return run_making.create(connection, wanted)


@_carry_out.register
def _rerun(trigger: RerunRequested, connection: Connection, delivery_id: int) -> Outcome:
    _record_visibility(connection, trigger.repository)
    wanted = _runs_to_repeat(trigger, connection)
    if not wanted:
        what = "check run" if trigger.external_id else "commit"
        return Outcome(reason=f"that {what} is not one of Sigil's", ignored=True)
    outcomes = [
        _about(run_making.rerun(connection, run, delivery_id=delivery_id)) for run in wanted
    ]
    return Outcome(
        reason="; ".join(outcome.reason for outcome in outcomes),
        run_ids=tuple(run_id for outcome in outcomes for run_id in outcome.run_ids),
    )


@_carry_out.register
def _follow_visibility(
    trigger: VisibilityChanged, connection: Connection, _delivery_id: int
) -> Outcome:
    repository = trigger.repository
    name = f"{repository.owner}/{repository.name}"
    if not _record_visibility(connection, repository):
        return Outcome(reason=f"{name} is not known", ignored=True)
    return Outcome(reason=f"{name} is {'private' if repository.private else 'public'} now")


def _runs_to_repeat(trigger: RerunRequested, connection: Connection) -> list[runs.Run]:
    if trigger.external_id is None:
        return runs.latest_of_commit(connection, trigger.repository.id, trigger.sha)
    match = re.fullmatch(r"sigil-run-(\d{1,18})", trigger.external_id)
    run = runs.get(connection, int(match[1])) if match else None
    return [run] if run is not None and run.repository_id == trigger.repository.id else []


def _about(created: run_making.Created) -> Outcome:
    run = created.run
    where = f"{run.sha[:7]} to {run.environment}"
    if not created.new:
        return Outcome(reason=f"run {run.id} already answers for {where}", run_ids=(run.id,))
    if run.state == "superseded":
        return Outcome(reason=f"run {run.id}: {run.title}", run_ids=(run.id,))
    return Outcome(reason=f"run {run.id} brings {where}", run_ids=(run.id,))


def look_up(
    connection: Connection, repository_id: int, *, ref: str | None, delivery_id: int | None
) -> int:
    """Ask for a lookup, once while one waits; return its id."""
    row = connection.execute(
        """INSERT INTO lookups (repository_id, ref, delivery_id) VALUES (%s, %s, %s)
           ON CONFLICT (repository_id, coalesce(ref, '')) WHERE state = 'waiting'
           DO UPDATE SET due_at = now() RETURNING id""",
        (repository_id, ref, delivery_id),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _record_installation(connection: Connection, installation: int, account: Account) -> int:
    row = connection.execute(
        """INSERT INTO workspaces (account_id, login) VALUES (%s, %s)
           ON CONFLICT (account_id) DO UPDATE SET login = excluded.login RETURNING id""",
        (account.id, account.login),
    ).fetchone()
    assert row is not None
    workspace = int(row[0])
    # A late event does not bring a deleted installation back; GitHub gives a new one a new id.
    connection.execute(
        """INSERT INTO installations (id, workspace_id) VALUES (%s, %s)
           ON CONFLICT (id) DO UPDATE SET workspace_id = excluded.workspace_id, updated_at = now()
           WHERE installations.state <> 'deleted'""",
        (installation, workspace),
    )
    return workspace


def _record_repository(
    connection: Connection, installation: int, workspace: int, repository: RepositoryRef
) -> None:
    connection.execute(
        """INSERT INTO repositories
             (id, installation_id, workspace_id, owner, name, default_branch, private)
           VALUES (%(id)s, %(installation)s, %(workspace)s, %(owner)s, %(name)s,
                   coalesce(%(branch)s, 'main'), %(private)s)
           ON CONFLICT (id) DO UPDATE
           SET installation_id = excluded.installation_id, workspace_id = excluded.workspace_id,
               owner = excluded.owner, name = excluded.name, private = excluded.private,
               default_branch = coalesce(%(branch)s, repositories.default_branch),
               state = 'active', updated_at = now()""",
        {
            "id": repository.id,
            "installation": installation,
            "workspace": workspace,
            "owner": repository.owner,
            "name": repository.name,
            "branch": repository.default_branch,
            "private": repository.private,
        },
    )


def _record_visibility(connection: Connection, repository: RepositoryRef) -> bool:
    """Note whether the repository is private. False when it is not known."""
    updated = connection.execute(
        "UPDATE repositories SET private = %(private)s, updated_at = now() WHERE id = %(id)s",
        {"id": repository.id, "private": repository.private},
    )
    return updated.rowcount == 1


def _heal(
    connection: Connection, installation: int, account: Account, repository: RepositoryRef
) -> runs.Repository | None:
    """The repository as we know it, recorded now when its installation event never came; None when
    the App was uninstalled since."""
    workspace = _record_installation(connection, installation, account)
    gone = connection.execute(
        "SELECT 1 FROM installations WHERE id = %s AND state = 'deleted'", (installation,)
    ).fetchone()
    if gone is not None:
        return None
    _record_repository(connection, installation, workspace, repository)
    known = runs.repository(connection, repository.id)
    assert known is not None
    return known


def _cancel_open_runs(connection: Connection, repository_ids: list[int]) -> None:
    rows = connection.execute(
        """SELECT id FROM runs WHERE repository_id = ANY(%s) AND state IN ('queued', 'running')""",
        (repository_ids,),
    ).fetchall()
    for row in rows:
        runs.cancel(connection, row[0])
