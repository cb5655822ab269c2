"""Carries triggers out: writes what an event means into the tables, in the delivery's transaction.

Talks to PostgreSQL only. Whatever needs the network becomes a row that a job works off.
"""

from dataclasses import dataclass

from config.database import Connection
from pipeline.triggers import Trigger


@dataclass(frozen=True)
class Outcome:
    """What came of a trigger.

    Attributes:
        reason: In words, for the ledger.
        run_ids: Runs to ring the bell for once the transaction has committed.
        repository_ids: Repositories to look at for the first time, likewise.
        ignored: Nothing was to be done.
    """

    reason: str
    run_ids: tuple[int, ...] = ()
    repository_ids: tuple[int, ...] = ()
    ignored: bool = False


def carry_out(connection: Connection, trigger: Trigger, *, delivery_id: int) -> Outcome:
    """Write what `trigger` means. Safe to repeat: a second time changes nothing."""
    raise NotImplementedError
