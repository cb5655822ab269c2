"""What Sigil asks of GitHub, or says there, outside of a run: one file for each kind of errand."""
