"""Starts and stops the stand-in, in this process or as one of its own."""

import shutil
import threading
from pathlib import Path
from typing import Any, Self

from werkzeug.serving import WSGIRequestHandler, make_server

from sandbox.github.app_hooks import AppHooks
from sandbox.github.app_making import AppMaker, new_private_key
from sandbox.github.application import create_app
from sandbox.github.clock import Clock
from sandbox.github.events import Events
from sandbox.github.faults import Fault, Faults, Kind
from sandbox.github.limits import Budgets, Limits
from sandbox.github.routing import Services
from sandbox.github.traffic import Traffic
from sandbox.github.world import App, World

APP_ID = 1_042_001
# Seconds between two looks whether to stop serving.
_POLL = 0.05
HOOK_ID = 520_001_001
CLIENT_ID = "Iv23liSandboxSigil01"
# What Sigil asks for (`pipeline.github.permissions`), so that nothing works here that it lacks
# there; a test compares the two.
PERMISSIONS = {
    "checks": "write",
    "contents": "write",
    "deployments": "write",
    "issues": "read",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "write",
}
EVENTS = (
    "check_run",
    "check_suite",
    "issue_comment",
    "pull_request",
    "push",
    "release",
    "repository",
)


class _Quiet(WSGIRequestHandler):
    """The traffic file says more than a line on standard error for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""


class GitHubStandIn:
    """GitHub on this machine: REST, git, webhooks and pages on one port.

    Args:
        folder: bare repositories, the App's key and the traffic file. What an earlier stand-in
            left there, apart from the key, is removed.
        webhook_url: where the App's webhooks go; may be set later through `webhook_url`.
        webhook_secret: signs them.
        port: 0 takes a free one.
        host: the address to listen on.
        login: the user who owns everything.
        events: what the App subscribes to.
        private_key_file: the App's key (PEM); made when it is not there.
        budgets: rate limits other than GitHub's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        webhook_url: str = "",
        webhook_secret: str = "",
        port: int = 0,
        host: str = "127.0.0.1",
        login: str = "octocat",
        events: tuple[str, ...] = EVENTS,
        private_key_file: Path | None = None,
        budgets: Budgets | None = None,
    ) -> None:
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / "repositories", ignore_errors=True)
        self.private_key_file = (private_key_file or folder / "app.private-key.pem").absolute()
        self.clock = Clock()
        self.world = World(folder, self.clock)
        self.user = self.world.add_user(login, name=login.title())
        self.token = self.world.new_personal_token(self.user)
        self._create_app(events)
        self.hooks = AppHooks(self.clock)
        self.hooks.add(self.world.app, url=webhook_url, secret=webhook_secret)
        self.limits = Limits(self.clock, budgets)
        self.faults = Faults(self.clock)
        self.traffic = Traffic(folder / "traffic.jsonl")
        services = Services(
            self.world,
            self.hooks,
            Events(self.world, self.hooks),
            self.limits,
            self.faults,
            self.traffic,
            AppMaker(self.world, self.hooks),
        )
        self._server = make_server(
            host, port, create_app(services), threaded=True, request_handler=_Quiet
        )
        self.url = self.world.url = f"http://{host}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name="github"
        )

    def _create_app(self, events: tuple[str, ...]) -> None:
        self.world.apps[APP_ID] = App(
            id=APP_ID,
            slug="sigil",
            name="Sigil",
            client_id=CLIENT_ID,
            owner=self.user,
            bot=self.world.add_user("sigil[bot]", name="sigil[bot]", kind="Bot"),
            private_key=_private_key(self.private_key_file),
            hook_id=HOOK_ID,
            permissions=dict(PERMISSIONS),
            events=list(events),
            created_at=self.clock.stamp(),
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve from a thread."""
        self.hooks.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; calls that hang on purpose are let go."""
        self.faults.clear()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.hooks.close()

    @property
    def app_id(self) -> int:
        """The App's id, which its JWTs name as the issuer."""
        return self.world.app.id

    @property
    def private_key(self) -> str:
        """The App's private key, PEM."""
        return self.world.app.private_key

    @property
    def webhook_url(self) -> str:
        """Where webhooks go."""
        return self.hooks.url

    @webhook_url.setter
    def webhook_url(self, url: str) -> None:
        self.hooks.url = url

    def git_url(self, full_name: str, token: str | None = None) -> str:
        """A remote for git that may push.

        Args:
            full_name: `owner/name`.
            token: an installation access token; the user's own token when None.
        """
        name, secret = ("x-access-token", token) if token else (self.user.login, self.token)
        return f"{self.url.replace('://', f'://{name}:{secret}@')}/{full_name}.git"

    def fail(self, method: str, path: str, kind: Kind, **how: Any) -> Fault:
        """Make calls of an operation go wrong; see `Fault` for `how`."""
        return self.faults.add(Fault(method, path, kind, **how))

    def advance(self, seconds: float) -> None:
        """Move the stand-in's clock forward."""
        self.clock.advance(seconds)


def _private_key(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(new_private_key())
    return path.read_text()
