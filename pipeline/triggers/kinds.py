"""What an event can ask of Sigil: one frozen class for each, without any behaviour."""

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
    permissions: dict[str, str]


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
    """A branch now points at `sha`.

    Attributes:
        before: What it pointed at; None for a new branch.
        message: The message of the commit; None when the event has none.
    """

    installation: int
    account: Account
    repository: RepositoryRef
    branch: str
    sha: str
    before: str | None
    message: str | None = None


@dataclass(frozen=True)
class TagPublished:
    """A `v*` tag or a release asks for a release run."""

    installation: int
    account: Account
    repository: RepositoryRef
    tag: str


@dataclass(frozen=True)
class RerunRequested:
    """Someone asked for a check run, or for all checks of a commit, to be run again.

    Attributes:
        external_id: Names the one check run. None when the whole commit was asked for.
        sha: The commit that the checks belong to.
    """

    installation: int
    repository: RepositoryRef
    external_id: str | None
    sha: str


@dataclass(frozen=True)
class ButtonPressed:
    """Someone pressed a button of a check run. `identifier` is the one that we gave it."""

    installation: int
    repository: RepositoryRef
    external_id: str
    identifier: str
    actor: str


@dataclass(frozen=True)
class CommandGiven:
    """Someone wrote `/sigil …` under a pull request. `words` is what follows, in lower case."""

    installation: int
    account: Account
    repository: RepositoryRef
    number: int
    comment_id: int
    words: tuple[str, ...]
    actor: str


@dataclass(frozen=True)
class PullRequestChanged:
    """A pull request was opened, got a new commit, was closed and so on.

    Attributes:
        head_repository: `owner/name`; None when the fork was deleted.
        fork: Whether the commits come from another repository.
    """

    installation: int
    account: Account
    repository: RepositoryRef
    number: int
    head_sha: str
    head_ref: str
    head_repository: str | None
    fork: bool
    base_ref: str
    author: str
    draft: bool
    state: Literal["open", "closed"]
    merged: bool


@dataclass(frozen=True)
class RepositoryMoved:
    """A repository has another name, or belongs to another account, or to an account that was
    renamed; its id is the same."""

    installation: int
    account: Account
    repository: RepositoryRef


@dataclass(frozen=True)
class RepositoryGone:
    """A repository was deleted at GitHub."""

    repository: RepositoryRef


@dataclass(frozen=True)
class ArchiveChanged:
    """A repository was archived, or taken back out of the archive."""

    repository: RepositoryRef
    archived: bool


@dataclass(frozen=True)
class DefaultBranchChanged:
    """Another branch is a repository's default one."""

    installation: int
    account: Account
    repository: RepositoryRef


@dataclass(frozen=True)
class AccountRenamed:
    """The account of an installation has another login."""

    installation: int
    account: Account


@dataclass(frozen=True)
class PermissionsGranted:
    """The owner of an installation accepted what the App asks for."""

    installation: int
    permissions: dict[str, str]


@dataclass(frozen=True)
class VisibilityChanged:
    """A repository became private, or public."""

    repository: RepositoryRef


@dataclass(frozen=True)
class Ignored:
    """Nothing to do, and why, in words for the author of the repository."""

    reason: str


Trigger = (
    Installed
    | RepositoriesRemoved
    | InstallationChanged
    | PermissionsGranted
    | AccountRenamed
    | BranchPushed
    | TagPublished
    | PullRequestChanged
    | CommandGiven
    | RerunRequested
    | ButtonPressed
    | VisibilityChanged
    | RepositoryMoved
    | RepositoryGone
    | ArchiveChanged
    | DefaultBranchChanged
    | Ignored
)
