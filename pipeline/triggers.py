"""GitHub event → what Sigil should do: a pure table, one small function per event.

Nothing here touches a database or the network. `intake` carries the triggers out.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipeline import payloads
from pipeline.payloads import Payload, Unusable


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
    | BranchPushed
    | TagPublished
    | RerunRequested
    | VisibilityChanged
    | Ignored
)

_Function = Callable[[Payload], Trigger]
_TABLE: dict[str, dict[str | None, _Function]] = {}


def on(event: str, action: str | None = None) -> Callable[[_Function], _Function]:
    """Put a function into the table. Without `action` it takes every action of the event."""

    def register(function: _Function) -> _Function:
        _TABLE.setdefault(event, {})[action] = function
        return function

    return register


def triggers_for(event: str, payload: Payload) -> Trigger:
    """What Sigil should do about a delivery.

    Args:
        event: GitHub's name of it, from the header `X-GitHub-Event`.
        payload: The parsed body. A body that lacks a field we need is ignored with a reason that
            names the field; no body makes this raise.
    """
    actions = _TABLE.get(event)
    if actions is None:
        return Ignored(f"Sigil does not act on {event} events.")
    action = payloads.action_of(payload)
    function = actions.get(action) or actions.get(None)
    if function is None:
        known = ", ".join(f"{event}.{name}" for name in actions)
        return Ignored(f"Sigil does not act on {event}.{action or '(no action)'}, only on {known}.")
    try:
        return function(payload)
    except Unusable as unusable:
        return Ignored(f"The {event} payload has no usable {unusable}.")


@on("ping")
def ping(_payload: Payload) -> Trigger:
    """Sent once when a webhook is created, and when someone presses "Redeliver" on that.

    Needs no work; that it was received is the whole point.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#ping
    """
    return Ignored("GitHub's ping: the webhook reaches Sigil and the secret is right.")


@on("installation", "created")
def installation_created(payload: Payload) -> Trigger:
    """Sent when someone installs the App, with the repositories it was given.

    `new_permissions_accepted` is ignored, because permissions are asked for when they are used.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
    """
    return Installed(
        installation=_installation(payload),
        account=_account(payload, "installation.account"),
        repositories=_repositories(payload, "repositories"),
    )


@on("installation", "deleted")
def installation_deleted(payload: Payload) -> Trigger:
    """Sent when the App is uninstalled.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
    """
    return InstallationChanged(_installation(payload), "deleted")


@on("installation", "suspend")
def installation_suspended(payload: Payload) -> Trigger:
    """Sent when an owner or GitHub suspends the App; the action's literal name is `suspend`.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
    """
    return InstallationChanged(_installation(payload), "suspended")


@on("installation", "unsuspend")
def installation_resumed(payload: Payload) -> Trigger:
    """Sent when a suspension ends; the action's literal name is `unsuspend`.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
    """
    return InstallationChanged(_installation(payload), "active")


@on("installation_repositories", "added")
def repositories_added(payload: Payload) -> Trigger:
    """Sent when an existing installation is given more repositories.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation_repositories
    """
    return Installed(
        installation=_installation(payload),
        account=_account(payload, "installation.account"),
        repositories=_repositories(payload, "repositories_added"),
    )


@on("installation_repositories", "removed")
def repositories_removed(payload: Payload) -> Trigger:
    """Sent when repositories are taken away from an installation that goes on.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation_repositories
    """
    return RepositoriesRemoved(
        installation=_installation(payload),
        repository_ids=tuple(
            payloads.identifier(payload, f"repositories_removed.{index}.id")
            for index in range(len(payloads.items(payload, "repositories_removed")))
        ),
    )


# Written into the message of a pushed commit by someone who does not want it deployed.
_SKIP = re.compile(r"\[(skip sigil|sigil skip)\]", re.IGNORECASE)


@on("push")
def push(payload: Payload) -> Trigger:
    """Sent for each branch or tag that is created, moved (also by force) or deleted.

    Ignored are deletions (there is no commit to run), tags other than `v*`, refs that are neither
    branch nor tag, and a branch whose newest commit says `[skip sigil]`. That mark does not hold
    for a tag: whoever tags a version asks for exactly that. `commits` is not read, because it is
    empty for a forced push to an older commit and cut off after 2,048.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
    """
    ref = payloads.text(payload, "ref")
    kind, _, name = ref.removeprefix("refs/").partition("/")
    if kind not in ("heads", "tags") or not name:
        return Ignored(f"{ref} is neither a branch nor a tag.")
    if payloads.get(payload, "deleted") is True or payloads.is_no_commit(
        payloads.get(payload, "after")
    ):
        return Ignored(f"{ref} was deleted: there is no commit to run.")
    if kind == "tags":
        return _tag_pushed(payload, name)
    message = payloads.get(payload, "head_commit.message")
    if isinstance(message, str) and _SKIP.search(message):
        return Ignored(f"The newest commit of {name} asks for it with [skip sigil].")
    before = payloads.get(payload, "before")
    return BranchPushed(
        installation=_installation(payload),
        account=_account(payload, "repository.owner"),
        repository=_repository(payload),
        branch=name,
        sha=payloads.sha(payload, "after"),
        before=None
        if before is None or payloads.is_no_commit(before)
        else payloads.sha(payload, "before"),
    )


def _tag_pushed(payload: Payload, tag: str) -> Trigger:
    if not tag.startswith("v"):
        return Ignored(f"The tag {tag} does not start with v, so it names no version.")
    return TagPublished(
        installation=_installation(payload),
        account=_account(payload, "repository.owner"),
        repository=_repository(payload),
        tag=tag,
        # `after` is no commit when the tag is annotated: it is the tag object then.
        sha=payloads.sha(payload, "head_commit.id")
        if payloads.get(payload, "head_commit.id")
        else None,
    )


@on("release", "published")
def release_published(payload: Payload) -> Trigger:
    """Sent when a release, or pre-release, becomes visible to everybody.

    `created` and `edited` also come for drafts, `released` and `prereleased` come together with
    `published`, and `deleted` and `unpublished` do not take a version back: all are ignored. The
    payload names a branch but no commit, so the tag is looked up later.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#release
    """
    return TagPublished(
        installation=_installation(payload),
        account=_account(payload, "repository.owner"),
        repository=_repository(payload),
        tag=payloads.text(payload, "release.tag_name"),
        sha=None,
    )


@on("check_run", "rerequested")
def check_run_rerequested(payload: Payload) -> Trigger:
    """Sent to the App that made a check run when someone presses its "Re-run".

    `created` and `completed` are the echo of our own reports, and of other Apps' ones: ignored.
    A check run without an `external_id` was not made by Sigil.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#check_run
    """
    if not payloads.get(payload, "check_run.external_id"):
        return Ignored("The check run was not made by Sigil: it has no external_id.")
    return RerunRequested(
        installation=_installation(payload),
        repository=_repository(payload),
        external_id=payloads.text(payload, "check_run.external_id"),
        sha=payloads.sha(payload, "check_run.head_sha"),
    )


@on("check_suite", "rerequested")
def check_suite_rerequested(payload: Payload) -> Trigger:
    """Sent when someone presses "Re-run all checks" of a commit.

    `requested` comes with every push, which is told by `push` already, and `completed` is the sum
    of checks that we know: both are ignored.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#check_suite
    """
    return RerunRequested(
        installation=_installation(payload),
        repository=_repository(payload),
        external_id=None,
        sha=payloads.sha(payload, "check_suite.head_sha"),
    )


@on("repository", "privatized")
@on("repository", "publicized")
def visibility_changed(payload: Payload) -> Trigger:
    """Sent when someone makes a repository private or public; until then the pages may show it.

    The other actions change nothing that the next push does not tell as well: ignored.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#repository
    """
    return VisibilityChanged(_repository(payload))


def _installation(payload: Payload) -> int:
    # A webhook of a single repository, set up by hand, has none.
    return payloads.identifier(payload, "installation.id")


def _account(payload: Payload, path: str) -> Account:
    return Account(
        id=payloads.identifier(payload, f"{path}.id"),
        login=payloads.text(payload, f"{path}.login"),
    )


def _repository(payload: Payload) -> RepositoryRef:
    return _repository_at(
        payload, "repository", payloads.text(payload, "repository.default_branch")
    )


def _repositories(payload: Payload, path: str) -> tuple[RepositoryRef, ...]:
    count = len(payloads.items(payload, path))
    return tuple(_repository_at(payload, f"{path}.{index}", None) for index in range(count))


def _repository_at(payload: Payload, path: str, default_branch: str | None) -> RepositoryRef:
    owner, name = payloads.owner_and_name(payload, f"{path}.full_name")
    return RepositoryRef(
        id=payloads.identifier(payload, f"{path}.id"),
        owner=owner,
        name=name,
        private=payloads.is_private(payload, path),
        default_branch=default_branch,
    )
