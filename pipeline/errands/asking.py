"""Errands that several places ask for."""

from config.database import Connection
from pipeline.errands import table


def ask_for_head(
    connection: Connection, repository_id: int, branch: str, sha: str, *, delivery_id: int | None
) -> int:
    """Ask what the head of a branch asks for, when no push told of it; return the errand.

    A commit that had its run already gets no other one by this.
    """
    return table.ask(
        connection,
        "push",
        repository_id=repository_id,
        subject=f"refs/heads/{branch}",
        details={"sha": sha, "before": None, "skip": None, "seen": True},
        delivery_id=delivery_id,
    )
