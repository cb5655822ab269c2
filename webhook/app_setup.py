"""`/setup`: creates the GitHub App by GitHub's manifest flow, and shows whether it works.

Open only while there is no App, or to a key that may replace it, and only to a browser that has
shown a setup key. No secret is ever on a page, nor in an address that this Sigil makes: the key in
the operator's link stands behind its `#`, which a browser keeps to itself.
"""

import json
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from config.database import transaction
from config.settings import SettingsError, settings
from pipeline.github.app_conversion import ask_for_ping, convert, is_code
from pipeline.github.app_manifest import Wish, creation_url, manifest, problems
from pipeline.github.client import GitHubAway, GitHubError, GitHubRefused
from pipeline.github.permissions import EVENTS, PERMISSIONS
from pipeline.overview.arrival import read_arrival
from pipeline.overview.paging import reading
from registry import github_app, setup_access
from registry.one_time_keys import hashed
from webhook import own_forms, setup_session
from webhook.page_errors import CONTENT_SECURITY_POLICY
from webhook.setup_session import Visitor

_log = structlog.stdlib.get_logger(__name__)

blueprint = Blueprint("setup", __name__, url_prefix="/setup")


@blueprint.after_request
def _keep_nothing(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    return response


@blueprint.get("")
def start() -> BaseResponse:
    """The form for the App; for a stranger the one for the key; afterwards, that it is closed."""
    with transaction() as connection:
        visitor = setup_session.admitted(connection)
        stance = setup_access.stance(connection)
        if visitor:
            waiting = setup_access.unfinished(
                connection, browser=visitor.browser, ring=settings().key_ring()
            )
    if visitor is None:
        return _ask_for_key() if stance == "open" else _closed(stance)
    if waiting:
        return _trouble("waiting", visitor)
    wish = Wish("", None, settings().public_url, anybody=False)
    return _form(visitor, wish, {}, replaces=stance == "stored")


@blueprint.post("/key")
def enter() -> BaseResponse:
    """Takes the setup key: typed in, or taken by the page from behind the `#` of its address."""
    own_forms.check_site()
    digest = hashed(request.form.get("key", "").strip())
    with transaction() as connection:
        known = setup_access.opens(connection, digest)
        stance = setup_access.stance(connection)
    if not known:
        return _ask_for_key(wrong=True) if stance == "open" else _closed(stance, wrong=True)
    answer = make_response(redirect("/setup", 303))
    setup_session.remember(answer, digest)
    return answer


@blueprint.post("/new")
def create() -> BaseResponse:
    """Checks what was filled in, and hands the browser over to GitHub with the manifest."""
    with transaction() as connection:
        visitor = setup_session.admitted(connection)
        setup_session.check_form(visitor)
        assert visitor is not None
        wish = _wish()
        wrong = problems(wish, settings().github_url)
        if wrong:
            replaces = setup_access.stance(connection) == "stored"
            return _form(visitor, wish, wrong, replaces=replaces)
        nonce = setup_access.begin_journey(connection, browser=visitor.browser)
    github = settings().github_url
    answer = make_response(
        render_template(
            "pages/setup_leave.html",
            action=creation_url(wish, github, setup_session.sign_state(nonce)),
            manifest=json.dumps(manifest(wish, return_to=own_forms.own_root())),
            wish=wish,
            github=github,
        )
    )
    parts = urlsplit(github)
    answer.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace(
        "form-action 'self'", f"form-action {parts.scheme}://{parts.netloc}"
    )
    # GitHub is told from where, so that it need not wonder about a form without an origin.
    answer.headers["Referrer-Policy"] = "strict-origin"
    return answer


def _wish() -> Wish:
    organization = request.form.get("organization", "").strip()
    return Wish(
        name=request.form.get("name", "").strip(),
        organization=organization if request.form.get("account") == "organization" else None,
        public_url=request.form.get("public_url", "").strip().rstrip("/"),
        anybody=request.form.get("anybody") == "yes",
    )


@blueprint.get("/callback")
def come_back() -> BaseResponse:
    """GitHub leads the browser back here with its temporary code."""
    code = request.args.get("code", "")
    nonce = setup_session.read_state(request.args.get("state", ""))
    visitor = setup_session.visitor()
    if nonce is None or visitor is None:
        return _trouble("stranger", visitor)
    if not is_code(code):
        return _trouble("no_code", visitor)
    with transaction() as connection:
        journey = setup_access.come_back(
            connection,
            nonce=nonce,
            browser=visitor.browser,
            code=code,
            ring=settings().key_ring(),
        )
        open_ = setup_access.opens(connection, visitor.key_hash)
    if journey is None:
        return _trouble("stranger", visitor)
    if journey.used:
        return _trouble("used", visitor)
    return _finish(visitor) if open_ else _trouble("expired", visitor)


@blueprint.post("/finish")
def finish() -> BaseResponse:
    """Exchanges the code that GitHub did not take, or not answer, the first time."""
    with transaction() as connection:
        visitor = setup_session.admitted(connection)
    setup_session.check_form(visitor)
    assert visitor is not None
    return _finish(visitor)


def _finish(visitor: Visitor) -> BaseResponse:
    ring = settings().key_ring()
    with transaction() as connection:
        setup_access.one_at_a_time(connection)
        journey = setup_access.unfinished(connection, browser=visitor.browser, ring=ring)
        if journey is None or not setup_access.opens(connection, visitor.key_hash):
            return _trouble("used", visitor)
        assert journey.code is not None
        try:
            app = convert(journey.code)
        except GitHubAway as error:
            _log.warning("GitHub is away, its code is kept", why=str(error))
            return _trouble("away", visitor, why=str(error))
        except GitHubRefused as error:
            _log.warning("GitHub refused its code", why=str(error))
            setup_access.end_journey(connection, journey)
            return _trouble("refused", visitor, why=str(error))
        github_app.store(connection, app, ring)
        setup_access.close(connection)
    github_app.forget()
    _log.info("the GitHub App is set up", app=app.slug, app_id=app.app_id)
    _ping()
    return redirect("/setup/app", 303)


@blueprint.get("/app")
def app() -> str:
    """Whether the App is there, installed, and its webhook arrives. Looks again by itself."""
    with reading() as connection:
        stance = setup_access.stance(connection)
        stored = github_app.stored(connection) if stance == "stored" else None
        arrival = read_arrival(connection, since=stored.created_at if stored else None)
    return render_template(
        "pages/setup_app.html",
        stance=stance,
        app=stored,
        trouble=_unreadable() if stance != "open" else None,
        arrival=arrival,
        visitor=setup_session.visitor(),
        public_url=settings().public_url,
    )


def _unreadable() -> str | None:
    try:
        github_app.identity()
        github_app.webhook_secrets()
    except SettingsError as error:
        return str(error)
    return None


@blueprint.post("/ping")
def ping() -> BaseResponse:
    """Has GitHub send its ping again, for the browser that has set the App up."""
    setup_session.check_form(setup_session.visitor())
    _ping()
    return redirect("/setup/app", 303)


def _ping() -> None:
    try:
        if not ask_for_ping():
            _log.info("GitHub has no ping to send again")
    except GitHubError as error:
        # No harm done: the page says whether deliveries arrive, and offers to ask again.
        _log.warning("GitHub was not asked for its ping", why=str(error))


def _ask_for_key(*, wrong: bool = False) -> BaseResponse:
    page = render_template("pages/setup_key.html", wrong=wrong)
    return Response(page, 403 if wrong else 200)


def _form(visitor: Visitor, wish: Wish, wrong: dict[str, str], *, replaces: bool) -> BaseResponse:
    page = render_template(
        "pages/setup.html",
        visitor=visitor,
        wish=wish,
        wrong=wrong,
        replaces=replaces,
        permissions=PERMISSIONS,
        events=EVENTS,
        github=settings().github_url,
        configured_url=settings().public_url,
    )
    return Response(page, 422 if wrong else 200)


def _closed(stance: setup_access.Stance, *, wrong: bool = False) -> BaseResponse:
    return Response(render_template("pages/setup_closed.html", stance=stance, wrong=wrong), 410)


_STATUS = {"waiting": 200, "away": 503, "stranger": 400, "no_code": 400, "used": 410}


def _trouble(kind: str, visitor: Visitor | None, *, why: str = "") -> BaseResponse:
    page = render_template(
        "pages/setup_trouble.html",
        kind=kind,
        why=why,
        visitor=visitor,
        github=settings().github_url,
    )
    return Response(page, _STATUS.get(kind, 409))
