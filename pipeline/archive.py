"""Unpacks GitHub's tarball of a commit, which anybody may have written, without trusting it.

Reads with `tarfile` but writes itself: links are made only after all files are written, so that
nothing can be written through one, and each is then resolved by the system and must end inside.
(The `data` filter of `tarfile` alone has been bypassed more than once; CVE-2025-4517 is one way.)
"""

import gzip
import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

MAX_PATH = 1024
MAX_NAME = 255
MAX_DEPTH = 100
_MAX_EXTENSION = 64 * 1024
_OVERHEAD = 4096
_CHUNK = 256 * 1024
_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class ArchiveError(Exception):
    """The archive is damaged, too large or not safe; the text says which entry and why."""


@dataclass(frozen=True)
class ExtractedTree:
    """What was unpacked.

    Attributes:
        path: The folder that holds the repository's files.
        files: Entries of any kind, folders included.
        bytes: The sum of the files' sizes.
        commit: The commit that the archive says it is of, as `git archive` writes it.
    """

    path: Path
    files: int
    bytes: int
    commit: str | None


def extract(
    fileobj: IO[bytes], destination: Path, *, max_bytes: int, max_files: int
) -> ExtractedTree:
    """Unpack a gzipped tarball without its single top-level folder.

    Files get mode 0644 or 0755 and the time that the archive gives; links inside the tree stay
    links, hard links become copies.

    Args:
        fileobj: The tarball; read once, from where it is.
        destination: Does not exist yet; its parent does.
        max_bytes: Limit of the sum of all files' sizes.
        max_files: Limit of the number of entries.

    Raises:
        ArchiveError: and then `destination` does not exist.
    """
    _mkdir(destination)
    try:
        with _damage():
            stream = _Limited(fileobj, max_bytes, max_bytes + max_files * _OVERHEAD + 2**20)
            return _Unpacking(destination, max_bytes, max_files).run(stream)
    except BaseException:
        shutil.rmtree(destination)
        raise


@contextmanager
def _damage() -> Iterator[None]:
    """What the readers raise for broken archives, as `ArchiveError`."""
    try:
        yield
    except gzip.BadGzipFile as error:
        raise ArchiveError("The archive is not a gzip file, or its checksum is wrong.") from error
    except EOFError as error:
        raise ArchiveError("The archive ends early.") from error
    except (tarfile.TarError, zlib.error, ValueError, OverflowError) as error:
        raise ArchiveError("The archive is damaged.") from error


class _Limited:
    """The decompressed archive, which ends with an error where it grows beyond a limit."""

    def __init__(self, fileobj: IO[bytes], shown: int, limit: int) -> None:
        self._stream = gzip.GzipFile(fileobj=fileobj, mode="rb")
        self._shown = shown
        self._left = limit

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, _CHUNK))
        self._left -= len(data)
        if self._left < 0:
            raise ArchiveError(f"The archive unpacks to more than {self._shown:,} bytes.")
        return data

    def drain(self) -> None:
        """Read what follows the last entry, so that the checksum is looked at."""
        while self.read(_CHUNK):
            pass


class _Member(tarfile.TarInfo):
    """A header that is refused where `tarfile` would take it for the end of the archive.

    Both methods are passed through by every version of `tarfile`. `frombuf` is not: the one in
    Debian 12, for instance, reads headers without it.
    """

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> "_Member":
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise  # The end mark.
        except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise ArchiveError("The archive ends early.") from error
        except tarfile.HeaderError as error:
            raise ArchiveError("The archive is damaged.") from error

    def _proc_member(self, tarfile_: tarfile.TarFile) -> "_Member":
        if self.size < 0 or (self.type in _EXTENSIONS and self.size > _MAX_EXTENSION):
            raise ArchiveError("The archive has a header of a senseless size.")
        return super()._proc_member(tarfile_)  # type: ignore[misc,no-any-return]


_Kind = Literal["folder", "file", "link"]


class _Unpacking:
    """One extraction. Paths are tuples of names below the top-level folder."""

    def __init__(self, root: Path, max_bytes: int, max_files: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._bytes = 0
        self._files = 0
        self._top: str | None = None
        self._kinds: dict[tuple[str, ...], _Kind] = {(): "folder"}
        self._links: dict[tuple[str, ...], str] = {}
        self._times: list[tuple[Path, float]] = []

    def run(self, stream: _Limited) -> ExtractedTree:
        with tarfile.open(
            fileobj=stream,  # type: ignore[call-overload]
            mode="r|",
            bufsize=_CHUNK,
            tarinfo=_Member,
            encoding="utf-8",
            errors="surrogateescape",
        ) as tar:
            for member in tar:
                self._entry(tar, member)
            commit = tar.pax_headers.get("comment")
        stream.drain()
        if self._top is None:
            raise ArchiveError("The archive is empty.")
        self._make_links()
        for path, when in reversed(self._times):
            os.utime(path, (when, when))
        return ExtractedTree(self._root, self._files, self._bytes, commit)

    def _entry(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        self._files += 1
        if self._files > self._max_files:
            raise ArchiveError(f"The archive has more than {self._max_files:,} files.")
        path = self._inside(member.name)
        if not path and not member.isdir():
            raise ArchiveError(f"The entry {_quoted(member.name)} is not in a top-level folder.")
        if member.isdir():
            self._folder(path, member)
        elif member.issym():
            self._claim(path, "link", member.name)
            self._links[path] = member.linkname
        elif member.islnk():
            self._copy(path, member)
        elif member.isreg() and not member.issparse():
            self._file(tar, path, member)
        else:
            raise ArchiveError(
                f"The entry {_quoted(member.name)} is a device, a pipe or of an unknown kind."
            )

    def _inside(self, name: str) -> tuple[str, ...]:
        """The path below the top-level folder."""
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if name.startswith("/"):
            raise ArchiveError(f"The entry {_quoted(name)} has an absolute path.")
        if ".." in parts:
            raise ArchiveError(f"The entry {_quoted(name)} leads out of its folder.")
        longest = max((len(os.fsencode(part)) for part in parts), default=0)
        if len(os.fsencode(name)) > MAX_PATH or longest > MAX_NAME or len(parts) > MAX_DEPTH:
            raise ArchiveError(
                f"The path {_quoted(name)} is too long; the limits are {MAX_PATH:,} bytes, "
                f"{MAX_NAME} for one name, and {MAX_DEPTH} folders."
            )
        if not parts:
            raise ArchiveError("The archive has an entry without a name.")
        if self._top is None:
            self._top = parts[0]
        elif parts[0] != self._top:
            raise ArchiveError(
                f"The archive has two top-level folders, {_quoted(self._top)} and "
                f"{_quoted(parts[0])}; GitHub's have one."
            )
        return parts[1:]

    def _claim(self, path: tuple[str, ...], kind: _Kind, name: str) -> None:
        """Make the folders above a new entry, and see that nothing is in its place."""
        for depth in range(1, len(path)):
            above = path[:depth]
            if above not in self._kinds:
                _mkdir(self._root.joinpath(*above))
                self._kinds[above] = "folder"
            elif self._kinds[above] != "folder":
                raise ArchiveError(f"The entry {_quoted(name)} lies under a file or a link.")
        if path in self._kinds:
            raise ArchiveError(f"The entry {_quoted(name)} appears twice.")
        self._kinds[path] = kind

    def _folder(self, path: tuple[str, ...], member: tarfile.TarInfo) -> None:
        place = self._root.joinpath(*path)
        if self._kinds.get(path) != "folder":
            self._claim(path, "folder", member.name)
            _mkdir(place)
        self._times.append((place, _time(member)))

    def _file(self, tar: tarfile.TarFile, path: tuple[str, ...], member: tarfile.TarInfo) -> None:
        self._claim(path, "file", member.name)
        self._count(member.size)
        content = tar.extractfile(member)
        assert content is not None
        place = self._root.joinpath(*path)
        with place.open("xb") as file:
            shutil.copyfileobj(content, file, _CHUNK)
            if file.tell() != member.size:
                raise ArchiveError("The archive ends early.")
            os.fchmod(file.fileno(), 0o755 if member.mode & stat.S_IXUSR else 0o644)
        self._times.append((place, _time(member)))

    def _copy(self, path: tuple[str, ...], member: tarfile.TarInfo) -> None:
        original = self._inside(member.linkname)
        if self._kinds.get(original) != "file":
            raise ArchiveError(
                f"The hard link {_quoted(member.name)} does not lead to an earlier file."
            )
        self._claim(path, "file", member.name)
        source, place = self._root.joinpath(*original), self._root.joinpath(*path)
        self._count(source.stat().st_size)
        shutil.copy(source, place)
        self._times.append((place, _time(member)))

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._max_bytes:
            raise ArchiveError(f"The archive unpacks to more than {self._max_bytes:,} bytes.")

    def _make_links(self) -> None:
        for path, target in self._links.items():
            if target.startswith("/") or len(os.fsencode(target)) > MAX_PATH or not target:
                raise ArchiveError(f"The link {_quoted('/'.join(path))} leads out of the tree.")
            self._root.joinpath(*path).symlink_to(target)
        # Only now, when all are there: a link may lead out over other links.
        root = os.path.realpath(self._root)
        for path in self._links:
            end = os.path.realpath(self._root.joinpath(*path))
            if end != root and not end.startswith(root + os.sep):
                raise ArchiveError(f"The link {_quoted('/'.join(path))} leads out of the tree.")


def _mkdir(path: Path) -> None:
    path.mkdir()
    path.chmod(0o755)  # Whatever the umask.


def _time(member: tarfile.TarInfo) -> float:
    """The entry's time, within what zip files and file systems can hold."""
    return min(max(float(member.mtime), 315_619_200.0), 4_294_967_295.0)


def _quoted(name: str) -> str:
    """A name for a message: one line, bounded, and valid Unicode whatever the archive holds."""
    shown = name.encode("utf-8", "backslashreplace").decode()
    shown = "".join(character if character.isprintable() else "�" for character in shown)
    return f"`{shown[:120]}…`" if len(shown) > 120 else f"`{shown}`"
