"""Who is before the setup pages: a browser that has shown a setup key, and comes back from GitHub
as the same browser. Cookies and states are signed with keys that come from SIGIL_KEYS."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Response, abort, request
from itsdangerous import BadData, URLSafeTimedSerializer

from config.database import Connection
from config.settings import settings
from registry import setup_access

_COOKIE = "sigil_setup"
_SECONDS = setup_access.KEY_MINUTES * 60


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
        return hmac.digest(self.browser.encode(), b"setup form", hashlib.sha256).hex()


def visitor() -> Visitor | None:
    """The visitor, whether or not the key still opens anything."""
    found = _read("cookie", request.cookies.get(_COOKIE, ""))
    try:
        return Visitor(str(found["b"]), bytes.fromhex(found["k"])) if found else None
    except (KeyError, TypeError, ValueError):
        return None


def admitted(connection: Connection) -> Visitor | None:
    """The visitor, if the key opens the setup now."""
    found = visitor()
    return found if found and setup_access.opens(connection, found.key_hash) else None


def remember(response: Response, key_hash: bytes) -> None:
    """Give the browser the cookie of one that has shown the key."""
    current = visitor()
    browser = current.browser if current else secrets.token_urlsafe(24)
    response.set_cookie(
        _COOKIE,
        _sign("cookie", {"b": browser, "k": key_hash.hex()}),
        max_age=_SECONDS,
        path="/setup",
        httponly=True,
        # Strict would not be sent when GitHub leads the browser back.
        samesite="Lax",
        secure=own_root().startswith("https://"),
    )


def sign_state(nonce: str) -> str:
    """The `state` that goes to GitHub and comes back."""
    return _sign("state", {"n": nonce})


def read_state(state: str) -> str | None:
    """What was signed, or None when this Sigil did not sign it within the last hour."""
    found = _read("state", state)
    nonce = found.get("n") if isinstance(found, dict) else None
    return nonce if isinstance(nonce, str) else None


def check_form(found: Visitor | None) -> None:
    """Answer 403 to a form that does not come from our own page."""
    check_site()
    given = request.form.get("form_token", "")
    if found is None or not hmac.compare_digest(given.encode(), found.form_token.encode()):
        abort(403)


def check_site() -> None:
    """Answer 403 when the browser says that another site sent the form.
    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site"""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(403)


def own_root() -> str:
    """The root of this Sigil as the browser reaches it: through a tunnel GitHub may reach it under
    another address."""
    public = settings().public_url
    # A proxy in front may speak https where this process hears http.
    return public if urlsplit(public).netloc == request.host else request.url_root.rstrip("/")


def _serializer(purpose: str) -> URLSafeTimedSerializer:
    keys = settings().key_ring().derived(f"setup {purpose}")
    # The last one signs, all are accepted.
    return URLSafeTimedSerializer(
        keys[::-1], salt=purpose, signer_kwargs={"digest_method": hashlib.sha256}
    )


def _sign(purpose: str, value: dict[str, str]) -> str:
    signed = _serializer(purpose).dumps(value)
    return signed if isinstance(signed, str) else signed.decode()


def _read(purpose: str, text: str) -> Any:
    if not settings().keys.get_secret_value():
        return None  # The App comes from its variables, and nothing was ever signed.
    try:
        return _serializer(purpose).loads(text, max_age=_SECONDS)
    except BadData:
        return None
