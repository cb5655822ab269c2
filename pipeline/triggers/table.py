"""The table: which function reads which event and action."""

from collections.abc import Callable

from pipeline import payloads
from pipeline.payloads import Payload, Unusable
from pipeline.triggers.kinds import Ignored, Trigger

_Function = Callable[[Payload], Trigger]
_TABLE: dict[str, dict[str | None, _Function]] = {}


def on(event: str, action: str | None = None) -> Callable[[_Function], _Function]:
    """Put a function into the table. Without `action` it takes every action of the event."""

    def register(function: _Function) -> _Function:
        _TABLE.setdefault(event, {})[action] = function
        return function

    return register


def triggers_for(event: str, payload: Payload) -> Trigger:
    """What Sigil should do about a delivery.

    Args:
        event: GitHub's name of it, from the header `X-GitHub-Event`.
        payload: The parsed body. A body that lacks a field we need is ignored with a reason that
            names the field; no body makes this raise.
    """
    actions = _TABLE.get(event)
    if actions is None:
        return Ignored(f"Sigil does not act on {event} events.")
    action = payloads.action_of(payload)
    function = actions.get(action) or actions.get(None)
    if function is None:
        known = ", ".join(f"{event}.{name}" for name in sorted(map(str, actions)))
        return Ignored(f"Sigil does not act on {event}.{action or '(no action)'}, only on {known}.")
    try:
        return function(payload)
    except Unusable as unusable:
        return Ignored(f"The {event} payload has no usable {unusable}.")


def acts_on(event: str, action: str | None) -> bool:
    """Whether an event can make Sigil do anything, so that one that was missed is worth having."""
    actions = _TABLE.get(event, {})
    return event != "ping" and (action in actions or None in actions)
