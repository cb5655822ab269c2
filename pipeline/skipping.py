"""How the author of a commit says that it should not be deployed."""

import re

_SKIP = re.compile(r"\[(skip sigil|sigil skip)\]", re.IGNORECASE)


def asks_to_skip(message: str) -> bool:
    """Whether a commit's message holds `[skip sigil]` or `[sigil skip]`.

    The mark does not hold for a tag: whoever tags a version asks for exactly that.
    """
    return _SKIP.search(message) is not None
