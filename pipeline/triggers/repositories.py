"""What becomes of a repository: its name, its owner, who may see it, and its end."""

from pipeline import payloads
from pipeline.payloads import Payload
from pipeline.triggers import parts
from pipeline.triggers.kinds import (
    ArchiveChanged,
    DefaultBranchChanged,
    Ignored,
    RepositoryGone,
    RepositoryMoved,
    Trigger,
    VisibilityChanged,
)
from pipeline.triggers.table import on


@on("repository", "privatized")
@on("repository", "publicized")
def visibility_changed(payload: Payload) -> Trigger:
    """Sent when someone makes a repository private or public; until then the pages may show it.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#repository
    """
    return VisibilityChanged(parts.repository(payload))


@on("repository", "renamed")
@on("repository", "transferred")
def moved(payload: Payload) -> Trigger:
    """Sent when a repository gets another name, or another owner who has the App as well.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#repository
    """
    return RepositoryMoved(
        parts.installation(payload),
        parts.account(payload, "repository.owner"),
        parts.repository(payload),
    )


@on("repository", "deleted")
def deleted(payload: Payload) -> Trigger:
    """Sent when a repository is deleted.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#repository
    """
    return RepositoryGone(parts.repository(payload))


@on("repository", "archived")
@on("repository", "unarchived")
def archive_changed(payload: Payload) -> Trigger:
    """Sent when a repository becomes read-only, and when that ends.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#repository
    """
    return ArchiveChanged(
        parts.repository(payload), archived=payloads.action_of(payload) == "archived"
    )


@on("repository", "edited")
def edited(payload: Payload) -> Trigger:
    """Sent when the description, the topics or the default branch of a repository changes.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#repository
    """
    if payloads.get(payload, "changes.default_branch") is None:
        return Ignored("Only the default branch matters to Sigil, and it is the same.")
    return DefaultBranchChanged(
        parts.installation(payload),
        parts.account(payload, "repository.owner"),
        parts.repository(payload),
    )
