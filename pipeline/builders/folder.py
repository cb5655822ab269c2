"""The layout of a folder artifact, shared by the builder that makes it and the host that runs it.

app/     the source, with node_modules when there are
venv/    Python's virtual environment
bridge/  the stdio bridge's virtual environment
tools/   a package manager from npm
home/    HOME of the build and of the server
digest   written last: a folder without it is not finished
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.environment import clean_environment

_NOT_COPIED = shutil.ignore_patterns(".git", "node_modules", ".venv", "__pycache__")


@dataclass(frozen=True)
class Folder:
    """A folder artifact at `root`, an absolute path."""

    root: Path

    @property
    def app(self) -> Path:
        """The source; the server's working directory."""
        return self.root / "app"

    @property
    def venv(self) -> Path:
        """Python's virtual environment."""
        return self.root / "venv"

    @property
    def bridge(self) -> Path:
        """The bridge's virtual environment."""
        return self.root / "bridge"

    @property
    def tools(self) -> Path:
        """Where a package manager from npm is installed."""
        return self.root / "tools"

    @property
    def home(self) -> Path:
        """HOME of the build and of the server."""
        return self.root / "home"

    def programs(self) -> tuple[Path, ...]:
        """Where the server's own programs are, before those of the machine."""
        return (
            self.venv / "bin",
            self.app / "node_modules" / ".bin",
            self.tools / "node_modules" / ".bin",
        )

    def environment(self, **extra: str) -> dict[str, str]:
        """The environment of a program that belongs to the artifact; `extra` wins."""
        clean = clean_environment()
        path = os.pathsep.join((*map(str, self.programs()), clean.get("PATH", os.defpath)))
        own = {"HOME": str(self.home), "PATH": path, "PYTHONUNBUFFERED": "1"}
        if self.venv.exists():
            # `uv run` as an entrypoint must take what was installed and change nothing.
            own |= {"VIRTUAL_ENV": str(self.venv), "UV_PROJECT_ENVIRONMENT": str(self.venv)}
            own |= {"UV_NO_SYNC": "1", "UV_FROZEN": "1", "UV_PYTHON_DOWNLOADS": "never"}
        return {**clean, **own, **extra}

    def find_program(self, name: str) -> str | None:
        """The absolute path of a program of the artifact or of the machine, or None."""
        if os.sep in name:
            path = self.app / name
            return str(path) if os.access(path, os.X_OK) and path.is_file() else None
        return shutil.which(name, path=self.environment()["PATH"])

    def copy_source(self, source: Path) -> None:
        """Copy the source, without history and without what is installed anew."""
        shutil.copytree(source, self.app, symlinks=True, ignore=_NOT_COPIED)

    def restore(self, source: Path, name: str) -> None:
        """Copy one file of the source again, if it is there, over what a command made of it."""
        if (source / name).is_file():
            shutil.copy2(source / name, self.app / name)

    def digest(self) -> str | None:
        """The digest of a finished artifact, or None."""
        try:
            return (self.root / "digest").read_text()
        except FileNotFoundError:
            return None

    def finish(self, digest: str) -> None:
        """Mark the artifact as finished."""
        temporary = self.root / "digest.new"
        temporary.write_text(digest)
        temporary.replace(self.root / "digest")


def digest_of(source: Path, *inputs: str) -> str:
    """`sha256:…` over the source's files and over `inputs`."""
    total = hashlib.sha256()
    for text in inputs:
        total.update(f"{len(text)}:{text}".encode())
    for path in _files(source):
        relative = path.relative_to(source).as_posix()
        if path.is_symlink():
            kind, content = "link", str(path.readlink()).encode()
        else:
            kind = "program" if os.access(path, os.X_OK) else "file"
            content = path.read_bytes()
        total.update(f"{kind}:{len(relative)}:{relative}:{len(content)}:".encode())
        total.update(content)
    return f"sha256:{total.hexdigest()}"


def _files(source: Path) -> Iterator[Path]:
    found = []
    for folder, names, files in os.walk(source):
        names[:] = sorted(name for name in names if name != ".git")
        links = [name for name in names if (Path(folder) / name).is_symlink()]
        found += [Path(folder) / name for name in (*files, *links)]
    yield from sorted(found)
