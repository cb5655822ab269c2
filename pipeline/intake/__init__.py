"""Carries triggers out: writes what an event means into the tables, in the delivery's transaction.

Talks to PostgreSQL only. What has to be asked of GitHub first becomes an errand, which
`pipeline.errands` works off.
"""

from pipeline.intake import installations, pulls, pushes, repositories, wishes
from pipeline.intake.outcome import Outcome, carry_out

__all__ = [
    "Outcome",
    "carry_out",
    "installations",
    "pulls",
    "pushes",
    "repositories",
    "wishes",
]
