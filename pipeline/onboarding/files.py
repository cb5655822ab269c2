"""Reads the files of a repository for the detection: from a folder here, elsewhere from GitHub.

Whoever wrote the files may be hostile: only regular files are read, each up to a limit, and
never through a link.
"""

import os
import posixpath
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

MAX_BYTES = 256 * 1024
"""A larger file says nothing that the detection needs."""

MAX_PATHS = 50_000
"""So many files of a repository are looked at; the rest are taken for not there."""

MAX_DEPTH = 32

_SKIPPED = {".git", "node_modules", ".venv", "venv", "__pycache__"}


def is_skipped(path: str) -> bool:
    """Whether a path leads into a folder of installed files, or too deep."""
    folders = path.split("/")[:-1]
    return len(folders) > MAX_DEPTH or any(name in _SKIPPED for name in folders)


class Files(Protocol):
    """The files of a repository at one moment."""

    def paths(self) -> Sequence[str]:
        """The regular files, relative to the root, with slashes, in order."""
        ...

    def read(self, path: str) -> bytes | None:
        """A file's content; None when it is not one of `paths`, too large, or cannot be had."""
        ...


class LocalFiles:
    """The files below a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths = tuple(sorted(_walk(folder)))
        self._known = frozenset(self._paths)

    def paths(self) -> Sequence[str]:
        """See `Files`."""
        return self._paths

    def read(self, path: str) -> bytes | None:
        """See `Files`."""
        if path not in self._known:
            return None
        try:
            # Not a link and not a pipe, even when it was replaced since it was listed.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            with os.fdopen(os.open(self._folder / path, flags), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return None
                content = file.read(MAX_BYTES + 1)
        except OSError:
            return None
        return content if len(content) <= MAX_BYTES else None


def _walk(folder: Path) -> Iterator[str]:
    left = MAX_PATHS
    for here, names, files in os.walk(folder):
        relative = Path(here).relative_to(folder)
        deep = len(relative.parts) >= MAX_DEPTH
        names[:] = [] if deep else sorted(name for name in names if name not in _SKIPPED)
        for name in sorted(files):
            if not stat.S_ISREG((Path(here) / name).lstat().st_mode):
                continue
            left -= 1
            if left < 0:
                return
            yield (relative / name).as_posix()


class Below:
    """The files of one folder of a repository, with paths relative to it.

    Args:
        folder: `.` for the root.
        without: Folders, from the root, whose files are left out.
    """

    def __init__(self, files: Files, folder: str, *, without: Collection[str] = ()) -> None:
        self._files = files
        self._prefix = "" if folder == "." else f"{folder}/"
        length = len(self._prefix)
        self._paths = tuple(
            path[length:]
            for path in files.paths()
            if path.startswith(self._prefix) and not _is_below(path, without)
        )

    def paths(self) -> Sequence[str]:
        """See `Files`."""
        return self._paths

    def read(self, path: str) -> bytes | None:
        """See `Files`."""
        return self._files.read(self._prefix + path)


def _is_below(path: str, folders: Collection[str]) -> bool:
    parts = path.split("/")[:-1]
    return any("/".join(parts[:end]) in folders for end in range(1, len(parts) + 1))


def text(files: Files, path: str) -> str | None:
    """A file's text, or None when it is no UTF-8 text or cannot be read."""
    content = files.read(path)
    if content is None or b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def within(path: str) -> str | None:
    """A path of the repository in its shortest form, or None when it leads out of it."""
    normal = posixpath.normpath(path.strip())
    return None if normal.startswith(("/", "..")) or normal == "." else normal
