"""What Sigil asks of GitHub, and why: the one place that says it.

The App's manifest, the tables in the documentation and what is said of a missing permission are
made from it. `python -m pipeline.github.permissions` prints the tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Level = Literal["read", "write"]

_RANK = {"read": 1, "write": 2, "admin": 3}


@dataclass(frozen=True)
class Permission:
    """A repository permission of the App.

    Attributes:
        name: As GitHub's API calls it.
        title: As GitHub's pages call it.
        why: What it is for, one sentence.
        without: What does not work while it is not granted, one sentence.
    """

    name: str
    title: str
    level: Level
    why: str
    without: str


@dataclass(frozen=True)
class Event:
    """A webhook event that the App subscribes to.

    Attributes:
        permission: Without which GitHub refuses the subscription.
    """

    name: str
    title: str
    permission: str
    why: str


@dataclass(frozen=True)
class Missing:
    """A permission that an installation lacks, wholly or in part.

    Attributes:
        granted: The lower level that it has, or None.
    """

    permission: Permission
    granted: str | None

    @property
    def text(self) -> str:
        """What is missing, and what that means, for people."""
        has = f" (it is {self.granted})" if self.granted else ""
        wanted = "read and write" if self.permission.level == "write" else "read"
        return f"{self.permission.title}: {wanted} is not granted{has}. {self.permission.without}"


PERMISSIONS = (
    Permission(
        "checks",
        "Checks",
        "write",
        "The check run of each commit: stages, problems at their lines, and the buttons.",
        "There are no check runs and no buttons; a commit status tells the result instead.",
    ),
    Permission(
        "contents",
        "Contents",
        "write",
        "Reads the source at a commit; writes only the branch of the pull request that proposes "
        "an `mcp.yaml`.",
        "Without reading nothing can be built; without writing no `mcp.yaml` is proposed, and all "
        "else works.",
    ),
    Permission(
        "deployments",
        "Deployments",
        "write",
        "Shows what is live where, with its address, and retires the previews of closed pull "
        "requests.",
        "GitHub's deployments and environments stay empty; checks still name the addresses.",
    ),
    Permission(
        "issues",
        "Issues",
        "read",
        "GitHub sends comments (`/sigil …`) only to Apps that may read issues, those on pull "
        "requests too.",
        "Commands in comments are not heard; the buttons of the check run do the same.",
    ),
    Permission(
        "metadata",
        "Metadata",
        "read",
        "Always on: names and visibility of repositories, and whether a person may write to one.",
        "GitHub grants it to every App.",
    ),
    Permission(
        "pull_requests",
        "Pull requests",
        "write",
        "Hears of pull requests, keeps one comment on each, and opens the one that proposes an "
        "`mcp.yaml`.",
        "Pull requests get no previews and no comments; pushes still deploy.",
    ),
    Permission(
        "statuses",
        "Commit statuses",
        "write",
        "One status for each environment (`sigil/production`), which branch protection can ask "
        "for.",
        "Commits have no status; the check run says the same.",
    ),
)

EVENTS = (
    Event("check_run", "Check run", "checks", "Re-run and the buttons of a check run."),
    Event("check_suite", "Check suite", "checks", "Re-run all."),
    Event("issue_comment", "Issue comment", "issues", "Commands: `/sigil …` on a pull request."),
    Event("pull_request", "Pull request", "pull_requests", "Previews, and taking them down."),
    Event("push", "Push", "contents", "Deploys a branch; a tag releases."),
    Event("release", "Release", "contents", "Publishes a version."),
    Event(
        "repository",
        "Repository",
        "metadata",
        "Renamed, transferred, archived, deleted, made private or public.",
    ),
)
"""`installation`, `installation_repositories`, `installation_target` and
`github_app_authorization` come always, and GitHub refuses a manifest that asks for them."""


def wanted() -> dict[str, str]:
    """Permission → level, as GitHub's API has it."""
    return {permission.name: permission.level for permission in PERMISSIONS}


def subscriptions() -> tuple[str, ...]:
    """The names of the events, as GitHub's API has them."""
    return tuple(event.name for event in EVENTS)


def missing(granted: Mapping[str, str]) -> list[Missing]:
    """What an installation lacks.

    Args:
        granted: Permission → level, as GitHub tells it of an installation.
    """
    return [
        Missing(permission, granted.get(permission.name))
        for permission in PERMISSIONS
        if _RANK.get(granted.get(permission.name, ""), 0) < _RANK[permission.level]
    ]


def document() -> str:
    """The tables of permissions and events, in Markdown."""
    lines = ["| permission | level | why | without it |", "|---|---|---|---|"]
    for one in PERMISSIONS:
        level = "read and write" if one.level == "write" else "read"
        lines.append(f"| **{one.title}** (`{one.name}`) | {level} | {one.why} | {one.without} |")
    lines += ["", "| event | why |", "|---|---|"]
    lines += [f"| **{event.title}** (`{event.name}`) | {event.why} |" for event in EVENTS]
    return "\n".join(lines)


if __name__ == "__main__":
    print(document())
