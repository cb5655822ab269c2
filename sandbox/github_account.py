"""What a person does at GitHub, done at the stand-in: install the App, create a repository."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

TIMEOUT = 30


@dataclass(frozen=True)
class Account:
    """The account that owns all repositories of the stand-in.

    Attributes:
        url: The stand-in, pages and REST API alike.
        app_slug: The App's name in URLs.
        login: The account.
        token: Its personal access token.
    """

    url: str
    app_slug: str
    login: str
    token: str

    @classmethod
    def read(cls, folder: Path) -> "Account":
        """The account of the stand-in that keeps its state in `folder` and runs."""
        facts = json.loads((folder / "github.json").read_text())
        return cls(facts["url"], facts["app_slug"], facts["login"], facts["token"])

    def install_app(self) -> int:
        """Install the App on all repositories, present and future; return the installation's id."""
        answer = self._ask(
            "POST", f"/apps/{self.app_slug}/installations/new", data={"repository_selection": "all"}
        )
        return int(answer["id"])

    def create_repository(self, name: str) -> str:
        """Create an empty repository; return its `owner/name`."""
        return str(self._ask("POST", "/user/repos", json={"name": name})["full_name"])

    def check_conclusion(self, full_name: str, check_run_id: int) -> str:
        """The conclusion of a check run; empty while it is under way."""
        answer = self._ask("GET", f"/repos/{full_name}/check-runs/{check_run_id}")
        return str(answer["conclusion"] or "")

    def remote(self, full_name: str) -> str:
        """A git remote that needs no password: the token is in it."""
        scheme, _, host = self.url.partition("://")
        return f"{scheme}://{self.login}:{self.token}@{host}/{full_name}.git"

    def _ask(self, method: str, path: str, **body: Any) -> Any:
        with requests.Session() as session:
            # A proxy in the environment is for the outside world.
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self.token}"
            session.headers["Accept"] = "application/json"
            response = session.request(method, f"{self.url}{path}", timeout=TIMEOUT, **body)
        response.raise_for_status()
        return response.json()
