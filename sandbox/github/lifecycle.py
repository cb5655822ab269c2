"""What becomes of repositories and accounts: renamed, transferred, archived, hidden, deleted.

Each change keeps the former name, so that old links lead on, and is announced.
"""

import shutil

from sandbox.github import render
from sandbox.github.errors import GitHubError, validation_failed
from sandbox.github.events import Events
from sandbox.github.world import Json, Repository, User, World, node_id


class Lifecycle:
    """Changes repositories and accounts, and announces what it changed."""

    def __init__(self, world: World, events: Events) -> None:
        self._world = world
        self._events = events

    def rename(self, repository: Repository, name: str, user: User) -> None:
        """Give a repository another name.

        Raises:
            GitHubError: 422 when the account has a repository of that name.
        """
        previous = repository.name
        if name == previous:
            return
        self._check_free(repository.owner, name, repository)
        self._move(repository, repository.owner, name)
        changes = {"repository": {"name": {"from": previous}}}
        self._events.repository("renamed", repository, user, changes)

    def transfer(self, repository: Repository, owner: User, name: str, user: User) -> None:
        """Give a repository to another account.

        The old owner's installations lose it. The new owner's have it when they are on all
        repositories, and only those hear that it was transferred.

        Raises:
            GitHubError: 422 when that account has a repository of that name.
        """
        self._check_free(owner, name, repository)
        world, previous = self._world, repository.owner
        before = world.installations_on(repository)
        self._move(repository, owner, name)
        for installation in before:
            installation.repository_ids.discard(repository.id)
            self._events.installation_repositories(installation, user, removed=[repository])
        for installation in world.installations_on(repository):
            self._events.installation_repositories(installation, user, added=[repository])
        kind, rendered = "user", render.user(world, previous)
        if previous.type == "Organization":
            kind, rendered = "organization", render.organization(world, previous)
        changes = {"owner": {"from": {kind: rendered}}}
        self._events.repository("transferred", repository, user, changes)

    def ask_to_take(self, repository: Repository, owner: User, name: str, user: User) -> None:
        """Transfer a repository to an account of the user's own, or ask another person to take it.

        Raises:
            GitHubError: 422 when that account has a repository of that name.
        """
        self._check_free(owner, name, repository)
        if self._world.administers(user, owner):
            self.transfer(repository, owner, name, user)
        else:
            self._world.transfers[repository.id] = (owner, name)

    def accept(self, repository: Repository) -> None:
        """Let the person who was asked take a repository."""
        owner, name = self._world.transfers.pop(repository.id)
        self.transfer(repository, owner, name, owner)

    def archive(self, repository: Repository, user: User, *, archived: bool) -> None:
        """Make a repository read-only, or writable again."""
        if repository.archived is archived:
            return
        repository.archived = archived
        self._announce("archived" if archived else "unarchived", repository, user)

    def hide(self, repository: Repository, user: User, *, private: bool) -> None:
        """Make a repository private, or public."""
        if repository.private is private:
            return
        repository.private = private
        self._announce("privatized" if private else "publicized", repository, user)

    def edit(self, repository: Repository, user: User, body: Json) -> None:
        """Change the description or the default branch.

        Raises:
            GitHubError: 422 for a branch that is not there.
        """
        changes: Json = {}
        branch, previous = body.get("default_branch"), repository.default_branch
        if branch and branch != previous:
            if f"refs/heads/{branch}" not in repository.git.refs():
                words = f"The branch {branch} was not found. Please push that ref first or create "
                words += "it via the Git Data API."
                raise validation_failed("Repository", "default_branch", words)
            repository.git.set_head_branch(branch)
            changes["default_branch"] = {"from": previous}
        if "description" in body and body["description"] != repository.description:
            changes["description"] = {"from": repository.description}
            repository.description = body["description"]
        if changes:
            self._announce("edited", repository, user, changes)

    def delete(self, repository: Repository, user: User) -> None:
        """Remove a repository with everything in it."""
        self._events.repository("deleted", repository, user)
        with self._world.lock:
            del self._world.repositories[repository.id]
            for installation in self._world.installations.values():
                installation.repository_ids.discard(repository.id)
        shutil.rmtree(repository.git.path, ignore_errors=True)

    def rename_account(self, account: User, login: str, user: User) -> None:
        """Give an account another name, and so its repositories.

        Raises:
            GitHubError: 422 when there is an account of that name.
        """
        world, previous = self._world, account.login
        if world.user(login) not in (None, account):
            raise GitHubError(422, f"Username {login} is not available.")
        with world.lock:
            owned = [one for one in world.repositories.values() if one.owner is account]
            former = [one.full_name for one in owned]
            account.login = login
            for name, repository in zip(former, owned, strict=True):
                world.renamed(name, repository)
            installations = [one for one in world.installations.values() if one.account is account]
        for installation in installations:
            payload = {
                "action": "renamed",
                "account": render.renamed_account(world, account),
                "changes": {"login": {"from": previous}},
                "installation": {
                    "id": installation.id,
                    "node_id": node_id("Installation", installation.id),
                },
                "sender": render.user(world, user),
                "target_type": account.type,
            }
            hooks = self._events.hooks.of(installation.app)
            hooks.emit("installation_target", payload, installation_id=installation.id)

    def _check_free(self, owner: User, name: str, repository: Repository) -> None:
        if self._world.repository(owner.login, name) not in (None, repository):
            raise validation_failed("Repository", "name", "name already exists on this account")

    def _move(self, repository: Repository, owner: User, name: str) -> None:
        with self._world.lock:
            former = repository.full_name
            repository.owner, repository.name = owner, name
            repository.updated_at = self._world.clock.stamp()
            self._world.renamed(former, repository)

    def _announce(
        self, action: str, repository: Repository, user: User, changes: Json | None = None
    ) -> None:
        repository.updated_at = self._world.clock.stamp()
        self._events.repository(action, repository, user, changes)
