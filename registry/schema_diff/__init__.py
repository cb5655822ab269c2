"""What changed between two versions of a JSON Schema, as seen by who calls with it or reads by it.

Pure, bounded, and never an exception, whatever the schemas are: they come from strangers' servers.
"""

from registry.schema_diff.budget import Budget
from registry.schema_diff.change import SEVERITIES, Change, Severity
from registry.schema_diff.compare import answer_diff, argument_diff

__all__ = ["SEVERITIES", "Budget", "Change", "Severity", "answer_diff", "argument_diff"]
