"""GitHub event → what Sigil should do: a pure table, one small function per event.

Nothing here touches a database or the network. `intake` carries the triggers out.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Account:
    """A GitHub user or organisation."""

    id: int
    login: str


@dataclass(frozen=True)
class RepositoryRef:
    """A repository as an event describes it. An installation event leaves the branch out."""

    id: int
    owner: str
    name: str
    private: bool
    default_branch: str | None = None


@dataclass(frozen=True)
class Installed:
    """The App was installed on, or given, these repositories."""

    installation: int
    account: Account
    repositories: tuple[RepositoryRef, ...]


@dataclass(frozen=True)
class RepositoriesRemoved:
    """The App lost these repositories."""

    installation: int
    repository_ids: tuple[int, ...]


@dataclass(frozen=True)
class InstallationChanged:
    """The App was uninstalled, suspended or resumed."""

    installation: int
    state: Literal["active", "suspended", "deleted"]


@dataclass(frozen=True)
class BranchPushed:
    """A branch now points at `sha`. `before` is None for a new branch."""

    installation: int
    account: Account
    repository: RepositoryRef
    branch: str
    sha: str
    before: str | None


@dataclass(frozen=True)
class TagPublished:
    """A `v*` tag or a release asks for a release run. `sha` is None when the event has none."""

    installation: int
    account: Account
    repository: RepositoryRef
    tag: str
    sha: str | None


@dataclass(frozen=True)
class RerunRequested:
    """Someone asked for a check run (by its `external_id`) or a whole commit to be run again."""

    installation: int
    repository: RepositoryRef
    external_id: str


@dataclass(frozen=True)
class Ignored:
    """Nothing to do, and why, in words for the author of the repository."""

    reason: str


Trigger = (
    Installed
    | RepositoriesRemoved
    | InstallationChanged
    | BranchPushed
    | TagPublished
    | RerunRequested
    | Ignored
)
