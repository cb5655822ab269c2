"""What Sigil says about a key that `mcp.yaml` does not have: planned, misplaced or misspelt."""

import difflib
import functools
from collections.abc import Iterable, Iterator

from pipeline.manifest.document import Path, quoted, show
from pipeline.manifest.schema import Schema, root

NOT_YET = {
    ("secrets",): "Sigil cannot pass secrets to a server yet.",
    ("access",): "Every listed server is public for now.",
    ("healthcheck", "mode"): "Sigil always checks with an MCP handshake.",
    ("healthcheck", "interval"): "Servers are not checked at intervals yet.",
    ("resources", "replicas"): "One copy of a server runs for now.",
}

_OTHER_WORDS = {
    "args": "entrypoint",
    "cmd": "entrypoint",
    "command": "entrypoint",
    "start": "entrypoint",
    "environment": "env",
    "environments": "env",
    "keywords": "tags",
    "language": "runtime",
    "packages": "build.system_packages",
    "apt": "build.system_packages",
    "url": "transport.path",
    "endpoint": "transport.path",
    "display_name": "title",
    "summary": "description",
    "limits": "resources",
}


def unknown_key(path: Path, known: Iterable[str]) -> str:
    """The message for a key that is not in the schema.

    Args:
        path: Where the key is.
        known: The keys that would be accepted there.
    """
    name = quoted(show(path).strip("`"))
    generic = tuple(part for part in path if isinstance(part, str))
    if generic in NOT_YET:
        return f"{name} is not supported yet: {NOT_YET[generic]} Remove it."
    key = str(path[-1])
    elsewhere = _elsewhere()
    if close := difflib.get_close_matches(key, list(known), n=1, cutoff=0.85):
        return f"{name} is not a field. Did you mean `{close[0]}`?"
    if key in elsewhere:
        return f"{name} is not a field here. Did you mean `{elsewhere[key]}`?"
    if close := difflib.get_close_matches(key.lower(), list(known), n=1):
        return f"{name} is not a field. Did you mean `{close[0]}`?"
    if close := difflib.get_close_matches(key.lower(), list(elsewhere), n=1):
        return f"{name} is not a field. Did you mean `{elsewhere[close[0]]}`?"
    return f"{name} is not a field. Remove it; accepted here: {', '.join(known)}."


@functools.cache
def _elsewhere() -> dict[str, str]:
    """Fields by their own name and by other names for the same thing."""
    return _OTHER_WORDS | {path[-1]: ".".join(path) for path in _fields(root(), ())}


def _fields(schema: Schema, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every field outside lists. The shallowest comes last, so that it wins over a namesake."""
    for name, inner in schema.get("properties", {}).items():
        yield from _fields(inner, (*path, name))
    for name in schema.get("properties", {}):
        yield (*path, name)
