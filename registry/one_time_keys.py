"""Keys that a command prints for one use in a browser. The database keeps their hashes only."""

import hashlib
import secrets

KEY_MINUTES = 60
"""How long a key that nobody has used is good."""


def generate() -> str:
    """A new key, or another text that nobody can guess."""
    return secrets.token_urlsafe(32)


def hashed(text: str) -> bytes:
    """What the database keeps of a long random text."""
    return hashlib.sha256(text.encode()).digest()
