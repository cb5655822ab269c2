"""The GitHub stand-in with one repository, spoken to as anyone speaks to GitHub."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from config.database import transaction
from config.redis import redis
from config.settings import settings
from pipeline.github.client import client
from sandbox.github import GitHubStandIn
from tests.outside_evidence import assert_like_github
from tests.repository_life import RepositoryLife


@dataclass(frozen=True)
class Person:
    """Somebody with an account at the stand-in."""

    login: str
    token: str


@dataclass
class Checkout(RepositoryLife):
    """A clone of a repository of the stand-in, and what its owner does there.

    In the clone of a fork, `owner` is whose it is, and `upstream` what it was forked from: pull
    requests are opened there. `account` is whose it is since it was transferred.
    """

    github: GitHubStandIn
    name: str
    folder: Path
    owner: Person | None = None
    upstream: str = ""
    account: str = ""

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.account or self._me.login}/{self.name}"

    @property
    def _me(self) -> Person:
        return self.owner or Person(self.github.user.login, self.github.token)

    @property
    def _home(self) -> str:
        """The repository that pull requests go to."""
        return f"/repos/{self.upstream or self.full_name}"

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
        return api(self.github, method, f"/repos/{self.full_name}{path}", as_user=self._me, **how)

    def make_user(self, login: str) -> Person:
        """A new account, which has no role anywhere."""
        return make_user(self.github, login)

    def grant(self, person: Person, permission: str) -> None:
        """Give somebody a role here: `pull`, `triage`, `push`, `maintain` or `admin`."""
        path = f"/collaborators/{person.login}"
        invitation = self.api("PUT", path, json={"permission": permission})
        if invitation:
            accept = f"/user/repository_invitations/{invitation['id']}"
            api(self.github, "PATCH", accept, as_user=person)

    def fork(self, as_user: Person, folder: Path | None = None) -> "Checkout":
        """Somebody's fork, cloned into `folder` (beside this clone when None)."""
        made = api(self.github, "POST", f"/repos/{self.full_name}/forks", as_user=as_user)
        place = folder or self.folder.with_name(f"{self.folder.name}-{as_user.login}")
        cloned = Checkout(self.github, made["name"], place, as_user, self.full_name)
        _prepare(cloned)
        cloned.git("pull", "--quiet", "origin", made["default_branch"])
        return cloned

    def branch(self, name: str) -> None:
        """Go on in a new branch."""
        self.git("checkout", "--quiet", "-b", name)

    def pull(self, title: str = "A change", base: str = "main", *, draft: bool = False) -> int:
        """Push the current branch under its own name and open a pull request; its number."""
        name = self.git("symbolic-ref", "--short", "HEAD")
        self.push(name)
        body = {"title": title, "head": f"{self._me.login}:{name}", "base": base, "draft": draft}
        opened = api(self.github, "POST", f"{self._home}/pulls", as_user=self._me, json=body)
        return int(opened["number"])

    def close(self, number: int, as_user: Person | None = None) -> None:
        """Close a pull request without merging it."""
        self._change(number, {"state": "closed"}, as_user)

    def reopen(self, number: int, as_user: Person | None = None) -> None:
        """Open a closed pull request again."""
        self._change(number, {"state": "open"}, as_user)

    def _change(self, number: int, change: dict[str, str], as_user: Person | None) -> None:
        path = f"{self._home}/pulls/{number}"
        api(self.github, "PATCH", path, as_user=as_user or self._me, json=change)

    def merge(self, number: int, as_user: Person | None = None) -> str:
        """Merge a pull request; the merge commit."""
        path = f"{self._home}/pulls/{number}/merge"
        return str(api(self.github, "PUT", path, as_user=as_user or self._me, json={})["sha"])

    def click(self, number: int, verb: str, as_user: Person | None = None) -> None:
        """Press `ready`, `draft`, `close`, `reopen` or `merge` on the pull request's page."""
        page = f"{self.github.url}{self._home.removeprefix('/repos')}/pull/{number}/{verb}"
        fields = {"as": (as_user or self._me).login}
        requests.post(page, data=fields, timeout=30).raise_for_status()

    def comment(self, number: int, text: str, as_user: Person | None = None) -> int:
        """Write a comment on a pull request or an issue; its id."""
        path = f"{self._home}/issues/{number}/comments"
        made = api(self.github, "POST", path, as_user=as_user or self._me, json={"body": text})
        return int(made["id"])

    def comments(self, number: int) -> list[dict[str, Any]]:
        """The comments on a pull request or an issue, oldest first."""
        path = f"{self._home}/issues/{number}/comments?per_page=100"
        listed: list[dict[str, Any]] = api(self.github, "GET", path, as_user=self._me)
        return listed

    def checks(self, sha: str) -> list[dict[str, Any]]:
        """The check runs of a commit, oldest first."""
        runs = self.api("GET", f"/commits/{sha}/check-runs?filter=all&per_page=100")["check_runs"]
        return sorted(runs, key=lambda run: int(run["id"]))

    def statuses(self, sha: str) -> list[dict[str, Any]]:
        """The commit statuses, newest first."""
        listed: list[dict[str, Any]] = self.api("GET", f"/commits/{sha}/statuses?per_page=100")
        return listed


def api(
    github: GitHubStandIn, method: str, path: str, *, as_user: Person | None = None, **how: Any
) -> Any:
    """Call the REST API as somebody, or as the stand-in's own user.

    Raises:
        requests.HTTPError: GitHub refused.
    """
    token = as_user.token if as_user else github.token
    response = requests.request(
        method,
        github.url + path,
        headers={"Authorization": f"Bearer {token}", "User-Agent": "tests"},
        timeout=30,
        **how,
    )
    response.raise_for_status()
    return response.json() if response.content else None


def make_user(github: GitHubStandIn, login: str) -> Person:
    """A new account, which has no role anywhere."""
    answer = requests.post(f"{github.url}/_sandbox/accounts", json={"login": login}, timeout=30)
    answer.raise_for_status()
    return Person(login, answer.json()["token"])


def new_repository(github: GitHubStandIn, name: str, folder: Path) -> Checkout:
    """Create a repository and clone it into `folder`."""
    api(github, "POST", "/user/repos", json={"name": name})
    checkout = Checkout(github, name, folder)
    _prepare(checkout)
    return checkout


def _prepare(checkout: Checkout) -> None:
    """An empty work tree whose `origin` is the checkout's repository."""
    token = checkout.owner.token if checkout.owner else None
    login = checkout.owner.login if checkout.owner else "octocat"
    checkout.folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "--quiet", "-b", "main", str(checkout.folder)], check=True)
    checkout.git("remote", "add", "origin", checkout.github.git_url(checkout.full_name, token))
    checkout.git("config", "user.name", login.title())
    checkout.git("config", "user.email", f"{login}@example.com")


def install(github: GitHubStandIn) -> None:
    """Click "Install" for all repositories."""
    requests.post(
        f"{github.url}/apps/sigil/installations/new",
        data={"repository_selection": "all"},
        timeout=30,
    ).raise_for_status()


def let_limits_pass() -> None:
    """What GitHub's limits hold back may go on, as if the time had come."""
    for key in redis().scan_iter("sigil:budget:*"):
        redis().delete(key)


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
    assert_like_github(stand_in.traffic.text())


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
