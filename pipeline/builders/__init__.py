"""From a checked-out commit to an artifact that a host can run: one module a kind of artifact."""
