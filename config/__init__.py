"""Floor 1: settings, database, Redis and logging. Knows nothing of what Sigil does with them."""
