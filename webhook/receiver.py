"""`POST /webhook/github`: checks a delivery, stores it, and answers 202. Nothing else happens here.

The order of the checks is that of the costs and of the trust: method, size, content type,
signature; only a body that GitHub has signed is looked into.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
import structlog
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wrappers import Request, Response

from config.settings import SettingsError
from pipeline import payloads
from pipeline.deliveries import NewDelivery, Recorded
from pipeline.triggers import Ignored, triggers_for
from registry.github_app import NotSetUp, webhook_secrets
from webhook.group_commit import NotStored
from webhook.signature import is_signed

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = structlog.stdlib.get_logger(__name__)

PATH = "/webhook/github"
# https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap
MAX_BODY = 25 * 1024 * 1024
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_EVENT = re.compile(r"[a-z][a-z0-9_]{0,63}")
_HOOK_ID = re.compile(r"[0-9]{1,18}")


class Refused(Exception):
    """The delivery is not accepted. Carries what the answer says."""

    def __init__(self, status: int, title: str, detail: str, **headers: str) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers


class Receiver:
    """A WSGI application that answers at `PATH` and hands every other request on to Flask.

    It stands before Flask, because a delivery needs none of what Flask does for a request, and
    that is as much work as the rest of the answer.
    https://flask.palletsprojects.com/en/stable/quickstart/#hooking-in-wsgi-middleware
    """

    def __init__(
        self,
        others: "WSGIApplication",
        *,
        store: Callable[[NewDelivery], Recorded],
        ring: Callable[[], None],
    ) -> None:
        """
        Args:
            others: Answers the requests to other paths.
            store: Returns when the delivery is durable, or raises `NotStored`.
            ring: Tells the workers that there is something to do. Returns at once, never raises.
        """
        self._others = others
        self._store = store
        self._ring = ring

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request."""
        if environ.get("PATH_INFO") != PATH:
            return self._others(environ, start_response)
        request = Request(environ)
        try:
            response = self._receive(request)
        except Refused as refused:
            response = _explain(refused, request)
        return response(environ, start_response)

    def _receive(self, request: Request) -> Response:
        delivery = _delivery(request, signed_body(request))
        recorded = _stored(delivery, self._store)
        if recorded.state == "received":
            self._ring()
        return _json(202, _answer(recorded))


def _stored(delivery: NewDelivery, store: Callable[[NewDelivery], Recorded]) -> Recorded:
    try:
        return store(delivery)
    except NotStored as error:
        raise Refused(
            503,
            "The delivery could not be stored",
            f"{error}. Nothing is lost: GitHub keeps it for 3 days, and it can be redelivered.",
            **{"Retry-After": "30"},
        ) from None


def _explain(refused: Refused, request: Request) -> Response:
    # What was accepted is in the ledger, and needs no log line.
    guid = request.headers.get("X-GitHub-Delivery", "")
    _log.warning(
        "delivery refused",
        delivery=guid if _GUID.fullmatch(guid) else None,
        status=refused.status,
        title=refused.title,
    )
    problem = {"title": refused.title, "status": refused.status, "detail": refused.detail}
    response = _json(refused.status, problem, "application/problem+json")
    response.headers.update(refused.headers)
    return response


def signed_body(request: Request) -> bytes:
    """The body, once it is known that GitHub sent exactly these bytes.

    Raises:
        Refused: it was not posted, is too large, of another type, incomplete, or not signed with
            our secret.
    """
    if request.method != "POST":
        raise Refused(
            405,
            "Only POST is answered here",
            "This is the webhook URL of the GitHub App: GitHub posts its events to it.",
            Allow="POST",
        )
    if (request.content_length or 0) > MAX_BODY:
        raise _too_large()
    if request.mimetype != "application/json":
        hint = (
            "Set the webhook's content type to application/json in its settings at GitHub."
            if request.mimetype == "application/x-www-form-urlencoded"
            else "GitHub sends application/json."
        )
        raise Refused(415, "The content type is not application/json", hint)
    # A chunked body announces no length. Werkzeug cuts it off here, and does not say that it did.
    request.max_content_length = MAX_BODY + 1
    try:
        body = request.get_data(cache=False)
    except ClientDisconnected:
        raise Refused(400, "The body is incomplete", "The connection ended early.") from None
    if len(body) > MAX_BODY:
        raise _too_large()
    if not _is_ours(body, request.headers.get("X-Hub-Signature-256", "")):
        raise Refused(
            401,
            "The signature is wrong",
            "X-Hub-Signature-256 does not fit the body and the secret. Compare the webhook's "
            "secret at GitHub with GITHUB_WEBHOOK_SECRETS, or set the App up again at /setup when "
            "that is how it was made.",
        )
    return body


def _is_ours(body: bytes, signature: str) -> bool:
    try:
        known = webhook_secrets()
        if is_signed(body, signature, known):
            return True
        # The App may have been set up, or replaced, since this process looked.
        fresh = webhook_secrets(fresh=True)
        return fresh != known and is_signed(body, signature, fresh)
    except NotSetUp:
        raise Refused(
            503,
            "Sigil is not set up yet",
            "It has no GitHub App, so nobody can be believed to be GitHub. Open /setup first; then "
            "have GitHub deliver this again.",
            **{"Retry-After": "60"},
        ) from None
    except SettingsError as error:
        raise Refused(
            503,
            "The webhook secret cannot be read",
            f"{error} Nothing is lost: GitHub keeps the delivery for 3 days.",
            **{"Retry-After": "60"},
        ) from None
    except psycopg.OperationalError:
        raise Refused(
            503,
            "The webhook secret is not known yet",
            "PostgreSQL does not answer, and the secret is kept there. Nothing is lost: GitHub "
            "keeps the delivery for 3 days, and it can be redelivered.",
            **{"Retry-After": "30"},
        ) from None


def _too_large() -> Refused:
    # The rest of the body is not read, so the connection cannot be used again.
    return Refused(413, "The body is too large", "GitHub sends at most 25 MB.", Connection="close")


def _delivery(request: Request, body: bytes) -> NewDelivery:
    guid = request.headers.get("X-GitHub-Delivery", "")
    event = request.headers.get("X-GitHub-Event", "")
    hook_id = request.headers.get("X-GitHub-Hook-ID", "")
    if not _GUID.fullmatch(guid):
        raise Refused(400, "X-GitHub-Delivery is missing or no GUID", "GitHub sends it always.")
    if not _EVENT.fullmatch(event):
        raise Refused(400, "X-GitHub-Event is missing or no event", "GitHub sends it always.")
    payload = _parse(body)
    trigger = triggers_for(event, payload)
    ignored = isinstance(trigger, Ignored)
    return NewDelivery(
        guid=UUID(guid),
        event=event,
        action=payloads.action_of(payload),
        hook_id=int(hook_id) if _HOOK_ID.fullmatch(hook_id) else None,
        repository=payloads.repository_of(payload),
        payload=body,
        state="ignored" if ignored else "received",
        reason=trigger.reason if isinstance(trigger, Ignored) else None,
        private=payloads.names_private(payload),
    )


def _parse(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise Refused(
            400,
            "The body is no JSON object",
            "The signature is right, but every event of GitHub is a JSON object.",
        )
    return payload


def _answer(recorded: Recorded) -> dict[str, Any]:
    answer = {
        "delivery": str(recorded.guid),
        "state": recorded.state,
        "duplicate": recorded.receptions > 1,
    }
    if recorded.reason:
        answer["reason"] = recorded.reason
    return answer


def _json(status: int, body: dict[str, Any], mimetype: str = "application/json") -> Response:
    return Response(json.dumps(body), status=status, mimetype=mimetype)
