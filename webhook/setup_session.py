"""Who is before the setup pages: a browser that has shown a setup key, and comes back from GitHub
as the same browser. Cookies and states are signed with keys that come from SIGIL_KEYS."""

from dataclasses import dataclass

from flask import Response, request

from config.database import Connection
from registry import setup_access
from registry.one_time_keys import KEY_MINUTES, generate
from webhook import own_forms, signing

_COOKIE = "sigil_setup"
_COOKIE_PURPOSE = "setup cookie"
_STATE_PURPOSE = "setup state"
_SECONDS = KEY_MINUTES * 60


@dataclass(frozen=True)
class Visitor:
    """A browser that has shown a setup key within the last hour.

    Attributes:
        browser: A random text that only this browser's cookie holds.
        key_hash: Of the key that it has shown; it may be used up since.
    """

    browser: str
    key_hash: bytes

    @property
    def form_token(self) -> str:
        """What our own forms hold, and a form on another site cannot."""
        return own_forms.token(self.browser, "setup form")


def visitor() -> Visitor | None:
    """The visitor, whether or not the key still opens anything."""
    found = signing.read(_COOKIE_PURPOSE, request.cookies.get(_COOKIE, ""), seconds=_SECONDS)
    return Visitor(found["b"], bytes.fromhex(found["k"])) if found else None


def admitted(connection: Connection) -> Visitor | None:
    """The visitor, if the key opens the setup now."""
    found = visitor()
    return found if found and setup_access.opens(connection, found.key_hash) else None


def remember(response: Response, key_hash: bytes) -> None:
    """Give the browser the cookie of one that has shown the key."""
    current = visitor()
    browser = current.browser if current else generate()
    response.set_cookie(
        _COOKIE,
        signing.sign(_COOKIE_PURPOSE, {"b": browser, "k": key_hash.hex()}),
        max_age=_SECONDS,
        path="/setup",
        httponly=True,
        # Strict would not be sent when GitHub leads the browser back.
        samesite="Lax",
        secure=own_forms.own_root().startswith("https://"),
    )


def sign_state(nonce: str) -> str:
    """The `state` that goes to GitHub and comes back."""
    return signing.sign(_STATE_PURPOSE, {"n": nonce})


def read_state(state: str) -> str | None:
    """What was signed, or None when this Sigil did not sign it within the last hour."""
    return signing.read(_STATE_PURPOSE, state, seconds=_SECONDS).get("n")


def check_form(found: Visitor | None) -> None:
    """Answer 403 to a form that does not come from our own page."""
    own_forms.check(found.form_token if found else None)
