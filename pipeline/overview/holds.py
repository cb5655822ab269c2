"""What GitHub's limits hold back, and what waits for it: for the status page and for Prometheus."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from config.database import Connection
from pipeline.github.budget import LIMITS, Hold, Limit


@dataclass(frozen=True)
class Reason:
    """Why something is held back, and until when. `background`: only what nobody waits for."""

    words: str
    background: bool
    until: datetime


@dataclass(frozen=True)
class HeldBack:
    """What an account has waiting while GitHub's limits hold its requests back.

    Attributes:
        account: None for what the App asks for itself, or an account that is not to be shown.
        app: It is what the App asks for itself.
        reasons: The longest first.
        reports: Runs with a change that GitHub has not been told.
        errands: What is to be asked of GitHub, or said there, outside of a run.
        runs: Runs that wait for their moment.
    """

    account: str | None
    app: bool
    reasons: tuple[Reason, ...]
    reports: int = 0
    errands: int = 0
    runs: int = 0


@dataclass(frozen=True)
class LimitUse:
    """How many accounts one limit holds back, and when the last of them may go on."""

    accounts: int
    until: datetime | None


@dataclass(frozen=True)
class _Waiting:
    id: int
    login: str
    public: bool
    reports: int
    errands: int
    runs: int


WAITING = """
    SELECT i.id, w.login,
           EXISTS (SELECT FROM repositories r
                   WHERE r.installation_id = i.id AND r.state = 'active' AND NOT r.private)
               AS public,
           (SELECT count(*) FROM runs u JOIN repositories r ON r.id = u.repository_id
            WHERE r.installation_id = i.id AND u.reported_revision < u.revision) AS reports,
           (SELECT count(*) FROM errands e JOIN repositories r ON r.id = e.repository_id
            WHERE r.installation_id = i.id AND e.state = 'waiting') AS errands,
           (SELECT count(*) FROM runs u JOIN repositories r ON r.id = u.repository_id
            WHERE r.installation_id = i.id AND u.state = 'queued' AND u.due_at > now()) AS runs
    FROM installations i JOIN workspaces w ON w.id = i.workspace_id
    WHERE i.id = ANY(%(ids)s) AND i.state = 'active'
    ORDER BY lower(w.login)"""


def list_held_back(
    connection: Connection, holds: Iterable[Hold], *, private: bool = False
) -> tuple[HeldBack, ...]:
    """Who is held back, with what waits.

    Args:
        holds: As `budget.holds` tells them.
        private: Also name accounts that have no public repository.
    """
    reasons: defaultdict[int | None, list[Reason]] = defaultdict(list)
    for hold in sorted(holds, key=lambda one: one.until, reverse=True):
        background = hold.priority == "background"
        reasons[hold.installation_id].append(Reason(LIMITS[hold.limit], background, hold.until))
    with connection.cursor(row_factory=class_row(_Waiting)) as cursor:
        ids = [key for key in reasons if key is not None]
        accounts = cursor.execute(WAITING, {"ids": ids}).fetchall()
    held = [
        HeldBack(
            account=row.login if private or row.public else None,
            app=False,
            reasons=tuple(reasons[row.id]),
            reports=row.reports,
            errands=row.errands,
            runs=row.runs,
        )
        for row in accounts
    ]
    if None in reasons:
        held.insert(0, HeldBack(account=None, app=True, reasons=tuple(reasons[None])))
    return tuple(held)


def by_limit(holds: Iterable[Hold]) -> dict[Limit, LimitUse]:
    """How much each limit holds back, without names."""
    found = tuple(holds)
    uses = {}
    for limit in LIMITS:
        those = [hold for hold in found if hold.limit == limit]
        uses[limit] = LimitUse(
            accounts=len({hold.installation_id for hold in those}),
            until=max((hold.until for hold in those), default=None),
        )
    return uses
