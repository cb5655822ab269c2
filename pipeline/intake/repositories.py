"""What becomes of a repository: its name, its owner, who may see it, its end."""

from config.database import Connection
from pipeline import coordinates
from pipeline.errands import table as errands
from pipeline.intake.outcome import UNINSTALLED, Outcome, rule
from pipeline.triggers.kinds import (
    ArchiveChanged,
    DefaultBranchChanged,
    RepositoryGone,
    RepositoryMoved,
    RepositoryRef,
    VisibilityChanged,
)


def _name(repository: RepositoryRef) -> str:
    return f"{repository.owner}/{repository.name}"


def _unknown(repository: RepositoryRef) -> Outcome:
    return Outcome(reason=f"{_name(repository)} is not known", ignored=True)


@rule.register
def _see(trigger: VisibilityChanged, connection: Connection, _delivery_id: int) -> Outcome:
    repository = trigger.repository
    if not coordinates.record_visibility(connection, repository):
        return _unknown(repository)
    return Outcome(f"{_name(repository)} is {'private' if repository.private else 'public'} now")


@rule.register
def _move(trigger: RepositoryMoved, connection: Connection, _delivery_id: int) -> Outcome:
    known = coordinates.heal(connection, trigger.installation, trigger.account, trigger.repository)
    if known is None:
        return UNINSTALLED
    return Outcome(f"the repository is {known.full_name} now")


@rule.register
def _delete(trigger: RepositoryGone, connection: Connection, _delivery_id: int) -> Outcome:
    gone = coordinates.give_up(connection, [trigger.repository.id])
    if not gone:
        return _unknown(trigger.repository)
    return Outcome(f"{gone[0]} was deleted; its servers are stopped after the grace period")


@rule.register
def _archive(trigger: ArchiveChanged, connection: Connection, delivery_id: int) -> Outcome:
    repository = trigger.repository
    known = connection.execute(
        "UPDATE repositories SET archived = %s, updated_at = now() WHERE id = %s RETURNING 1",
        (trigger.archived, repository.id),
    ).fetchone()
    if known is None:
        return _unknown(repository)
    if trigger.archived:
        coordinates.cancel_open_runs(connection, [repository.id])
        return Outcome(f"{_name(repository)} is archived: what serves goes on, nothing new runs")
    coordinates.report_again(connection, repository.id)
    look = errands.ask(
        connection, "first_look", repository_id=repository.id, delivery_id=delivery_id
    )
    return Outcome(f"{_name(repository)} is back from the archive", (), (look,))


@rule.register
def _follow_branch(
    trigger: DefaultBranchChanged, connection: Connection, delivery_id: int
) -> Outcome:
    known = coordinates.heal(connection, trigger.installation, trigger.account, trigger.repository)
    if known is None:
        return UNINSTALLED
    look = errands.ask(connection, "first_look", repository_id=known.id, delivery_id=delivery_id)
    return Outcome(f"{known.default_branch} is the default branch now", (), (look,))
