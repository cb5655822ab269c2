"""`/operator`: opens and ends the session in which pages have buttons, and show what is private.

The key in the operator's link stands behind its `#`, which a browser keeps to itself, and opens one
session. Everybody else has the same buttons in the check runs at GitHub.
"""

import structlog
from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from config.database import transaction
from registry import operator_access
from webhook import operator_session, own_forms, signing
from webhook.operator_session import Operator
from webhook.page_errors import wants_json

_log = structlog.stdlib.get_logger(__name__)

blueprint = Blueprint("operator", __name__, url_prefix="/operator")

_BECOME = (
    "Only the operator of this Sigil may do that on its pages. `flask --app webhook operator-link` "
    "prints a link that begins the operator's session in a browser."
)


@blueprint.before_app_request
def _look_who_asks() -> None:
    # Before a page holds a connection to the database, so that it does not wait for a second one.
    if operator_session.COOKIE in request.cookies and request.endpoint != "pages.static":
        operator_session.current()


@blueprint.after_app_request
def _keep_nothing(response: Response) -> Response:
    if operator_session.COOKIE in request.cookies and request.endpoint != "pages.static":
        response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.after_request
def _keep_the_key(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@blueprint.get("")
def start() -> BaseResponse:
    """The session and the button that ends it; for anybody else the form for a key."""
    return _session_page() if operator_session.certain() else _ask()


@blueprint.post("/key")
def enter() -> BaseResponse:
    """Takes a key: typed in, or taken by the page from behind the `#` of its address."""
    own_forms.check_site()
    if not signing.is_possible():
        return _ask(wrong=True)
    with transaction() as connection:
        session = operator_access.begin(connection, request.form.get("key", "").strip())
    if session is None:
        # A second click on the same button sends the key again, which is used up.
        return redirect("/operator", 303) if operator_session.certain() else _ask(wrong=True)
    _log.info("an operator's session begins", until=session.until.isoformat())
    answer = make_response(redirect("/operator", 303))
    operator_session.remember(answer, session)
    return answer


@blueprint.post("/leave")
def leave() -> BaseResponse:
    """Ends the session of this browser."""
    found = required()
    with transaction() as connection:
        operator_access.end(connection, found.session)
    answer = redirect("/operator", 303)
    operator_session.forget(answer)
    return answer


def required() -> Operator:
    """The operator who has sent a form of ours; anybody else gets a 403 that says how to become
    the operator."""
    found = operator_session.certain()
    if found is None:
        if wants_json():
            abort(403, _BECOME)
        abort(_ask(refused=True))
    own_forms.check(found.form_token)
    return found


def _session_page() -> BaseResponse:
    return Response(render_template("pages/operator.html"))


def _ask(*, wrong: bool = False, refused: bool = False) -> BaseResponse:
    page = render_template(
        "pages/operator_key.html", wrong=wrong, refused=refused, possible=signing.is_possible()
    )
    return Response(page, 403 if wrong or refused else 200)
