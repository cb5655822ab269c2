"""Everything that the stand-in knows: users, Apps, installations, repositories and reports.

It holds facts and finds them again. It does not speak HTTP and renders nothing.
"""

import base64
import itertools
import secrets
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.github.clock import Clock, epoch
from sandbox.github.git import Git
from sandbox.github.world_accounts import App as App
from sandbox.github.world_accounts import User as User
from sandbox.github.world_deployments import Deployments
from sandbox.github.world_pulls import Conversation

Json = dict[str, Any]

TOKEN_SECONDS = 3600


@dataclass
class Installation:
    """An App on one account."""

    id: int
    app: App
    account: User
    selection: str
    repository_ids: set[int]
    permissions: dict[str, str]
    events: list[str]
    created_at: str
    updated_at: str
    suspended_at: str | None = None
    suspended_by: User | None = None


@dataclass(frozen=True)
class AccessToken:
    """An installation access token: what it may do, where, and until when."""

    installation_id: int
    permissions: dict[str, str]
    repository_ids: frozenset[int] | None
    expires_at: str


@dataclass
class CheckSuite:
    """One App's check runs of one commit."""

    id: int
    app: App
    head_sha: str
    head_branch: str | None
    before: str
    created_at: str
    updated_at: str
    status: str = "queued"
    conclusion: str | None = None


@dataclass
class CheckRun:
    """A check run; `output` holds title, summary and text, annotations only ever grow."""

    id: int
    suite: CheckSuite
    name: str
    head_sha: str
    external_id: str
    details_url: str
    status: str
    conclusion: str | None
    started_at: str
    completed_at: str | None
    output: dict[str, str | None] = field(
        default_factory=lambda: {"title": None, "summary": None, "text": None}
    )
    annotations: list[Json] = field(default_factory=list)
    actions: list[dict[str, str]] = field(default_factory=list)
    created_epoch: float = 0.0


@dataclass
class Status:
    """A commit status."""

    id: int
    sha: str
    state: str
    description: str | None
    target_url: str | None
    context: str
    creator: User
    created_at: str
    updated_at: str


@dataclass
class Release:
    """A release of a tag."""

    id: int
    tag_name: str
    target_commitish: str
    name: str | None
    body: str | None
    draft: bool
    prerelease: bool
    author: User
    created_at: str
    published_at: str | None


@dataclass
class Repository:
    """A repository: the bare git repository on disk and what was reported about its commits."""

    id: int
    name: str
    owner: User
    private: bool
    description: str | None
    git: Git
    created_at: str
    updated_at: str
    pushed_at: str
    suites: list[CheckSuite] = field(default_factory=list)
    check_runs: dict[int, CheckRun] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    deployments: Deployments = field(default_factory=Deployments)
    archived: bool = False
    # The repository that this one was forked from.
    parent_id: int | None = None
    conversation: Conversation = field(default_factory=Conversation)
    push_lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner.login}/{self.name}"

    @property
    def default_branch(self) -> str:
        """The branch that HEAD names, whether it has commits or not."""
        return self.git.head_branch()


def node_id(kind: str, number: int) -> str:
    """GitHub's global id: the kind and the number, in Base64."""
    return base64.b64encode(f"0{len(kind)}:{kind}{number}".encode()).decode()


class World:
    """The state behind the API. Hold `lock` while reading or changing more than one fact.

    Args:
        folder: where bare repositories and the App's key are kept.
        clock: the stand-in's time.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.url = ""
        self.lock = threading.RLock()
        self.users: dict[int, User] = {}
        self.personal_tokens: dict[str, User] = {}
        self.access_tokens: dict[str, AccessToken] = {}
        self.archive_tokens: dict[str, tuple[int, float]] = {}
        self.token_seconds: float = TOKEN_SECONDS
        self.repositories: dict[int, Repository] = {}
        # `owner/name` in small letters → the repository that had that name before.
        self.former_names: dict[str, int] = {}
        # Repository → the person who was asked to take it, and its name there.
        self.transfers: dict[int, tuple[User, str]] = {}
        self.installations: dict[int, Installation] = {}
        self.former_installations: deque[Installation] = deque(maxlen=100)
        # The first one is there from the beginning.
        self.apps: dict[int, App] = {}
        # Large first numbers, so that an id of one kind is never taken for an id of another.
        self._ids = {
            kind: itertools.count(first)
            for kind, first in {
                "user": 583_231,
                "repository": 1_296_269,
                "installation": 40_000_001,
                "check_suite": 5_000_000_001,
                "check_run": 9_000_000_001,
                "status": 30_000_000_001,
                "release": 170_000_001,
                "issue": 2_000_000_001,
                "pull": 1_500_000_001,
                "comment": 2_300_000_001,
                "reaction": 200_000_001,
                "invitation": 250_000_001,
                "app": 1_042_002,
                "hook": 520_001_002,
                "deployment": 1_900_000_001,
                "deployment_status": 4_100_000_001,
                "environment": 780_000_001,
            }.items()
        }

    @property
    def app(self) -> App:
        """The App that is there from the beginning."""
        return next(iter(self.apps.values()))

    def app_named(self, slug: str) -> App | None:
        """The App with that slug."""
        with self.lock:
            return next((app for app in self.apps.values() if app.slug == slug), None)

    def new_id(self, kind: str) -> int:
        """The next number for a user, repository, installation, check run and so on."""
        with self.lock:
            return next(self._ids[kind])

    def add_user(self, login: str, *, name: str, kind: str = "User") -> User:
        """A new account."""
        number = self.new_id("user")
        email = f"{number}+{login}@users.noreply.github.com"
        user = User(number, login, name, email, self.clock.stamp(), kind)
        with self.lock:
            self.users[user.id] = user
        return user

    def administers(self, user: User, account: User) -> bool:
        """Whether everything that belongs to `account` is the user's to decide."""
        return user is account or user.id in account.owners

    def new_personal_token(self, user: User) -> str:
        """A personal access token with every right of `user`."""
        token = "ghp_" + secrets.token_hex(18)
        with self.lock:
            self.personal_tokens[token] = user
        return token

    def new_access_token(self, token: AccessToken) -> str:
        """The secret text of an installation access token."""
        secret = "ghs_" + secrets.token_hex(18)
        with self.lock:
            self.access_tokens[secret] = token
        return secret

    def user(self, login: str) -> User | None:
        """The account of that name, whatever its capitals."""
        with self.lock:
            found = [user for user in self.users.values() if user.login.lower() == login.lower()]
        return found[0] if found else None

    def repository(self, owner: str, name: str) -> Repository | None:
        """The repository of that name, whatever its capitals."""
        wanted = f"{owner}/{name}".lower()
        with self.lock:
            found = [
                repository
                for repository in self.repositories.values()
                if repository.full_name.lower() == wanted
            ]
        return found[0] if found else None

    def add_repository(self, repository: Repository) -> None:
        """A new repository. What had its name before is not found by that name any more."""
        with self.lock:
            self.repositories[repository.id] = repository
            self.former_names.pop(repository.full_name.lower(), None)

    def renamed(self, former: str, repository: Repository) -> None:
        """Remember the full name that a repository had, and that it has a new one."""
        with self.lock:
            self.former_names[former.lower()] = repository.id
            self.former_names.pop(repository.full_name.lower(), None)

    def former(self, full_name: str) -> Repository | None:
        """The repository that had that full name before, unless another one has it by now."""
        with self.lock:
            return self.repositories.get(self.former_names.get(full_name.lower(), 0))

    def installations_on(self, repository: Repository) -> list[Installation]:
        """The installations that may act on `repository`, at most one for each App."""
        with self.lock:
            return [
                installation
                for installation in self.installations.values()
                if repository in self.repositories_of(installation)
            ]

    def installation_on(
        self, repository: Repository, app: App | None = None
    ) -> Installation | None:
        """The installation of an App (the first one when None) that may act on `repository`."""
        wanted = app or self.app
        found = (one for one in self.installations_on(repository) if one.app is wanted)
        return next(found, None)

    def repositories_of(self, installation: Installation) -> list[Repository]:
        """What the installation may act on, oldest first."""
        with self.lock:
            owned = [
                repository
                for repository in self.repositories.values()
                if repository.owner is installation.account
            ]
        if installation.selection == "all":
            return owned
        return [repository for repository in owned if repository.id in installation.repository_ids]

    def check_run(self, number: int) -> tuple[Repository, CheckRun] | None:
        """A check run and its repository."""
        with self.lock:
            for repository in self.repositories.values():
                if number in repository.check_runs:
                    return repository, repository.check_runs[number]
        return None

    def expired(self, token: AccessToken) -> bool:
        """Whether the token's hour is over."""
        return self.clock.now() >= epoch(token.expires_at)

    def all_repositories(self) -> Iterator[Repository]:
        """Every repository, newest first."""
        with self.lock:
            yield from sorted(self.repositories.values(), key=lambda r: -r.id)
