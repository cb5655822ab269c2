"""What the `deploy:` block of `mcp.yaml` decides: what deploys, where to, and what holds it up.

Pure: names of branches and files go in, names of environments come out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import TypeAdapter


@dataclass(frozen=True)
class BranchRule:
    """A push to `branch`, a name or a glob, deploys to `environment`."""

    branch: str
    environment: str


@dataclass(frozen=True)
class DeploySettings:
    """The `deploy:` block, defaults filled in.

    Attributes:
        push: What pushes deploy, in the order of the file. None is what holds without any: the
            default branch deploys to production. Empty: no push deploys.
        pull_request: `preview`, `check` (manifest and build only) or `none`.
        paths: Globs of the files that matter, `!` in front takes some out again. Empty: all do.
        breaking: What a breaking change of a tool does: `warn`, or `block` the check.
    """

    push: tuple[BranchRule, ...] | None = None
    release: str = "production"
    prerelease: str = "staging"
    pull_request: Literal["preview", "check", "none"] = "preview"
    paths: tuple[str, ...] = ()
    breaking: Literal["warn", "block"] = "warn"

    def environment_of_branch(self, branch: str, default_branch: str) -> str | None:
        """Where a push to a branch deploys, or None when it does not.

        A rule with the branch's own name goes before globs, and of those the first that fits.
        """
        if self.push is None:
            return "production" if branch == default_branch else None
        for rule in self.push:
            if rule.branch == branch:
                return rule.environment
        for rule in self.push:
            if _covers(rule.branch, branch):
                return rule.environment
        return None

    def environment_of_release(self, prerelease: bool) -> str:
        """Where a release, or a prerelease, deploys."""
        return self.prerelease if prerelease else self.release

    def touches(self, paths: Sequence[str]) -> bool:
        """Whether a change of these files is one to deploy.

        As in GitHub Actions, the last glob that fits a file decides on it. No files at all means
        that nobody could say which, as after a force push, and then the answer is yes.
        https://docs.github.com/en/actions/reference/workflow-syntax-for-github-actions#onpushpull_requestpull_request_targetpathspaths-ignore
        """
        if not self.paths or not paths:
            return True
        return any(self._matters(path) for path in paths)

    def _matters(self, path: str) -> bool:
        for glob in reversed(self.paths):
            if _covers(glob.removeprefix("!"), path):
                return not glob.startswith("!")
        return False

    def to_json(self) -> dict[str, Any]:
        """The settings as values that `json` can write."""
        stored: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return stored

    @staticmethod
    def from_json(stored: dict[str, Any] | None) -> "DeploySettings":
        """The settings that `to_json` stored, possibly in another release; the defaults for None.

        Raises:
            pydantic.ValidationError: when it is something else.
        """
        known = {field.name for field in fields(DeploySettings)}
        return _ADAPTER.validate_python(
            {name: value for name, value in (stored or {}).items() if name in known}
        )


_ADAPTER = TypeAdapter(DeploySettings)


def _covers(glob: str, name: str) -> bool:
    """Whether a glob fits a whole name; `**` stands for any number of folders, also none.

    Follows all the ways through the glob at once, so that no glob takes long, and leaves single
    folders to `fnmatch`, which knows no folders and does not backtrack either.
    """
    folders = glob.split("/")
    places = _beyond(folders, {0})
    for part in name.split("/"):
        reached = set()
        for place in places:
            if place < len(folders) and folders[place] == "**":
                reached.add(place)
            elif place < len(folders) and fnmatchcase(part, folders[place]):
                reached.add(place + 1)
        places = _beyond(folders, reached)
    return len(folders) in places


def _beyond(folders: Sequence[str], places: set[int]) -> set[int]:
    """The places, and those behind every `**` that may stand for nothing."""
    reached = set(places)
    for place in sorted(places):
        while place < len(folders) and folders[place] == "**":
            place += 1
            reached.add(place)
    return reached
