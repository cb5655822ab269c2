"""What a reader sees when a page cannot be shown, and the headers that every answer carries."""

import psycopg
import sentry_sdk
import structlog
from flask import Blueprint, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed
from werkzeug.wrappers import Response as WerkzeugResponse

from config.settings import SettingsError

log = structlog.get_logger(__name__)

# Styles and scripts are files of our own, so nothing inline may run, whatever a log line holds.
# https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Content-Security-Policy
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_ONE_YEAR = 31_536_000


DATABASE_AWAY = (
    psycopg.OperationalError,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    SettingsError,
)
"""What it means that the database cannot be read now; any other error of it is a bug of ours."""


def install(blueprint: Blueprint) -> None:
    """Give the blueprint its error pages, and the whole application its headers and its 404."""
    for error in DATABASE_AWAY:
        blueprint.register_error_handler(error, _database_away)
    blueprint.register_error_handler(HTTPException, _http_error)
    blueprint.app_errorhandler(404)(_http_error)
    blueprint.app_errorhandler(405)(_http_error)
    blueprint.app_errorhandler(500)(_bug)
    blueprint.after_app_request(_add_headers)


def wants_json() -> bool:
    """Whether a tool asks, not a person with a browser."""
    if request.path.endswith(".json") or request.path.startswith(("/webhook/", "/api/")):
        return True
    accept = request.accept_mimetypes
    return accept.best_match(["text/html", "application/json"]) == "application/json"


def database_trouble(error: Exception) -> str:
    """One sentence for people; never the connection string."""
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
        return "The database has not been migrated to this release."
    if isinstance(error, psycopg.errors.QueryCanceled):
        return "The database took too long to answer."
    if isinstance(error, SettingsError):
        return "DATABASE_URL is not set."
    return "Does not answer."


def log_database(error: Exception) -> None:
    """Leave a line for the operator; the text of an error may hold the connection string."""
    log.warning("postgresql does not answer", error=type(error).__name__)


def _database_away(error: Exception) -> WerkzeugResponse:
    log_database(error)
    answer = _answer(
        503,
        "The database is away",
        f"PostgreSQL: {database_trouble(error)} Nothing is lost: GitHub keeps what it could not "
        "deliver, and Sigil asks for it later. Try again in a moment.",
    )
    answer.headers["Retry-After"] = "10"
    return answer


_WORDS = {
    400: ("That request makes no sense", "A filter or an id in the address is not valid."),
    404: (
        "Nothing here",
        "The address is wrong, or what it named has been cleaned up: finished deliveries and logs "
        "are kept for a limited time.",
    ),
    409: ("That does not apply any more", ""),
    405: ("That is not how this page is used", "This address takes another method."),
}


def _http_error(error: HTTPException) -> WerkzeugResponse:
    if error.response is not None:
        return error.get_response()
    code = error.code or 500
    title, text = _WORDS.get(code, (error.name, error.description or ""))
    if code in (404, 409) and error.description != type(error).description:
        text = error.description or text  # A page's own words.
    answer = _answer(code, title, text)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(error.valid_methods)
    return answer


def _bug(error: InternalServerError) -> WerkzeugResponse:
    event = sentry_sdk.last_event_id()
    text = "This is a bug in Sigil, and it has been recorded."
    return _answer(500, "Something broke", f"{text} Its number is {event}." if event else text)


def _answer(code: int, title: str, text: str) -> Response:
    if wants_json():
        answer = jsonify(error=title, detail=text)
    else:
        answer = Response(render_template("pages/error.html", code=code, title=title, text=text))
    answer.status_code = code
    return answer


def _add_headers(response: WerkzeugResponse) -> WerkzeugResponse:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint == "pages.static" and "v" in request.args and response.status_code == 200:
        # The address holds a hash of the content.
        response.headers["Cache-Control"] = f"public, max-age={_ONE_YEAR}, immutable"
    elif request.endpoint != "pages.static":
        response.headers.setdefault("Cache-Control", "no-cache")
    return response
