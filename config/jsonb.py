"""What PostgreSQL's jsonb and text columns cannot hold, so that it is refused at the door."""


def unstorable(text: str) -> str | None:
    """What keeps a text out of PostgreSQL, or None: neither NUL nor half a surrogate pair fits."""
    if "\0" in text:
        return "the NUL character"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "half of a surrogate pair"
    return None
