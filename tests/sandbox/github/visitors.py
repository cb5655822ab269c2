"""Those who visit the stand-in in its tests: a person, the App, git, and a webhook receiver."""

import json
import subprocess
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import jwt
import requests

from sandbox.github import GitHubStandIn

SECRET = "a-webhook-secret-for-tests"


class Visitor:
    """Speaks REST with one token."""

    def __init__(self, github: GitHubStandIn, token: str | None) -> None:
        self._url = github.url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = "tests"
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def __call__(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> requests.Response:
        """One request; `path` may be a whole URL."""
        url = path if "://" in path else self._url + path
        return self._session.request(method, url, json=body, timeout=30, **options)


def app_jwt(
    github: GitHubStandIn, *, issued: int = -60, expires: int = 540, **claims: object
) -> str:
    """The App's JSON web token; times in seconds from now."""
    now = int(time.time())
    return jwt.encode(
        {"iat": now + issued, "exp": now + expires, "iss": str(github.app_id), **claims},
        github.private_key,
        "RS256",
    )


class Tree:
    """A work tree with git in it."""

    def __init__(
        self, folder: Path, github: GitHubStandIn, full_name: str, *, token: str | None = None
    ) -> None:
        self.folder = folder
        self.remote = github.git_url(full_name, token)
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--template=", "--initial-branch=main")
        with (folder / ".git/config").open("a") as file:
            file.write(f"[user]\n\tname = Octocat\n\temail = {github.user.email}\n")
            file.write("[maintenance]\n\tauto = false\n")

    def git(self, *arguments: str) -> str:
        """Standard output of a git command, which must succeed."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str = "Change", **files: str) -> str:
        """Write files (`a__b="…"` is `a/b`), commit everything, return the commit."""
        for name, content in files.items():
            path = self.folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *arguments: str) -> None:
        """Push with the token of whoever the tree belongs to."""
        self.git("push", "--quiet", self.remote, *arguments)


@dataclass(frozen=True)
class Received:
    """One webhook as it arrived."""

    headers: dict[str, str]
    body: bytes

    @property
    def payload(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def name(self) -> str:
        """`event.action`, or the event alone."""
        event, action = self.headers["X-GitHub-Event"], self.payload.get("action")
        return f"{event}.{action}" if action else event


class Receiver:
    """An HTTP server that keeps the webhooks it gets and answers `status`."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.status = 202
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(Received(dict(self.headers.items()), body))
                self.send_response(receiver.status)
                self.end_headers()
                self.wfile.write(b"thanks")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def names(self) -> list[str]:
        """`event.action` of everything received, in order."""
        return [one.name for one in self.received]

    def payloads(self, name: str) -> list[Any]:
        """The payloads of one kind."""
        return [one.payload for one in self.received if one.name == name]
