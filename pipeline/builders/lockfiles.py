"""Which commands install a repository's dependencies, decided by the files that are there.

Pure: it reads the source folder and runs nothing. Both builders carry out the same recipe, so a
server has the same dependencies on docker and on the process host.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

Command = tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """How to install a project.

    Attributes:
        found: What decided, in words for the log, such as `uv.lock`.
        manifests: Files that the dependencies follow from. They are copied before the rest of the
            source, so that a change of the source alone does not install everything again.
        install: Commands that install all dependencies, those of the build too. They may change
            the manifests; the source is copied over them afterwards.
        install_production: Commands that install what the running server needs.
        finish: Commands that need the whole source: installing or building the project itself.
        whole_tree: The dependencies lie in the repository too, so `install` needs all of it.
        tool_package: A package manager to install from npm first, with its version.
    """

    found: str
    manifests: tuple[str, ...] = ()
    install: tuple[Command, ...] = ()
    install_production: tuple[Command, ...] = ()
    finish: tuple[Command, ...] = ()
    whole_tree: bool = False
    tool_package: str | None = None


class UnreadableFile(Exception):
    """A file that decides about the dependencies cannot be parsed. The text is for its author."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def present(folder: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that are files in `folder`, in the order given."""
    return tuple(name for name in names if (folder / name).is_file())
