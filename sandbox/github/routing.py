"""The table of REST operations: what an operation asks of its caller, and how it answers.

Modules in `endpoints` fill the table. `application` serves it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from sandbox.github import roles
from sandbox.github.app_hooks import AppHooks
from sandbox.github.app_making import AppMaker
from sandbox.github.errors import (
    GitHubError,
    archived,
    moved,
    not_accessible,
    not_found,
    requires_authentication,
)
from sandbox.github.events import Events
from sandbox.github.faults import Faults
from sandbox.github.identity import Caller
from sandbox.github.limits import Limits
from sandbox.github.traffic import Traffic
from sandbox.github.world import App, Json, Repository, User, World

# `repository`: anyone who may see the repository in the path.
Audience = Literal["anyone", "app", "installation", "user", "repository"]


@dataclass(frozen=True)
class Services:
    """Everything behind the API."""

    world: World
    hooks: AppHooks
    events: Events
    limits: Limits
    faults: Faults
    traffic: Traffic
    maker: AppMaker


@dataclass(frozen=True)
class Answer:
    """What an operation answers. A body of None is an empty one."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Call:
    """One call of an operation, authenticated and parsed."""

    services: Services
    caller: Caller
    path: dict[str, Any]
    query: MultiDict[str, str]
    body: Json
    accept: str
    url: str
    permission: str | None = None
    role: str | None = None
    method: str = "GET"

    @property
    def world(self) -> World:
        """The state behind the API."""
        return self.services.world

    @property
    def events(self) -> Events:
        """Where changes are announced."""
        return self.services.events

    @cached_property
    def repository(self) -> Repository:
        """The repository in the path.

        Raises:
            GitHubError: 404 when the caller may not see it, 403 when it may not do this there.
        """
        found = self.found_repository()
        if found is None or (found.private and not self.caller.reaches(found)):
            raise not_found()
        self._check_permission(found)
        return found

    def found_repository(self) -> Repository | None:
        """The repository in the path, whoever asks for it.

        Raises:
            GitHubError: a redirect, when the path has a name that the repository had before.
        """
        name = f"{self.path['owner']}/{self.path['repo']}"
        found = self.world.repository(self.path["owner"], self.path["repo"])
        former = self.world.former(name) if found is None else None
        hidden = former and former.private and not self.caller.reaches(former)
        if former is None or (hidden and not self.caller.app):
            return found
        rest = self.url.removeprefix(f"{self.world.url}/repos/{name}")
        query = f"?{urlencode(list(self.query.items(multi=True)))}" if self.query else ""
        target = f"{self.world.url}/repositories/{former.id}{rest}{query}"
        raise moved(target, permanently=self.method in ("GET", "HEAD"))

    @property
    def app(self) -> App:
        """The calling App; only for operations whose audience is Apps."""
        if self.caller.app is None:
            raise requires_authentication()
        return self.caller.app

    @property
    def user(self) -> User:
        """The calling user; only for operations whose audience is users."""
        if self.caller.user is None:
            raise requires_authentication()
        return self.caller.user

    def _check_permission(self, repository: Repository) -> None:
        wanted = [one.split(":") for one in (self.permission or "metadata:read").split("|")]
        name, level = wanted[0]
        if level == "read" and not repository.private:
            return
        if self.caller.anonymous:
            raise requires_authentication()
        if self.caller.user:
            role = self.role or ("admin" if name == "administration" else level)
            self.require_role(role, repository)
        elif not any(self.caller.may(repository, *one) for one in wanted):
            raise not_accessible("; ".join("=".join(one) for one in wanted))
        # Whoever may administer it can still take it out of the archive, move or delete it.
        if repository.archived and level == "write" and name != "administration":
            raise archived()

    def require_role(self, role: str, repository: Repository | None = None) -> None:
        """Refuse a user whose role does not include `role`; others are asked for permissions.

        Raises:
            GitHubError: 403, in GitHub's words.
        """
        user, where = self.caller.user, repository or self.repository
        if user is None or roles.includes(roles.effective(where, user), role):
            return
        if role == "admin":
            raise GitHubError(403, "Must have admin rights to Repository.")
        raise GitHubError(403, "Must have push access to repository")

    def admit(self, audience: Audience) -> None:
        """Refuse a caller that the operation is not for.

        Raises:
            GitHubError: 401 or 403, in GitHub's words.
        """
        caller = self.caller
        if audience == "repository" and caller.app:
            raise not_accessible("an installation access token")
        if audience in ("anyone", "repository"):
            return
        if audience == "app":
            if not caller.app:
                raise GitHubError(401, "A JSON web token could not be decoded")
            return
        if caller.anonymous:
            raise requires_authentication()
        if audience == "installation" and caller.installation is None:
            raise GitHubError(
                403, "Must authenticate using an installation access token in order to do this."
            )
        if audience == "user" and caller.user is None:
            raise not_accessible("user access token")

    def page(self, items: list[Any]) -> tuple[list[Any], dict[str, str]]:
        """The part of `items` that was asked for, and the `Link` header to the others."""
        size = max(1, min(100, self._number("per_page", 30)))
        number = max(1, self._number("page", 1))
        last = max(1, -(-len(items) // size))
        links = []
        for relation, target, wanted in (
            ("prev", number - 1, number > 1),
            ("next", number + 1, number < last),
            ("last", last, number < last),
            ("first", 1, number > 1),
        ):
            if wanted:
                links.append(f'<{self.with_query(page=str(target))}>; rel="{relation}"')
        headers = {"Link": ", ".join(links)} if links else {}
        return items[(number - 1) * size : number * size], headers

    def with_query(self, **changes: str) -> str:
        """This call's URL with some query parameters changed."""
        return f"{self.url}?{urlencode({**self.query.to_dict(), **changes})}"

    def _number(self, name: str, default: int) -> int:
        text = self.query.get(name, "")
        return int(text) if text.isdigit() else default


@dataclass(frozen=True)
class Endpoint:
    """One operation. `template` is its path as GitHub's OpenAPI description writes it."""

    method: str
    template: str
    audience: Audience
    permission: str | None
    content: bool
    role: str | None
    free: bool
    function: Callable[[Call], Answer]


ENDPOINTS: list[Endpoint] = []


def endpoint(
    method: str,
    template: str,
    *,
    audience: Audience = "repository",
    permission: str | None = None,
    content: bool = False,
    role: str | None = None,
    free: bool = False,
) -> Callable[[Callable[[Call], Answer]], Callable[[Call], Answer]]:
    """Enter an operation into the table.

    Args:
        method: the HTTP method.
        template: the path, for instance `/repos/{owner}/{repo}/commits/{ref}`.
        audience: who may call it.
        permission: what an installation must hold, for instance `checks:write`; of several
            (`issues:write|pull_requests:write`) one is enough.
        content: whether it counts as creating content for the secondary rate limit.
        role: what a user must be in the repository, when that is not the permission's level.
        free: whether it is not counted against the rate limits.
    """

    def enter(function: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        ENDPOINTS.append(
            Endpoint(method, template, audience, permission, content, role, free, function)
        )
        return function

    return enter
