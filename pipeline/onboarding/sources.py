"""Chooses which source files to read, reads them, and tells by them whether they are a server's.

Each may cost a request to GitHub.
"""

import posixpath
import re
from collections.abc import Callable, Iterable

from pipeline.onboarding.files import Files, text
from pipeline.onboarding.source import Source

MAX_SOURCES = 24

# Folders whose code is not the server's: written by a build, or about something else.
_ASIDE = re.compile(
    r"(?:^|/)(?:\.[^/]+|tests?|__tests__|spec|specs|e2e|examples?|samples?|demos?|docs?|scripts|"
    r"benchmarks?|bench|fixtures|templates?|vendor|third_party|migrations|dist|build|out|"
    r"coverage|node_modules|\.venv|venv|site-packages|evals?)/",
    re.IGNORECASE,
)
_ASIDE_FILES = re.compile(
    r"(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|setup|noxfile|tasks|[^/]*\.(?:test|spec|d|min|config))"
    r"\.[a-z]+$"
)
_HAND_WRITTEN = re.compile(r"""["']tools/list["']""")
_TELLING = ("server", "main", "__main__", "mcp", "app", "index", "cli", "run", "stdio", "http")
_CONFIGURING = ("config", "settings", "env", "client", "api", "auth", "tools", "__init__")


def is_aside(path: str) -> bool:
    """Whether a file is a test, an example, a document or a product of the build."""
    return bool(_ASIDE.search(path) or _ASIDE_FILES.search(path))


def sources(
    files: Files,
    extensions: tuple[str, ...],
    read: Callable[[str, str], Source],
    *,
    first: Iterable[str] = (),
) -> tuple[Source, ...]:
    """What the most telling source files say, at most `MAX_SOURCES`.

    Args:
        first: Files that are read before all others, such as the target of a script.
    """
    known = [path for path in files.paths() if path.endswith(extensions)]
    wanted = dict.fromkeys(path for path in first if path in set(known))
    wanted |= dict.fromkeys(sorted((p for p in known if not is_aside(p)), key=_rank))
    found = []
    for path in list(wanted)[:MAX_SOURCES]:
        content = text(files, path)
        if content is not None:
            found.append(read(path, content))
    return tuple(found)


def evidence(files: Files, read: Iterable[Source], *, sdk: str | None) -> str | None:
    """Why a project is an MCP server, in words; None when it does not look like one.

    Args:
        sdk: The library for MCP that it depends on.
    """
    found = tuple(read)
    for one in found:
        if one.serves:
            return f"`{one.path}` makes a server with `{one.framework}`"
    for one in found:
        if _HAND_WRITTEN.search(text(files, one.path) or ""):
            return f"`{one.path}` answers `tools/list` itself"
    if sdk and not any(one.client for one in found):
        return f"it depends on `{sdk}`"
    return None


def _rank(path: str) -> tuple[int, int, str]:
    stem = posixpath.basename(path).split(".")[0].lower()
    parts = set(re.split(r"[_-]", stem)) | {stem}
    kind = 0 if parts & set(_TELLING) else 1 if parts & set(_CONFIGURING) else 2
    return kind, path.count("/"), path
