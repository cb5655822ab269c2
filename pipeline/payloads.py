"""Reads the few fields that Sigil needs out of a webhook's body, trusting nothing about its shape.

GitHub's own type definitions accept only 222 of its 329 recorded example bodies, so a body is
never checked as a whole: a field is looked at when it is needed, and named when it is unusable.
"""

import re
from collections.abc import Mapping
from typing import Any

Payload = Mapping[str, Any]
"""A webhook's body as GitHub sent it: nothing about it is certain."""

_SHA = re.compile(r"[0-9a-f]{40}")
_FULL_NAME = re.compile(r"(?!\.{1,2}/)[\w.-]{1,100}/(?!\.{1,2}$)[\w.-]{1,100}", re.ASCII)
_ACTION = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LARGEST_ID = 2**63 - 1
_LARGEST_NUMBER = 2**31 - 1


class Unusable(Exception):
    """A field is missing, or holds what it should not. The text is the field's path."""


def get(payload: Payload, path: str) -> object:
    """The value at a path such as `repository.owner.id` or `repositories.0.id`, or None."""
    value: object = payload
    for key in path.split("."):
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def text(payload: Payload, path: str) -> str:
    """A string that PostgreSQL can keep.

    Raises:
        Unusable: it is missing, empty, no string, or holds NUL or half a surrogate pair.
    """
    value = get(payload, path)
    if not isinstance(value, str) or not value or "\0" in value:
        raise Unusable(path)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unusable(path) from None
    return value


def identifier(payload: Payload, path: str) -> int:
    """One of GitHub's ids: a positive number of at most 63 bits.

    Raises:
        Unusable: it is anything else.
    """
    value = get(payload, path)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST_ID:
        raise Unusable(path)
    return value


def number(payload: Payload, path: str) -> int:
    """The number of a pull request in its repository: positive and of at most 31 bits.

    Raises:
        Unusable: it is anything else.
    """
    value = identifier(payload, path)
    if value > _LARGEST_NUMBER:
        raise Unusable(path)
    return value


def sha(payload: Payload, path: str) -> str:
    """A full commit id of 40 hexadecimal digits.

    Raises:
        Unusable: it is anything else.
    """
    value = get(payload, path)
    if not isinstance(value, str) or not _SHA.fullmatch(value):
        raise Unusable(path)
    return value


def is_no_commit(value: object) -> bool:
    """Whether this is the row of zeros that GitHub writes for a ref that is new or deleted."""
    return isinstance(value, str) and bool(value) and not value.strip("0")


def items(payload: Payload, path: str) -> list[Any]:
    """A list.

    Raises:
        Unusable: it is anything else.
    """
    value = get(payload, path)
    if not isinstance(value, list):
        raise Unusable(path)
    return value


def owner_and_name(payload: Payload, path: str) -> tuple[str, str]:
    """The two halves of a `full_name` such as `octo/weather`.

    Raises:
        Unusable: it does not have that form.
    """
    value = get(payload, path)
    if not isinstance(value, str) or not _FULL_NAME.fullmatch(value):
        raise Unusable(path)
    owner, _, name = value.partition("/")
    return owner, name


def is_private(payload: Payload, path: str) -> bool:
    """Whether the repository at `path` is private. One that does not say that it is not, counts
    as private: what is hidden by mistake does less harm than what is shown."""
    return get(payload, f"{path}.private") is not False


_LISTS = ("repositories", "repositories_added", "repositories_removed")


def names_private(payload: Payload) -> bool:
    """Whether the body is about a private repository, or has one in its lists of repositories."""
    if payload.get("repository") is not None and is_private(payload, "repository"):
        return True
    listed = ((name, payload.get(name)) for name in _LISTS)
    return any(
        is_private(payload, f"{name}.{index}")
        for name, rows in listed
        if isinstance(rows, list)
        for index in range(len(rows))
    )


def action_of(payload: Payload) -> str | None:
    """What happened, when the event has several actions."""
    action = get(payload, "action")
    return action if isinstance(action, str) and _ACTION.fullmatch(action) else None


def repository_of(payload: Payload) -> str | None:
    """`owner/name` of the repository that the body is about, when it is about one."""
    try:
        return "/".join(owner_and_name(payload, "repository.full_name"))
    except Unusable:
        return None
