"""Parts that many payloads share: the installation, the account, the repository, the person."""

from pipeline import payloads
from pipeline.payloads import Payload
from pipeline.triggers.kinds import Account, RepositoryRef


def installation(payload: Payload) -> int:
    """The id of the installation that an event belongs to."""
    # A webhook of a single repository, set up by hand, has none.
    return payloads.identifier(payload, "installation.id")


def account(payload: Payload, path: str) -> Account:
    """The account at a path."""
    return Account(
        id=payloads.identifier(payload, f"{path}.id"),
        login=payloads.text(payload, f"{path}.login"),
    )


def repository(payload: Payload) -> RepositoryRef:
    """The repository that an event is about."""
    return repository_at(payload, "repository", payloads.text(payload, "repository.default_branch"))


def repositories(payload: Payload, path: str) -> tuple[RepositoryRef, ...]:
    """The repositories of a list."""
    count = len(payloads.items(payload, path))
    return tuple(repository_at(payload, f"{path}.{index}", None) for index in range(count))


def repository_at(payload: Payload, path: str, default_branch: str | None) -> RepositoryRef:
    """The repository at a path."""
    owner, name = payloads.owner_and_name(payload, f"{path}.full_name")
    return RepositoryRef(
        id=payloads.identifier(payload, f"{path}.id"),
        owner=owner,
        name=name,
        private=payloads.is_private(payload, path),
        default_branch=default_branch,
    )


def permissions(payload: Payload) -> dict[str, str]:
    """What was granted to the installation, as far as the event tells it."""
    granted = payloads.get(payload, "installation.permissions")
    if not isinstance(granted, dict):
        return {}
    return {
        name: level
        for name, level in granted.items()
        if isinstance(name, str) and level in ("read", "write", "admin")
    }


def actor(payload: Payload) -> str:
    """The login of the person who did it."""
    return payloads.text(payload, "sender.login")
