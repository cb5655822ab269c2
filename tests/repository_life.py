"""What the owner of a repository of the GitHub stand-in does with it besides pushing: release,
rename, transfer, archive and delete it, press the buttons of checks, change the installation.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import requests


class GitHub(Protocol):
    """A stand-in, in this process or in another one."""

    url: str
    token: str


class Somebody(Protocol):
    """Who has an account, for instance a `Person`."""

    @property
    def login(self) -> str:
        """The account's name."""


class RepositoryLife:
    """A part of `Checkout`."""

    github: Any
    name: str
    account: str

    @property
    def full_name(self) -> str:
        """`owner/name`, as it is now."""
        raise NotImplementedError

    def api(self, method: str, path: str, **how: Any) -> Any:
        """Call the REST API as the owner; return the JSON."""
        raise NotImplementedError

    def deployments(
        self, sha: str | None = None, environment: str | None = None
    ) -> list[dict[str, Any]]:
        """Deployments, newest first, each with its `statuses`, newest first."""
        wanted = {"sha": sha, "environment": environment, "per_page": "100"}
        listed: list[dict[str, Any]] = self.api("GET", "/deployments", params=wanted)
        for one in listed:
            path = f"/deployments/{one['id']}/statuses?per_page=100"
            one["statuses"] = self.api("GET", path)
        return listed

    def environments(self) -> list[str]:
        """The names of the environments, oldest first."""
        listed = self.api("GET", "/environments?per_page=100")["environments"]
        return [one["name"] for one in listed]

    def press(self, check_id: int, identifier: str, as_user: Somebody | None = None) -> None:
        """Press a button of a completed check run, as somebody or as the owner."""
        path = f"/check-runs/{check_id}/actions/{identifier}"
        control(self.github, "POST", path, {"user": as_user.login} if as_user else None)

    def rename(self, new: str) -> None:
        """Give the repository another name; `origin` goes on under the old one."""
        self.name = str(self.api("PATCH", "", json={"name": new})["name"])

    def transfer(self, owner: str) -> None:
        """Give the repository to another account, which accepts it when it is asked."""
        number = self.api("POST", "/transfer", json={"new_owner": owner})["id"]
        url = f"{self.github.url}/_sandbox/transfers/{number}/accept"
        accepted = requests.post(url, timeout=30)
        # Nobody asks the owner of an organization, to whom both accounts belong.
        assert accepted.status_code in (200, 404), accepted.text
        self.account = owner

    def archive(self, archived: bool = True) -> None:
        """Make the repository read-only, or writable again."""
        self.api("PATCH", "", json={"archived": archived})

    def delete(self) -> None:
        """Remove the repository at GitHub; the clone stays."""
        self.api("DELETE", "")

    def release(
        self, tag: str, prerelease: bool = False, *, draft: bool = False, target: str = "main"
    ) -> dict[str, Any]:
        """Release a tag, which is made at `target` when it is not there yet."""
        body = {"tag_name": tag, "target_commitish": target, "name": tag, "body": "Notes"}
        flags = {"prerelease": prerelease, "draft": draft}
        made: dict[str, Any] = self.api("POST", "/releases", json=body | flags)
        return made


def control(github: GitHub, method: str, path: str, body: Any = None) -> Any:
    """Use one of the stand-in's controls; return the JSON.

    Raises:
        requests.HTTPError: it was refused.
    """
    answer = requests.request(method, f"{github.url}/_sandbox{path}", json=body, timeout=30)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def make_organization(github: GitHub, login: str) -> None:
    """A new organization, which belongs to the user who owns everything."""
    control(github, "POST", "/accounts", {"login": login, "type": "Organization"})


def rename_account(github: GitHub, login: str, new: str) -> None:
    """Give an account another name."""
    control(github, "POST", f"/accounts/{login}/rename", {"login": new})


def installation_id(github: GitHub) -> int:
    """The App's only installation on the account of the user who owns everything."""
    headers = {"Authorization": f"Bearer {github.token}", "User-Agent": "tests"}
    answer = requests.get(f"{github.url}/user/installations", headers=headers, timeout=30)
    answer.raise_for_status()
    (installation,) = answer.json()["installations"]
    return int(installation["id"])


def change_installation(github: GitHub, verb: str, *repositories: str) -> None:
    """Press `add`, `remove` (of `owner/name`), `suspend`, `unsuspend`, `accept` or `uninstall` on
    the page of the App's installation.
    """
    page = f"{github.url}/settings/installations/{installation_id(github)}/{verb}"
    fields = {"repository": list(repositories)}
    # Where the page leads to does not matter here.
    requests.post(page, data=fields, timeout=30, allow_redirects=False).raise_for_status()


def set_permissions(github: GitHub, permissions: Mapping[str, str]) -> None:
    """Let the installation have exactly these permissions; `accept` grants what is asked for."""
    path = f"/installations/{installation_id(github)}/permissions"
    control(github, "PUT", path, dict(permissions))
