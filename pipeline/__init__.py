"""Floor 3: from a GitHub event to a live, proved, listed server."""
