"""Pull requests, and the commands that people write under them."""

import re

from pipeline import payloads
from pipeline.payloads import Payload
from pipeline.triggers import parts
from pipeline.triggers.kinds import CommandGiven, Ignored, PullRequestChanged, Trigger
from pipeline.triggers.table import on


@on("pull_request", "opened")
@on("pull_request", "reopened")
@on("pull_request", "synchronize")
@on("pull_request", "ready_for_review")
@on("pull_request", "converted_to_draft")
@on("pull_request", "closed")
def changed(payload: Payload) -> Trigger:
    """Sent for each change of a pull request; these are the ones that change what should run.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request
    """
    head = payloads.get(payload, "pull_request.head.repo.id")
    state = payloads.text(payload, "pull_request.state")
    if state not in ("open", "closed"):
        raise payloads.Unusable("pull_request.state")
    return PullRequestChanged(
        installation=parts.installation(payload),
        account=parts.account(payload, "repository.owner"),
        repository=parts.repository(payload),
        number=payloads.number(payload, "pull_request.number"),
        head_sha=payloads.sha(payload, "pull_request.head.sha"),
        head_ref=payloads.text(payload, "pull_request.head.ref"),
        head_repository=None if head is None else _head_repository(payload),
        # What does not say where it comes from is trusted with nothing.
        fork=head is None or head != payloads.get(payload, "pull_request.base.repo.id"),
        base_ref=payloads.text(payload, "pull_request.base.ref"),
        author=payloads.text(payload, "pull_request.user.login"),
        draft=payloads.get(payload, "pull_request.draft") is True,
        state="open" if state == "open" else "closed",
        merged=payloads.get(payload, "pull_request.merged") is True,
    )


def _head_repository(payload: Payload) -> str:
    return "/".join(payloads.owner_and_name(payload, "pull_request.head.repo.full_name"))


@on("pull_request", "edited")
def edited(payload: Payload) -> Trigger:
    """Sent when title, text or base branch change; the base branch decides how it is deployed.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request
    """
    if payloads.get(payload, "changes.base") is None:
        return Ignored("Only the base branch matters to Sigil, and it is the same.")
    return changed(payload)


_COMMAND = re.compile(r"^[ \t]*/sigil\b(.*)$", re.IGNORECASE | re.MULTILINE)
_MOST_WORDS = 4

# What is shown as an example, or not at all, is not said: a template that a maintainer was asked to
# paste may hold anything.
_UNSAID = re.compile(
    r"<!--.*?(?:-->|\Z)|^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*\s*?$|\Z)", re.DOTALL | re.MULTILINE
)


@on("issue_comment", "created")
def commented(payload: Payload) -> Trigger:
    """Sent for comments under issues and pull requests. An edited comment gives no command: what
    people have read and what is done would differ.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#issue_comment
    """
    body = payloads.get(payload, "comment.body")
    found = _COMMAND.search(_UNSAID.sub("", body)) if isinstance(body, str) else None
    if found is None:
        return Ignored("The comment has no line that begins with /sigil.")
    if payloads.get(payload, "sender.type") == "Bot":
        return Ignored("Commands of bots are not followed.")
    if not isinstance(payloads.get(payload, "issue.pull_request"), dict):
        return Ignored("Commands are followed under pull requests, not under issues.")
    # PostgreSQL keeps neither NUL nor half a surrogate pair.
    line = found[1].replace("\0", "").encode(errors="replace").decode().lower()
    words = tuple(word[:100] for word in line.split()[:_MOST_WORDS])
    return CommandGiven(
        installation=parts.installation(payload),
        account=parts.account(payload, "repository.owner"),
        repository=parts.repository(payload),
        number=payloads.number(payload, "issue.number"),
        comment_id=payloads.identifier(payload, "comment.id"),
        words=words,
        actor=parts.actor(payload),
    )
