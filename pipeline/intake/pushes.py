"""What pushes and releases write: errands that look what the commit asks for."""

from config.database import Connection
from pipeline import coordinates
from pipeline.errands import table as errands
from pipeline.intake.outcome import UNINSTALLED, Outcome, rule
from pipeline.skipping import asks_to_skip
from pipeline.triggers.kinds import BranchPushed, TagPublished


@rule.register
def _push(trigger: BranchPushed, connection: Connection, delivery_id: int) -> Outcome:
    repository = coordinates.heal(
        connection, trigger.installation, trigger.account, trigger.repository
    )
    if repository is None:
        return UNINSTALLED
    errand = errands.ask(
        connection,
        "push",
        repository_id=repository.id,
        subject=f"refs/heads/{trigger.branch}",
        details={
            "sha": trigger.sha,
            "before": trigger.before,
            # None: the event did not tell the message.
            "skip": None if trigger.message is None else asks_to_skip(trigger.message),
        },
        delivery_id=delivery_id,
    )
    return Outcome(f"looking what {trigger.sha[:7]} on {trigger.branch} asks for", (), (errand,))


@rule.register
def _tag(trigger: TagPublished, connection: Connection, delivery_id: int) -> Outcome:
    repository = coordinates.heal(
        connection, trigger.installation, trigger.account, trigger.repository
    )
    if repository is None:
        return UNINSTALLED
    errand = errands.ask(
        connection,
        "tag",
        repository_id=repository.id,
        subject=f"refs/tags/{trigger.tag}",
        delivery_id=delivery_id,
    )
    return Outcome(f"looking up the commit of {trigger.tag}", (), (errand,))
