"""Floor 2: what Sigil knows: packages, versions, tools, and how to ask a server for them."""
