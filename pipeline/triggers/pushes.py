"""Pushed branches and tags, and releases."""

from pipeline import payloads
from pipeline.payloads import Payload
from pipeline.triggers import parts
from pipeline.triggers.kinds import BranchPushed, Ignored, TagPublished, Trigger
from pipeline.triggers.table import on


@on("push")
def push(payload: Payload) -> Trigger:
    """Sent for each branch or tag that is created, moved (also by force) or deleted.

    Ignored are deletions (there is no commit to run), tags other than `v*`, and refs that are
    neither branch nor tag. `commits` is not read, because it is empty for a forced push to an
    older commit and cut off after 2,048.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
    """
    ref = payloads.text(payload, "ref")
    kind, _, name = ref.removeprefix("refs/").partition("/")
    if kind not in ("heads", "tags") or not name:
        return Ignored(f"{ref} is neither a branch nor a tag.")
    if payloads.get(payload, "deleted") is True or payloads.is_no_commit(
        payloads.get(payload, "after")
    ):
        return Ignored(f"{ref} was deleted: there is no commit to run.")
    if kind == "tags":
        return _tag_pushed(payload, name)
    message = payloads.get(payload, "head_commit.message")
    before = payloads.get(payload, "before")
    return BranchPushed(
        installation=parts.installation(payload),
        account=parts.account(payload, "repository.owner"),
        repository=parts.repository(payload),
        branch=name,
        sha=payloads.sha(payload, "after"),
        before=None
        if before is None or payloads.is_no_commit(before)
        else payloads.sha(payload, "before"),
        message=message if isinstance(message, str) else None,
    )


def _tag_pushed(payload: Payload, tag: str) -> Trigger:
    if not tag.startswith("v"):
        return Ignored(f"The tag {tag} does not start with v, so it names no version.")
    return TagPublished(
        installation=parts.installation(payload),
        account=parts.account(payload, "repository.owner"),
        repository=parts.repository(payload),
        tag=tag,
    )


@on("release", "published")
def release_published(payload: Payload) -> Trigger:
    """Sent when a release, or pre-release, becomes visible to everybody.

    `created` and `edited` also come for drafts, `released` and `prereleased` come together with
    `published`, and `deleted` and `unpublished` do not take a version back: all are ignored. The
    payload names a branch but no commit, so the tag is looked up later.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#release
    """
    return TagPublished(
        installation=parts.installation(payload),
        account=parts.account(payload, "repository.owner"),
        repository=parts.repository(payload),
        tag=payloads.text(payload, "release.tag_name"),
    )
