"""GitHub event → what Sigil should do: a pure table, one small function per event.

Nothing here touches a database or the network. `pipeline.intake` carries the triggers out.
"""

from pipeline.triggers import checks, installations, pulls, pushes, repositories
from pipeline.triggers.kinds import (
    Account,
    AccountRenamed,
    ArchiveChanged,
    BranchPushed,
    ButtonPressed,
    CommandGiven,
    DefaultBranchChanged,
    Ignored,
    InstallationChanged,
    Installed,
    PermissionsGranted,
    PullRequestChanged,
    RepositoriesRemoved,
    RepositoryGone,
    RepositoryMoved,
    RepositoryRef,
    RerunRequested,
    TagPublished,
    Trigger,
    VisibilityChanged,
)
from pipeline.triggers.table import acts_on, triggers_for

__all__ = [
    "Account",
    "AccountRenamed",
    "ArchiveChanged",
    "BranchPushed",
    "ButtonPressed",
    "CommandGiven",
    "DefaultBranchChanged",
    "Ignored",
    "InstallationChanged",
    "Installed",
    "PermissionsGranted",
    "PullRequestChanged",
    "RepositoriesRemoved",
    "RepositoryGone",
    "RepositoryMoved",
    "RepositoryRef",
    "RerunRequested",
    "TagPublished",
    "Trigger",
    "VisibilityChanged",
    "acts_on",
    "checks",
    "installations",
    "pulls",
    "pushes",
    "repositories",
    "triggers_for",
]
