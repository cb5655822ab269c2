"""A stand-in for GitHub that refuses what GitHub refuses."""

from sandbox.github.faults import Fault
from sandbox.github.limits import Budgets
from sandbox.github.server import GitHubStandIn

__all__ = ["Budgets", "Fault", "GitHubStandIn"]
