"""Everything that Sigil says to GitHub."""
