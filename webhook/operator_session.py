"""Who asks for a page: the operator, whose browser has opened a printed link, or anybody."""

from dataclasses import dataclass
from datetime import datetime

from flask import Response, g, request
from werkzeug.wrappers import Response as BaseResponse

from config.settings import settings
from pipeline.overview.paging import reading
from registry import operator_access
from registry.operator_access import SESSION_HOURS, Session
from webhook import own_forms, signing
from webhook.page_errors import DATABASE_AWAY, log_database

COOKIE = "sigil_operator"
_PURPOSE = "operator cookie"
_SECONDS = SESSION_HOURS * 3600


@dataclass(frozen=True)
class Operator:
    """The operator, in a session that has not ended."""

    session: Session

    @property
    def until(self) -> datetime:
        """When the session ends by itself."""
        return self.session.until

    @property
    def form_token(self) -> str:
        """What our own forms hold, and a form on another site cannot."""
        return own_forms.token(self.session.token, "operator form")


def current() -> Operator | None:
    """The operator, if that is who asks. Looked up once a request, and only for a signed cookie;
    while the database is away nobody is."""
    if "operator" not in g:
        try:
            g.operator = certain()
        except DATABASE_AWAY as error:
            log_database(error)
            g.operator = None
    found: Operator | None = g.operator
    return found


def certain() -> Operator | None:
    """As `current`, for what changes something.

    Raises:
        psycopg.OperationalError: nobody can tell, because the database is away.
    """
    token = signing.read(_PURPOSE, request.cookies.get(COOKIE, ""), seconds=_SECONDS).get("s")
    if token is None:
        return None
    with reading() as connection:
        session = operator_access.find(connection, token)
    return Operator(session) if session else None


def remember(response: Response, session: Session) -> None:
    """Give the browser the cookie of a session that has begun."""
    response.set_cookie(
        COOKIE,
        signing.sign(_PURPOSE, {"s": session.token}),
        max_age=_SECONDS,
        httponly=True,
        # Strict would not be sent by a click on a link in a check run at GitHub.
        samesite="Lax",
        secure=_is_secure(),
    )


def forget(response: BaseResponse) -> None:
    """Take the cookie away."""
    response.delete_cookie(COOKIE, httponly=True, samesite="Lax", secure=_is_secure())


def _is_secure() -> bool:
    roots = (settings().public_url, own_forms.own_root())
    return any(root.startswith("https://") for root in roots)
