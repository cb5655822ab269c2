"""Which webhook follows from which change, and its payload. Sending is the business of `Hooks`.

Source: docs.github.com, "Webhook events and payloads".
"""

from sandbox.github import render, render_commits, render_reports
from sandbox.github.app_hooks import AppHooks
from sandbox.github.clock import epoch
from sandbox.github.subscriptions import OWN_CHECKS, UNASKED, permitted
from sandbox.github.world import (
    App,
    CheckRun,
    CheckSuite,
    Installation,
    Json,
    Release,
    Repository,
    Status,
    User,
    World,
    node_id,
)


class Events:
    """Turns changes into webhooks of the Apps."""

    def __init__(self, world: World, hooks: AppHooks) -> None:
        self.world = world
        self.hooks = hooks

    def installation(
        self, action: str, installation: Installation, sender: User, repositories: list[Repository]
    ) -> None:
        """`created`, `deleted`, `suspend`, `unsuspend` or `new_permissions_accepted`."""
        payload: Json = {
            "action": action,
            "installation": render.installation(self.world, installation),
            "repositories": [render.named_repository(one) for one in repositories],
            "sender": render.user(self.world, sender),
        }
        if action == "created":
            payload["requester"] = None
        hooks = self.hooks.of(installation.app)
        hooks.emit("installation", payload, installation_id=installation.id)

    def installation_repositories(
        self,
        installation: Installation,
        sender: User,
        *,
        added: list[Repository] | None = None,
        removed: list[Repository] | None = None,
    ) -> None:
        """`added` or `removed`, as one list or the other is given."""
        payload = {
            "action": "added" if added else "removed",
            "installation": render.installation(self.world, installation),
            "repository_selection": installation.selection,
            "repositories_added": [render.named_repository(one) for one in added or ()],
            "repositories_removed": [render.named_repository(one) for one in removed or ()],
            "requester": None,
            "sender": render.user(self.world, sender),
        }
        hooks = self.hooks.of(installation.app)
        hooks.emit("installation_repositories", payload, installation_id=installation.id)

    def push(self, repository: Repository, sender: User, push: Json) -> None:
        """A branch or tag that came, moved or went; `push` is all that is particular to it."""
        payload = {
            **push,
            "pusher": {"name": sender.login, "email": sender.email},
            "repository": self._pushed_repository(repository),
        }
        self.emit("push", payload, repository, sender)

    def ref(self, event: str, repository: Repository, sender: User, ref: str) -> None:
        """`create` or `delete` of a branch or tag, `ref` being its full name."""
        kind = "branch" if ref.startswith("refs/heads/") else "tag"
        payload: Json = {
            "ref": ref.split("/", 2)[2],
            "ref_type": kind,
            "pusher_type": "user",
        }
        if event == "create":
            payload |= {
                "master_branch": repository.default_branch,
                "description": repository.description,
            }
        self.emit(event, payload, repository, sender)

    def check_suite(
        self, action: str, repository: Repository, sender: User, suite: CheckSuite
    ) -> None:
        """`requested`, `rerequested` or `completed`."""
        rendered = render_reports.check_suite(self.world, repository, suite)
        del rendered["repository"]
        payload = {"action": action, "check_suite": rendered}
        self.emit("check_suite", payload, repository, sender, owner=suite.app)

    def check_run(
        self,
        action: str,
        repository: Repository,
        sender: User,
        run: CheckRun,
        *,
        identifier: str | None = None,
    ) -> None:
        """`created`, `completed`, `rerequested`, or `requested_action` with its identifier."""
        rendered = render_reports.event_check_run(self.world, repository, run)
        payload: Json = {"action": action, "check_run": rendered}
        if identifier:
            payload["requested_action"] = {"identifier": identifier}
        self.emit("check_run", payload, repository, sender, owner=run.suite.app)

    def release(
        self,
        action: str,
        repository: Repository,
        sender: User,
        item: Release,
        changes: Json | None = None,
    ) -> None:
        """`created`, `published`, `released`, `prereleased`, `deleted`, or `edited` with what was
        there before.
        """
        rendered = render_reports.release(self.world, repository, item)
        payload: Json = {"action": action, "release": rendered}
        if changes is not None:
            payload["changes"] = changes
        self.emit("release", payload, repository, sender)

    def status(self, repository: Repository, sender: User, item: Status) -> None:
        """A new commit status."""
        if not self._listeners("status", None, repository, None):
            return
        commit = render_commits.commit(self.world, repository, repository.git.commit(item.sha))
        api = render.repository_url(self.world, repository)
        branches = [
            {
                "name": ref.removeprefix("refs/heads/"),
                "commit": {"sha": sha, "url": f"{api}/commits/{sha}"},
                "protected": False,
            }
            for ref, sha in repository.git.refs().items()
            if ref.startswith("refs/heads/") and sha == item.sha
        ]
        named = "id sha context description target_url state created_at updated_at avatar_url"
        rendered = render_reports.status(self.world, repository, item) | {"sha": item.sha}
        payload = {name: rendered[name] for name in named.split()}
        payload |= {"name": repository.full_name, "commit": commit, "branches": branches}
        self.emit("status", payload, repository, sender)

    def repository(
        self, action: str, repository: Repository, sender: User, changes: Json | None = None
    ) -> None:
        """`created` and the other things that can happen to a repository as a whole.

        Args:
            action: what happened.
            repository: as it is now.
            sender: who did it.
            changes: what was different before, for the actions that say so.
        """
        payload = {"action": action} | ({"changes": changes} if changes else {})
        self.emit("repository", payload, repository, sender)

    def emit(
        self,
        event: str,
        payload: Json,
        repository: Repository,
        sender: User,
        *,
        owner: App | None = None,
    ) -> None:
        """Send an event of a repository to every App that listens there.

        Args:
            event: GitHub's name of it.
            payload: what is particular to it.
            repository: where it happened.
            sender: whose doing it is.
            owner: the App whose check it is, for events of checks.
        """
        for installation in self._listeners(event, payload.get("action"), repository, owner):
            self.send(event, payload, repository, sender, installation)

    def send(
        self,
        event: str,
        payload: Json,
        repository: Repository,
        sender: User,
        installation: Installation,
    ) -> None:
        """Send an event of a repository to one installation, whether it listens or not."""
        common: Json = {
            "repository": render.repository(self.world, repository),
            "sender": render.user(self.world, sender),
            "installation": {
                "id": installation.id,
                "node_id": node_id("Installation", installation.id),
            },
        }
        if repository.owner.type == "Organization":
            common["organization"] = render.organization(self.world, repository.owner)
        self.hooks.of(installation.app).emit(
            event,
            {**common, **payload},
            installation_id=installation.id,
            repository_id=repository.id,
        )

    def _listeners(
        self, event: str, action: str | None, repository: Repository, owner: App | None
    ) -> list[Installation]:
        """The installations that get this event."""
        names = {event, f"{event}.{action}"}
        found = []
        for installation in self.world.installations_on(repository):
            if installation.suspended_at or not permitted(event, installation.permissions):
                continue
            if names & OWN_CHECKS and installation.app is not owner:
                continue
            if names & UNASKED or event in installation.events:
                found.append(installation)
        return found

    def _pushed_repository(self, repository: Repository) -> Json:
        """In a push, GitHub writes some of the repository's fields in an older way."""
        rendered = render.repository(self.world, repository)
        owner = repository.owner
        return {
            **rendered,
            "url": rendered["html_url"],
            "owner": rendered["owner"] | {"name": owner.login, "email": owner.email},
            "created_at": epoch(repository.created_at),
            "pushed_at": epoch(repository.pushed_at),
            "stargazers": 0,
            "master_branch": repository.default_branch,
        }
