"""The buttons of a check run: which of them apply now. Pure.

GitHub draws at most 3, with at most 20, 40 and 20 characters of label, description and identifier,
and draws them only once the check has completed.
https://docs.github.com/en/rest/checks/runs#create-a-check-run
"""

from dataclasses import dataclass

from pipeline.github.view import RunView

_UNFINISHED = ("failed", "cancelled", "skipped", "superseded")


@dataclass(frozen=True)
class Action:
    """A button. The identifier comes back when it is pressed, and is the command's name."""

    label: str
    description: str
    identifier: str


def actions(view: RunView) -> tuple[Action, ...]:
    """The buttons that do something for this run as things stand."""
    run = view.run
    if view.repository.state != "active" or view.repository.archived:
        return ()
    found = []
    if run.state in ("queued", "running") and run.stop_requested is None:
        found.append(Action("Cancel", "Stop this run", "cancel"))
    if run.state in _UNFINISHED and not (view.is_closed or view.is_outdated):
        found.append(Action("Retry", f"Run {run.sha[:7]} again", "retry"))
    if view.wants_approval:
        found.append(Action("Approve", f"Let exactly {run.sha[:7]} run in a preview", "approve"))
    if view.is_live and run.pull_number is None and view.last_good is not None:
        back = f"Bring back {view.last_good.sha[:7]}, which served before"
        found.append(Action("Roll back", back, "rollback"))
    return tuple(found)
