"""Where the sandbox keeps things: one folder for all it stores, and a short one for sockets."""

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

CODE = Path(__file__).parent.parent
"""The checkout: where the Procfile lies and from where its processes run."""


class PlaceError(Exception):
    """A folder cannot be used. The text says which and why."""


@dataclass(frozen=True)
class Places:
    """The folders and files of one sandbox, all named by its main folder.

    Attributes:
        folder: Absolute; holds data, logs and `sandbox.json`.
    """

    folder: Path

    @property
    def _short_name(self) -> str:
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:10]
        return f"sigil-{os.geteuid()}-{digest}"

    @property
    def runtime(self) -> Path:
        """Sockets. A Unix socket's path may have 107 characters, and a checkout lies anywhere."""
        shared = Path("/tmp")  # noqa: S108 - TMPDIR may be long; `claim` checks the owner
        root = shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
        return root / self._short_name

    @property
    def database(self) -> Path:
        """PostgreSQL's data. Somewhere else when the user it runs as could not reach it here."""
        return self.database_root / "postgres"

    @property
    def database_root(self) -> Path:
        """`folder`, or for root, below whose home nobody else may look, a folder in /var/tmp."""
        if os.geteuid() != 0 or others_reach(self.folder):
            return self.folder
        return Path("/var/tmp") / self._short_name  # noqa: S108 - `claim` checks the owner

    @property
    def logs(self) -> Path:
        """One file for each process."""
        return self.folder / "log"

    @property
    def github(self) -> Path:
        """The state of the GitHub stand-in."""
        return self.folder / "github"

    @property
    def secrets(self) -> Path:
        """The App's private key and the webhook secret, made once."""
        return self.folder / "secrets"

    @property
    def servers(self) -> Path:
        """What Sigil builds and runs (`SIGIL_VAR`)."""
        return self.folder / "servers"

    @property
    def record(self) -> Path:
        """What other tools read to talk to the running sandbox."""
        return self.folder / "sandbox.json"

    @property
    def supervisor_socket(self) -> Path:
        """Where the process manager takes orders."""
        return self.runtime / "supervisor.sock"

    def make(self) -> None:
        """Create the folders.

        Raises:
            PlaceError: when one cannot be made, or belongs to somebody else.
        """
        for folder in (self.folder, self.logs, self.github, self.servers, self.secrets):
            _make(folder)
        self.secrets.chmod(0o700)
        for folder in {self.runtime, self.database_root} - {self.folder}:
            _make(folder)
            claim(folder)


def others_reach(folder: Path) -> bool:
    """Whether every user of this machine may pass through `folder` and all above it."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return all(path.stat().st_mode & stat.S_IXOTH for path in (existing, *existing.parents))


def claim(folder: Path) -> None:
    """Let others pass through `folder`, which lies in a shared one such as /tmp, but not look.

    Raises:
        PlaceError: when it is somebody else's, or a link that somebody put there first.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PlaceError(f"{folder} is another user's, or not a folder. Remove it and try again.")
    folder.chmod(0o711)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PlaceError(f"The folder {folder} cannot be made: {error.strerror}.") from error
