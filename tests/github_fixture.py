"""The GitHub stand-in with one repository, spoken to as anyone speaks to GitHub."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from config.database import transaction
from config.settings import settings
from pipeline.github.client import client
from sandbox.github import GitHubStandIn


@dataclass
class Checkout:
    """A clone of a repository of the stand-in."""

    github: GitHubStandIn
    name: str
    folder: Path

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.github.user.login}/{self.name}"

    def git(self, *arguments: str) -> str:
        """Run git in the clone; return what it printed."""
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, files: dict[str, str | bytes], message: str = "Change") -> str:
        """Write files and commit them; return the commit."""
        for path, content in files.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *arguments: str) -> None:
        """Push the current branch, or what `arguments` say."""
        self.git("push", "--quiet", "origin", *(arguments or ("HEAD:main",)))

    def api(self, method: str, path: str, **how: Any) -> Any:
        """Call the REST API as the owner; return the JSON."""
        return api(self.github, method, f"/repos/{self.full_name}{path}", **how)

    def checks(self, sha: str) -> list[dict[str, Any]]:
        """The check runs of a commit, oldest first."""
        runs = self.api("GET", f"/commits/{sha}/check-runs?filter=all&per_page=100")["check_runs"]
        return sorted(runs, key=lambda run: int(run["id"]))

    def statuses(self, sha: str) -> list[dict[str, Any]]:
        """The commit statuses, newest first."""
        listed: list[dict[str, Any]] = self.api("GET", f"/commits/{sha}/statuses?per_page=100")
        return listed


def api(github: GitHubStandIn, method: str, path: str, **how: Any) -> Any:
    """Call the REST API as the stand-in's user.

    Raises:
        requests.HTTPError: GitHub refused.
    """
    response = requests.request(
        method,
        github.url + path,
        headers={"Authorization": f"Bearer {github.token}", "User-Agent": "tests"},
        timeout=30,
        **how,
    )
    response.raise_for_status()
    return response.json() if response.content else None


def new_repository(github: GitHubStandIn, name: str, folder: Path) -> Checkout:
    """Create a repository and clone it into `folder`."""
    api(github, "POST", "/user/repos", json={"name": name})
    remote = github.git_url(f"{github.user.login}/{name}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "--quiet", "-b", "main", str(folder)], check=True)
    checkout = Checkout(github, name, folder)
    checkout.git("remote", "add", "origin", remote)
    checkout.git("config", "user.name", "Octocat")
    checkout.git("config", "user.email", "octocat@example.com")
    return checkout


def install(github: GitHubStandIn) -> None:
    """Click "Install" for all repositories."""
    requests.post(
        f"{github.url}/apps/sigil/installations/new",
        data={"repository_selection": "all"},
        timeout=30,
    ).raise_for_status()


@pytest.fixture(scope="session")
def app_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the App's private key is kept for the whole test run: making one takes time."""
    return tmp_path_factory.mktemp("app") / "key.pem"


@pytest.fixture
def github(
    tmp_path: Path, app_key: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GitHubStandIn]:
    """A stand-in of the test's own, and the settings that point at it."""
    with GitHubStandIn(tmp_path / "github", private_key_file=app_key) as stand_in:
        monkeypatch.setenv("GITHUB_API_URL", stand_in.url)
        monkeypatch.setenv("GITHUB_URL", stand_in.url)
        monkeypatch.setenv("GITHUB_APP_ID", str(stand_in.app_id))
        monkeypatch.setenv("GITHUB_PRIVATE_KEY_FILE", str(stand_in.private_key_file))
        monkeypatch.setenv("GITHUB_TIMEOUT", "1")
        monkeypatch.setenv("SIGIL_VAR", str(tmp_path / "var"))
        settings.cache_clear()
        client.cache_clear()
        yield stand_in
    settings.cache_clear()
    client.cache_clear()


@pytest.fixture
def checkout(github: GitHubStandIn, database_url: str, redis_url: str, tmp_path: Path) -> Checkout:
    """A repository with one commit, on which the App is installed, known to the database."""
    made = new_repository(github, "weather", tmp_path / "weather")
    made.commit({"README.md": "weather"})
    made.push()
    install(github)
    repository = made.api("GET", "")
    (installation,) = github.world.installations.values()
    with transaction() as connection:
        connection.execute("INSERT INTO workspaces (account_id, login) VALUES (1, 'octocat')")
        connection.execute(
            "INSERT INTO installations (id, workspace_id) VALUES (%s, 1)", (installation.id,)
        )
        connection.execute(
            """INSERT INTO repositories (id, installation_id, workspace_id, owner, name)
               VALUES (%s, %s, 1, 'octocat', 'weather')""",
            (repository["id"], installation.id),
        )
    return made
