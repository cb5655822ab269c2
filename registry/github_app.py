"""The GitHub App that this Sigil is: from its variables, or else as `/setup` stored it, sealed.

Everything that needs the App's id, key or webhook secret asks here.
"""

import json
import os
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from config.database import Connection, transaction
from config.logs import hide
from config.sealing import KeyRing, Sealed, SealingError
from config.settings import SettingsError, settings

LOOK_AGAIN = 2.0
"""Seconds between two looks whether another webhook secret was stored, at most one in so many."""
# GitHub's first ping and its repetition may be this near to each other, and the App stored between.
_LOOK_FOR_THE_FIRST = 0.2


class NotSetUp(SettingsError):
    """There is no GitHub App yet. The text names both ways to one."""


@dataclass(frozen=True)
class Credentials:
    """What nobody but GitHub and Sigil may know. Not shown when printed."""

    private_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    client_secret: str = field(repr=False)


@dataclass(frozen=True)
class NewApp:
    """An App as GitHub hands it over.

    Attributes:
        html_url: Its page at GitHub.
        owner: The account that it belongs to.
    """

    app_id: int
    slug: str
    name: str
    client_id: str
    html_url: str
    owner: str
    credentials: Credentials


@dataclass(frozen=True)
class StoredApp:
    """What may be shown of the stored App."""

    app_id: int
    slug: str
    name: str
    client_id: str
    html_url: str
    owner: str
    key_id: str
    created_at: datetime

    @property
    def install_url(self) -> str:
        """The page at GitHub where it is installed on repositories."""
        return f"{self.html_url}/installations/new"


@dataclass(frozen=True)
class Identity:
    """With what Sigil signs in at GitHub as the App."""

    app_id: str
    private_key: str = field(repr=False)


def store(connection: Connection, app: NewApp, ring: KeyRing) -> None:
    """Keep the App, in the place of one that was kept before."""
    secrets = {
        "private_key": app.credentials.private_key,
        "webhook_secret": app.credentials.webhook_secret,
        "client_secret": app.credentials.client_secret,
    }
    sealed = ring.seal(json.dumps(secrets).encode(), _purpose(app.app_id))
    connection.execute("DELETE FROM github_app")
    connection.execute(
        """INSERT INTO github_app
               (app_id, slug, name, client_id, html_url, owner, sealed, key_id)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            *(app.app_id, app.slug, app.name, app.client_id, app.html_url, app.owner),
            *(sealed.data, sealed.key_id),
        ),
    )


def stored(connection: Connection) -> StoredApp | None:
    """The App that `/setup` stored, without its secrets."""
    with connection.cursor(row_factory=class_row(StoredApp)) as cursor:
        return cursor.execute(
            """SELECT app_id, slug, name, client_id, html_url, owner, key_id, created_at
               FROM github_app"""
        ).fetchone()


def seal_again(connection: Connection, ring: KeyRing) -> bool:
    """Seal the stored App with the first key of the ring; return whether it was not.

    Raises:
        SettingsError: it does not open with the keys that are there.
    """
    row = _sealed(connection)
    if row is None or row[1].key_id == ring.current:
        return False
    app_id, sealed = row
    try:
        secret = ring.open(sealed, _purpose(app_id))
    except SealingError as error:
        raise SettingsError(str(error)) from None
    anew = ring.seal(secret, _purpose(app_id))
    connection.execute("UPDATE github_app SET sealed = %s, key_id = %s", (anew.data, anew.key_id))
    return True


def identity() -> Identity:
    """With what to sign in as the App.

    Raises:
        NotSetUp: there is no App yet.
        SettingsError: its variables are not complete, or what is stored does not open.
        psycopg.OperationalError: PostgreSQL is away.
    """
    if settings().names_app:
        settings().require("github_app_id")
        return Identity(settings().github_app_id, settings().private_key())
    with transaction() as connection:
        app_id, credentials = _opened(connection)
    return Identity(str(app_id), credentials.private_key)


def webhook_secrets(*, fresh: bool = False) -> tuple[bytes, ...]:
    """With what GitHub signs deliveries. What is stored is read once, and then kept in memory.

    Args:
        fresh: A signature did not fit: look whether another secret was stored meanwhile, unless
            that was looked up less than `LOOK_AGAIN` seconds ago.

    Raises:
        NotSetUp: there is no App yet.
        SettingsError: its variables are not complete, or what is stored does not open.
        psycopg.OperationalError: PostgreSQL is away, and the secret is not known yet.
    """
    if settings().names_app:
        settings().require("github_webhook_secrets")
        return tuple(
            secret.get_secret_value().encode() for secret in settings().github_webhook_secrets
        )
    return _memory.secrets(fresh=fresh)


def forget() -> None:
    """Forget what is kept in memory, so that it is read again."""
    _memory.forget()


class _Memory:
    """The stored webhook secret in this process, or why there is none."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._reading = threading.Lock()
        self._known: tuple[bytes, ...] = ()
        self._trouble: Exception | None = None
        self._looked: float | None = None

    def secrets(self, *, fresh: bool) -> tuple[bytes, ...]:
        # One thread looks; the others wait for it only when they have nothing to go by.
        if (fresh or not self._known) and self._reading.acquire(blocking=not self._known):
            try:
                self._look()
            finally:
                self._reading.release()
        known = self._known
        if known:
            return known
        assert self._trouble is not None
        raise self._trouble

    def _look(self) -> None:
        pause = _LOOK_FOR_THE_FIRST if isinstance(self._trouble, NotSetUp) else LOOK_AGAIN
        if self._looked is not None and time.monotonic() - self._looked < pause:
            return
        try:
            with transaction() as connection:
                _, credentials = _opened(connection)
            self._known, self._trouble = (credentials.webhook_secret.encode(),), None
        except SettingsError as error:
            self._known, self._trouble = (), error
        except psycopg.OperationalError as error:
            # What was known before still counts.
            self._trouble = error
        self._looked = time.monotonic()


_memory = _Memory()
# A child of a long-lived process looks for itself, and never waits for its parent's lock.
os.register_at_fork(after_in_child=forget)


def _purpose(app_id: int) -> str:
    return f"the GitHub App {app_id}"


def _sealed(connection: Connection) -> tuple[int, Sealed] | None:
    row = connection.execute("SELECT app_id, key_id, sealed FROM github_app").fetchone()
    return (row[0], Sealed(row[1], bytes(row[2]))) if row else None


def _opened(connection: Connection) -> tuple[int, Credentials]:
    row = _sealed(connection)
    if row is None:
        raise NotSetUp(
            "There is no GitHub App yet. Create one at /setup (`flask --app webhook setup-link` "
            "prints the way in), or set GITHUB_APP_ID, GITHUB_PRIVATE_KEY and "
            "GITHUB_WEBHOOK_SECRETS."
        )
    app_id, sealed = row
    try:
        secrets = json.loads(settings().key_ring().open(sealed, _purpose(app_id)))
    except SealingError as error:
        raise SettingsError(str(error)) from None
    credentials = Credentials(**secrets)
    # The key needs no hiding of its own: whatever looks like one is taken out of every line.
    hide(credentials.webhook_secret, credentials.client_secret)
    return app_id, credentials
