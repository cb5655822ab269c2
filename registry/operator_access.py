"""Who operates this Sigil: whoever opened a printed key, until the session ends."""

from dataclasses import dataclass
from datetime import datetime

from config.database import Connection
from registry.one_time_keys import KEY_MINUTES, generate, hashed

SESSION_HOURS = 12


@dataclass(frozen=True)
class Session:
    """A browser's session.

    Attributes:
        token: A random text that only this browser's cookie holds.
        until: When it ends by itself.
    """

    token: str
    until: datetime


def new_key(connection: Connection) -> str:
    """Make a key that opens one session, within `KEY_MINUTES`."""
    key = generate()
    connection.execute("DELETE FROM operator_keys WHERE expires_at <= now()")
    connection.execute("DELETE FROM operator_sessions WHERE expires_at <= now()")
    connection.execute(
        """INSERT INTO operator_keys (hash, expires_at)
           VALUES (%s, now() + make_interval(mins => %s))""",
        (hashed(key), KEY_MINUTES),
    )
    return key


def begin(connection: Connection, key: str) -> Session | None:
    """Use the key up, and begin the session that it opens; None when it opens nothing."""
    used = connection.execute(
        "DELETE FROM operator_keys WHERE hash = %s RETURNING expires_at > now()", (hashed(key),)
    ).fetchone()
    if used is None or not used[0]:
        return None
    token = generate()
    row = connection.execute(
        """INSERT INTO operator_sessions (hash, expires_at)
           VALUES (%s, now() + make_interval(hours => %s)) RETURNING expires_at""",
        (hashed(token), SESSION_HOURS),
    ).fetchone()
    assert row is not None
    return Session(token, row[0])


def find(connection: Connection, token: str) -> Session | None:
    """The session of that token, unless it has ended."""
    row = connection.execute(
        "SELECT expires_at FROM operator_sessions WHERE hash = %s AND expires_at > now()",
        (hashed(token),),
    ).fetchone()
    return Session(token, row[0]) if row else None


def end(connection: Connection, session: Session) -> None:
    """The operator signs out of one browser."""
    connection.execute("DELETE FROM operator_sessions WHERE hash = %s", (hashed(session.token),))


def end_all(connection: Connection) -> int:
    """End every session, and make unused keys worthless; return how many sessions that were."""
    connection.execute("DELETE FROM operator_keys")
    return connection.execute(
        """WITH ended AS (DELETE FROM operator_sessions RETURNING expires_at)
           SELECT 1 FROM ended WHERE expires_at > now()"""
    ).rowcount
