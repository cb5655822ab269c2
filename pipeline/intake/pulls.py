"""What pull requests and commands write: the pull request's row, and an errand about it."""

from config.database import Connection
from pipeline import coordinates, onboardings, pull_requests, runs
from pipeline.errands import table as errands
from pipeline.intake.outcome import UNINSTALLED, Outcome, rule
from pipeline.triggers.kinds import CommandGiven, PullRequestChanged


@rule.register
def _follow(trigger: PullRequestChanged, connection: Connection, delivery_id: int) -> Outcome:
    repository = coordinates.heal(
        connection, trigger.installation, trigger.account, trigger.repository
    )
    if repository is None:
        return UNINSTALLED
    pull_requests.record(
        connection,
        pull_requests.PullRequest(
            repository_id=repository.id,
            number=trigger.number,
            head_sha=trigger.head_sha,
            head_ref=trigger.head_ref,
            head_repository=trigger.head_repository,
            fork=trigger.fork,
            base_ref=trigger.base_ref,
            author=trigger.author,
            draft=trigger.draft,
            state=trigger.state,
            merged=trigger.merged,
        ),
    )
    onboardings.follow_pull_request(
        connection,
        repository.id,
        trigger.number,
        merged=trigger.merged if trigger.state == "closed" else None,
    )
    if trigger.state == "closed":
        for run_id in runs.open_of_pull(connection, repository.id, trigger.number):
            runs.cancel(connection, run_id)
    errand = errands.ask(
        connection,
        "pull",
        repository_id=repository.id,
        subject=pull_requests.subject(trigger.number),
        delivery_id=delivery_id,
    )
    return Outcome(f"looking what pull request #{trigger.number} asks for", (), (errand,))


@rule.register
def _command(trigger: CommandGiven, connection: Connection, delivery_id: int) -> Outcome:
    repository = coordinates.heal(
        connection, trigger.installation, trigger.account, trigger.repository
    )
    if repository is None:
        return UNINSTALLED
    errand = errands.ask(
        connection,
        "command",
        repository_id=repository.id,
        subject=pull_requests.subject(trigger.number),
        details={
            "words": list(trigger.words),
            "actor": trigger.actor,
            "number": trigger.number,
            "comment_id": trigger.comment_id,
        },
        delivery_id=delivery_id,
    )
    said = " ".join(("/sigil", *trigger.words))
    return Outcome(f"{trigger.actor} wrote {said} under #{trigger.number}", (), (errand,))
