"""What came of a trigger, and the function that finds the rule for it."""

import functools
from dataclasses import dataclass

from config.database import Connection
from pipeline.triggers.kinds import Ignored, Trigger


@dataclass(frozen=True)
class Outcome:
    """What came of a trigger.

    Attributes:
        reason: In words, for the ledger.
        run_ids: Runs to ring the bell for once the transaction has committed.
        errand_ids: Errands to ring the bell for, likewise.
        ignored: Nothing was to be done.
    """

    reason: str
    run_ids: tuple[int, ...] = ()
    errand_ids: tuple[int, ...] = ()
    ignored: bool = False


@functools.singledispatch
def rule(trigger: object, connection: Connection, delivery_id: int) -> Outcome:
    """What a trigger means; each rule registers itself for its class."""
    raise TypeError(f"no rule for {type(trigger).__name__}")


def carry_out(connection: Connection, trigger: Trigger, *, delivery_id: int) -> Outcome:
    """Write what `trigger` means. Safe to repeat: a second time changes nothing."""
    return rule(trigger, connection, delivery_id)


UNINSTALLED = Outcome(reason="the App was uninstalled before this was processed", ignored=True)


@rule.register
def _ignore(trigger: Ignored, _connection: Connection, _delivery_id: int) -> Outcome:
    return Outcome(reason=trigger.reason, ignored=True)
