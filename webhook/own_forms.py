"""Tells the forms of our own pages from those that another site sends with our reader's cookies."""

import hashlib
import hmac
from urllib.parse import urlsplit

from flask import abort, request

from config.settings import settings

_FOREIGN = "That form was not sent by a page of this Sigil, or the page is too old: load it again."


def token(secret: str, purpose: str) -> str:
    """What our own forms hold, and a form on another site cannot.

    Args:
        secret: What only this browser's cookie holds.
    """
    return hmac.digest(secret.encode(), purpose.encode(), hashlib.sha256).hex()


def check(expected: str | None) -> None:
    """Answer 403 to a form that does not hold the token; without an expected one to every form."""
    check_site()
    given = request.form.get("form_token", "")
    if expected is None or not hmac.compare_digest(given.encode(), expected.encode()):
        abort(403, _FOREIGN)


def check_site() -> None:
    """Answer 403 when the browser says that another site sent the form.
    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site"""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(403, _FOREIGN)


def own_root() -> str:
    """The root of this Sigil as the browser reaches it: through a tunnel GitHub may reach it under
    another address."""
    public = settings().public_url
    # A proxy in front may speak https where this process hears http.
    return public if urlsplit(public).netloc == request.host else request.url_root.rstrip("/")
