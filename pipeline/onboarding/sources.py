"""Chooses which source files to read, and reads them; each may cost a request to GitHub."""

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


def _rank(path: str) -> tuple[int, int, str]:
    stem = posixpath.basename(path).split(".")[0].lower()
    parts = set(re.split(r"[_-]", stem)) | {stem}
    kind = 0 if parts & set(_TELLING) else 1 if parts & set(_CONFIGURING) else 2
    return kind, path.count("/"), path
