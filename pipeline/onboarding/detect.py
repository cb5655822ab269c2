"""From the files of a repository to what its `mcp.yaml` would say, or why there is none."""

import dataclasses
import itertools
import posixpath
from collections.abc import Iterable, Iterator

from pipeline.manifest.schema import field, matches
from pipeline.manifest.secrets import kind_of
from pipeline.onboarding import wording
from pipeline.onboarding.existing import server_json
from pipeline.onboarding.files import Below, Files
from pipeline.onboarding.findings import About, Detected, NotDetected
from pipeline.onboarding.folder import look
from pipeline.onboarding.sources import is_aside

# A folder with one of these stands for itself.
PROJECT_FILES = ("pyproject.toml", "package.json", "requirements.txt", "setup.py", "go.mod")
_TELLING_FILES = (*PROJECT_FILES, "Cargo.toml", "Dockerfile", "server.json", "smithery.yaml")
_MAX_DEPTH = 4
_MAX_FOLDERS = 20


def detect(files: Files, about: About) -> Detected | NotDetected:
    """Look for an MCP server: at the root first, then in the folders that hold a project.

    Reads at most some dozens of files, each once for every folder that it may speak of.
    """
    if not files.paths():
        return NotDetected("no_server", "The repository has no files.")
    root = look(_own(files, "."), about)
    if isinstance(root, Detected):
        return root
    named = server_json(files).subfolder
    folders = list(_fit([named])) if named else list(_folders(files))
    found = [(folder, look(_own(files, folder), about, root=files)) for folder in folders]
    servers = [(folder, one) for folder, one in found if isinstance(one, Detected)]
    if len(servers) == 1:
        folder, one = servers[0]
        return dataclasses.replace(one, context=folder)
    if servers:
        names = ", ".join(f"`{folder}`" for folder, _ in servers[:10])
        return NotDetected(
            "several",
            f"{len(servers)} folders hold an MCP server: {names}. Sigil takes one for each "
            "repository: add an mcp.yaml whose `build.context` names the folder.",
        )
    others = [root, *(one for _, one in found if isinstance(one, NotDetected))]
    return next((one for one in others if one.kind == "unsupported"), root)


def _own(files: Files, folder: str) -> Below:
    """The files of a folder without those of projects further down."""
    prefix = "" if folder == "." else f"{folder}/"
    inner = {
        posixpath.dirname(path)
        for path in files.paths()
        if path.startswith(prefix) and posixpath.basename(path) in PROJECT_FILES
    }
    return Below(files, folder, without=inner - {folder, ""})


def _folders(files: Files) -> Iterator[str]:
    found: dict[str, None] = {}
    for path in files.paths():
        folder, name = posixpath.split(path)
        deep = folder.count("/") >= _MAX_DEPTH
        if folder and name in _TELLING_FILES and not deep and not is_aside(f"{folder}/"):
            found[folder] = None
    yield from itertools.islice(_fit(found), _MAX_FOLDERS)


def _fit(folders: Iterable[str]) -> Iterator[str]:
    schema = field("build", "context")
    for folder in folders:
        plain = folder == wording.line(folder) and not kind_of(folder)
        if plain and matches(schema["pattern"], folder) and len(folder) <= schema["maxLength"]:
            yield folder
