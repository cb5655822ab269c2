"""Installing Apps and everything that an owner can do to an installation afterwards."""

from sandbox.github.events import Events
from sandbox.github.world import App, Installation, Repository, User, World


class Installer:
    """Changes installations and announces what it changed."""

    def __init__(self, world: World, events: Events) -> None:
        self._world = world
        self._events = events

    def install(
        self,
        app: App,
        account: User,
        repositories: list[Repository],
        user: User,
        *,
        everything: bool = False,
    ) -> Installation:
        """Install an App, or widen the installation that is there already."""
        world = self._world
        with world.lock:
            present = [
                one
                for one in world.installations.values()
                if one.account is account and one.app is app
            ]
        if present:
            if everything:
                self._widen(present[0], user)
            else:
                self.add(present[0], repositories, user)
            return present[0]
        now = world.clock.stamp()
        installation = Installation(
            world.new_id("installation"),
            app,
            account,
            "all" if everything else "selected",
            {one.id for one in repositories},
            dict(app.permissions),
            list(app.events),
            now,
            now,
        )
        with world.lock:
            world.installations[installation.id] = installation
        covered = world.repositories_of(installation)
        self._events.installation("created", installation, user, covered)
        return installation

    def add(self, installation: Installation, repositories: list[Repository], user: User) -> None:
        """Let the installation act on more repositories."""
        covered = self._world.repositories_of(installation)
        new = [one for one in repositories if one not in covered]
        if not new:
            return
        installation.repository_ids |= {one.id for one in new}
        self._touch(installation)
        self._events.installation_repositories(installation, user, added=new)

    def remove(
        self, installation: Installation, repositories: list[Repository], user: User
    ) -> None:
        """Take repositories from the installation."""
        covered = self._world.repositories_of(installation)
        gone = [one for one in repositories if one in covered]
        if not gone:
            return
        installation.repository_ids -= {one.id for one in gone}
        self._touch(installation)
        self._events.installation_repositories(installation, user, removed=gone)

    def repository_created(self, repository: Repository, user: User) -> None:
        """An installation on all repositories takes a new one in."""
        for installation in self._world.installations_on(repository):
            if installation.selection == "all":
                self._events.installation_repositories(installation, user, added=[repository])

    def suspend(self, installation: Installation, user: User) -> None:
        """Its tokens stop to work, and no event is sent until it is lifted."""
        if installation.suspended_at:
            return
        installation.suspended_at, installation.suspended_by = self._world.clock.stamp(), user
        self._announce("suspend", installation, user)

    def unsuspend(self, installation: Installation, user: User) -> None:
        """Lift the suspension."""
        if not installation.suspended_at:
            return
        installation.suspended_at = installation.suspended_by = None
        self._announce("unsuspend", installation, user)

    def accept_permissions(self, installation: Installation, user: User) -> None:
        """Grant what the App asks for by now."""
        app = installation.app
        if installation.permissions == app.permissions and installation.events == app.events:
            return
        installation.permissions, installation.events = dict(app.permissions), list(app.events)
        self._announce("new_permissions_accepted", installation, user)

    def uninstall(self, installation: Installation, user: User) -> None:
        """Remove the App from the account. A later installation is another one."""
        covered = self._world.repositories_of(installation)
        with self._world.lock:
            del self._world.installations[installation.id]
            self._world.former_installations.append(installation)
        self._events.installation("deleted", installation, user, covered)

    def _widen(self, installation: Installation, user: User) -> None:
        before = self._world.repositories_of(installation)
        installation.selection = "all"
        added = [one for one in self._world.repositories_of(installation) if one not in before]
        self._touch(installation)
        if added:
            self._events.installation_repositories(installation, user, added=added)

    def _announce(self, action: str, installation: Installation, user: User) -> None:
        self._touch(installation)
        covered = self._world.repositories_of(installation)
        self._events.installation(action, installation, user, covered)

    def _touch(self, installation: Installation) -> None:
        installation.updated_at = self._world.clock.stamp()
