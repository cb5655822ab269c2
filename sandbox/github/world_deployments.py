"""What the stand-in knows of deployments and environments of one repository. No HTTP."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.github.world_accounts import App, User


@dataclass(frozen=True)
class DeploymentStatus:
    """One status of a deployment; the newest counts. `app` when an App set it."""

    id: int
    state: str
    description: str
    environment: str
    environment_url: str
    log_url: str
    creator: User
    app: App | None
    created_at: str


@dataclass
class Deployment:
    """A request to deploy a commit to an environment, and what became of it."""

    id: int
    sha: str
    ref: str
    task: str
    environment: str
    original_environment: str
    description: str
    payload: Any
    transient: bool
    production: bool
    creator: User
    app: App | None
    created_at: str
    updated_at: str
    statuses: list[DeploymentStatus] = field(default_factory=list)

    @property
    def state(self) -> str:
        """The state of the newest status; `pending` before the first one."""
        return self.statuses[-1].state if self.statuses else "pending"


@dataclass(frozen=True)
class Environment:
    """A named place that something was deployed to."""

    id: int
    name: str
    created_at: str


@dataclass
class Deployments:
    """All deployments of a repository, oldest first, and its environments by name."""

    all: list[Deployment] = field(default_factory=list)
    environments: dict[str, Environment] = field(default_factory=dict)

    def get(self, number: int) -> Deployment | None:
        """One deployment."""
        return next((one for one in self.all if one.id == number), None)

    def superseded_by(self, new: Deployment) -> list[Deployment]:
        """What becomes inactive when `new` succeeds: earlier successes in the same environment,
        but neither transient nor production ones (docs.github.com/rest/deployments/statuses,
        `auto_inactive`).
        """
        return [
            one
            for one in self.all
            if one.id < new.id
            and one.environment == new.environment
            and one.state == "success"
            and not one.transient
            and not one.production
        ]

    def active(self, item: Deployment) -> bool:
        """Whether GitHub takes a deployment for the one that its environment runs.

        One without any status may become that yet, so it counts as active.
        """
        if item.statuses and item.state != "success":
            return False
        return not any(
            one.environment == item.environment and one.id > item.id and one.state == "success"
            for one in self.all
        )
