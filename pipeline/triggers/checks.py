"""What people do with check runs: run them again, press their buttons."""

from pipeline import payloads
from pipeline.payloads import Payload
from pipeline.triggers import parts
from pipeline.triggers.kinds import ButtonPressed, Ignored, RerunRequested, Trigger
from pipeline.triggers.table import on

_NOT_OURS = Ignored("The check run was not made by Sigil: it has no external_id.")


@on("check_run", "rerequested")
def check_run_rerequested(payload: Payload) -> Trigger:
    """Sent to the App that made a check run when someone presses its "Re-run".

    `created` and `completed` are the echo of our own reports, and of other Apps' ones: ignored.
    A check run without an `external_id` was not made by Sigil.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#check_run
    """
    if not payloads.get(payload, "check_run.external_id"):
        return _NOT_OURS
    return RerunRequested(
        installation=parts.installation(payload),
        repository=parts.repository(payload),
        external_id=payloads.text(payload, "check_run.external_id"),
        sha=payloads.sha(payload, "check_run.head_sha"),
    )


@on("check_suite", "rerequested")
def check_suite_rerequested(payload: Payload) -> Trigger:
    """Sent when someone presses "Re-run all checks" of a commit.

    `requested` comes with every push, which is told by `push` already, and `completed` is the sum
    of checks that we know: both are ignored.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#check_suite
    """
    return RerunRequested(
        installation=parts.installation(payload),
        repository=parts.repository(payload),
        external_id=None,
        sha=payloads.sha(payload, "check_suite.head_sha"),
    )


@on("check_run", "requested_action")
def button_pressed(payload: Payload) -> Trigger:
    """Sent to the App that made a check run when someone presses one of its buttons.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#check_run
    """
    if not payloads.get(payload, "check_run.external_id"):
        return _NOT_OURS
    return ButtonPressed(
        installation=parts.installation(payload),
        repository=parts.repository(payload),
        external_id=payloads.text(payload, "check_run.external_id"),
        identifier=payloads.text(payload, "requested_action.identifier"),
        actor=parts.actor(payload),
    )
