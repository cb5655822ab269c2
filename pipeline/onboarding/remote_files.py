"""The files of a commit at GitHub, read through its REST API with a bounded number of requests."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from pipeline.github.client import InstallationClient
from pipeline.onboarding.files import MAX_BYTES, MAX_PATHS, is_skipped
from pipeline.runs import Repository

MAX_READS = 60
"""So many files are asked for; after that the rest are taken for unreadable."""

_REGULAR = ("100644", "100755")


class RemoteFiles:
    """The files of a commit; see `pipeline.onboarding.files.Files`.

    Attributes:
        complete: GitHub listed all of them.
    """

    def __init__(self, github: InstallationClient, repository: Repository, sha: str) -> None:
        self._github = github
        self._repository = repository
        # https://docs.github.com/en/rest/git/trees#get-a-tree
        tree: Any = github.rest.git.get_tree(
            repository.owner, repository.name, sha, recursive="1"
        ).json()
        entries = [entry for entry in tree["tree"] if isinstance(entry.get("path"), str)]
        self.complete = not tree.get("truncated")
        self._names = frozenset(entry["path"] for entry in entries)
        regular = (entry for entry in entries if entry.get("mode") in _REGULAR)
        found = {entry["path"]: entry for entry in regular if not is_skipped(entry["path"])}
        self._entries = {path: found[path] for path in sorted(found)[:MAX_PATHS]}
        self._read: dict[str, bytes | None] = {}

    def has(self, path: str) -> bool:
        """Whether there is anything of that name: a file, a link, a folder."""
        return path in self._names

    def paths(self) -> Sequence[str]:
        """See `Files`."""
        return tuple(self._entries)

    def read(self, path: str) -> bytes | None:
        """See `Files`. Asks for each file once."""
        if path not in self._read:
            entry = self._entries.get(path)
            fits = entry is not None and entry.get("size", 0) <= MAX_BYTES
            if entry is None or not fits or len(self._read) >= MAX_READS:
                return None
            self._read[path] = self._blob(entry["sha"])
        return self._read[path]

    def _blob(self, sha: str) -> bytes | None:
        # By its own name and not by its path, which may hold any character.
        repository = self._repository
        blob: Any = self._github.rest.git.get_blob(repository.owner, repository.name, sha).json()
        try:
            return base64.b64decode(blob.get("content") or "")
        except binascii.Error:
            return None
