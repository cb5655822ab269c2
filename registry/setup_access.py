"""Who may set up the GitHub App, and which browser is on its way to GitHub and back."""

import hmac
from dataclasses import dataclass
from typing import Literal

from config.database import Connection
from config.sealing import KeyRing, Sealed, SealingError
from config.settings import settings
from registry.one_time_keys import KEY_MINUTES, generate, hashed

JOURNEY_MINUTES = 60
"""GitHub keeps its temporary code for an hour.
https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest"""

Stance = Literal["open", "variables", "stored"]
"""Whether there is no App yet, one by its variables, or one that is stored."""


@dataclass(frozen=True)
class Journey:
    """A browser's way to GitHub.

    Attributes:
        hash: Names it in the database.
        code: GitHub's temporary code, once the browser came back with it.
        used: Its code was exchanged, or turned out to be worthless.
    """

    hash: bytes
    code: str | None
    used: bool


def stance(connection: Connection) -> Stance:
    """Whether there is an App already."""
    if settings().names_app:
        return "variables"
    row = connection.execute("SELECT EXISTS (SELECT FROM github_app)").fetchone()
    assert row is not None
    return "stored" if row[0] else "open"


def new_key(connection: Connection, *, replaces: bool) -> str:
    """Make a setup key that serves once, within `KEY_MINUTES`.

    Args:
        replaces: It also opens a setup that is closed, because there is an App.
    """
    key = generate()
    connection.execute("DELETE FROM setup_tokens WHERE expires_at < now() - interval '1 day'")
    connection.execute(
        """INSERT INTO setup_tokens (hash, replaces, expires_at)
           VALUES (%s, %s, now() + make_interval(mins => %s))""",
        (hashed(key), replaces, KEY_MINUTES),
    )
    return key


def opens(connection: Connection, key_hash: bytes) -> bool:
    """Whether the key with this hash opens the setup now."""
    now = stance(connection)
    if now == "variables":
        return False
    fixed = settings().setup_token.get_secret_value()
    if fixed and now == "open" and hmac.compare_digest(hashed(fixed), key_hash):
        return True
    row = connection.execute(
        """SELECT replaces FROM setup_tokens
           WHERE hash = %s AND expires_at > now() AND used_at IS NULL""",
        (key_hash,),
    ).fetchone()
    return row is not None and (now == "open" or bool(row[0]))


def one_at_a_time(connection: Connection) -> None:
    """Let no other request store an App until the end of the transaction; reading goes on."""
    connection.execute("LOCK TABLE github_app IN SHARE ROW EXCLUSIVE MODE")


def close(connection: Connection) -> None:
    """The setup succeeded: no key opens it again, and no other browser comes back."""
    connection.execute("UPDATE setup_tokens SET used_at = now() WHERE used_at IS NULL")
    connection.execute(
        "UPDATE setup_journeys SET used_at = now(), code = NULL WHERE used_at IS NULL"
    )


def begin_journey(connection: Connection, *, browser: str) -> str:
    """Let the browser go to GitHub; return the random text that it has to come back with."""
    connection.execute("DELETE FROM setup_journeys WHERE expires_at < now() - interval '1 day'")
    nonce = generate()
    connection.execute(
        """INSERT INTO setup_journeys (hash, browser, expires_at)
           VALUES (%s, %s, now() + make_interval(mins => %s))""",
        (hashed(nonce), hashed(browser), JOURNEY_MINUTES),
    )
    return nonce


def come_back(
    connection: Connection, *, nonce: str, browser: str, code: str, ring: KeyRing
) -> Journey | None:
    """The browser is back with a code: keep the code until it is exchanged.

    Returns:
        None when this browser never left with that text, or too long ago.
    """
    sealed = ring.seal(code.encode(), _purpose(hashed(nonce)))
    row = connection.execute(
        """UPDATE setup_journeys
           SET code = CASE WHEN used_at IS NULL THEN coalesce(code, %s) END,
               key_id = coalesce(key_id, %s),
               expires_at = CASE WHEN code IS NULL AND used_at IS NULL
                                 THEN now() + make_interval(mins => %s) ELSE expires_at END
           WHERE hash = %s AND browser = %s AND expires_at > now()
           RETURNING used_at IS NOT NULL""",
        (sealed.data, sealed.key_id, JOURNEY_MINUTES, hashed(nonce), hashed(browser)),
    ).fetchone()
    return Journey(hashed(nonce), code, bool(row[0])) if row else None


def unfinished(connection: Connection, *, browser: str, ring: KeyRing) -> Journey | None:
    """This browser's newest journey that came back, and whose code still waits to be exchanged.

    Locked until the end of the transaction, so that a code is exchanged by one request at a time.
    """
    row = connection.execute(
        """SELECT hash, code, key_id FROM setup_journeys
           WHERE browser = %s AND code IS NOT NULL AND used_at IS NULL AND expires_at > now()
           ORDER BY expires_at DESC LIMIT 1 FOR UPDATE""",
        (hashed(browser),),
    ).fetchone()
    if row is None:
        return None
    digest = bytes(row[0])
    try:
        code = ring.open(Sealed(row[2], bytes(row[1])), _purpose(digest)).decode()
    except SealingError:
        return None
    return Journey(digest, code, used=False)


def end_journey(connection: Connection, journey: Journey) -> None:
    """Its code is worth nothing any more."""
    connection.execute(
        "UPDATE setup_journeys SET used_at = now(), code = NULL WHERE hash = %s", (journey.hash,)
    )


def _purpose(digest: bytes) -> str:
    return f"the code of the setup {digest.hex()[:16]}"
