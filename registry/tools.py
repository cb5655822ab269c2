"""A tool of an MCP server, as a server lists it, and its identity."""

import hashlib
from dataclasses import dataclass
from typing import Any

import rfc8785

from config.jsonb import unstorable

MAX_DEPTH = 100
_SAFE_INTEGER = 2**53 - 1


class ToolError(Exception):
    """A server lists a tool that is not one; the text says what is wrong."""


@dataclass(frozen=True)
class Tool:
    """A tool as the server lists it. `hash` is its identity: SHA-256 over the canonical JSON
    (RFC 8785) of name, description, inputSchema, outputSchema and annotations."""

    name: str
    input_schema: dict[str, Any]
    hash: str
    title: str | None = None
    description: str | None = None
    output_schema: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None


def tool_hash(
    *,
    name: str,
    input_schema: dict[str, Any],
    description: str | None = None,
    output_schema: dict[str, Any] | None = None,
    annotations: dict[str, Any] | None = None,
) -> str:
    """The identity of a tool, 64 hex digits. What is None is left out, as on the wire."""
    parts = {
        "name": name,
        "description": description,
        "inputSchema": input_schema,
        "outputSchema": output_schema,
        "annotations": annotations,
    }
    present = {key: _as_doubles(part) for key, part in parts.items() if part is not None}
    return hashlib.sha256(rfc8785.dumps(present)).hexdigest()


def from_listing(listed: Any) -> Tool:
    """A tool from an entry of `tools/list`.

    Raises:
        ToolError: it has no name, no input schema, or something that cannot be stored.
    """
    name = listed.get("name") if isinstance(listed, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= 256:
        raise ToolError("a tool has no name, or one beyond 256 characters")
    try:
        return _tool(name, listed)
    except (ToolError, OverflowError) as error:
        safe = name.encode("ascii", "backslashreplace").decode()
        raise ToolError(f"the tool {safe!r} {error}") from None


def _tool(name: str, listed: dict[str, Any]) -> Tool:
    _check_storable(listed)
    input_schema = _mapping(listed, "inputSchema")
    if input_schema is None:
        raise ToolError("has no inputSchema")
    output_schema, annotations = _mapping(listed, "outputSchema"), _mapping(listed, "annotations")
    description = _text(listed, "description")
    return Tool(
        name=name,
        input_schema=input_schema,
        hash=tool_hash(
            name=name,
            input_schema=input_schema,
            description=description,
            output_schema=output_schema,
            annotations=annotations,
        ),
        title=_text(listed, "title"),
        description=description,
        output_schema=output_schema,
        annotations=annotations,
    )


def _mapping(listed: dict[str, Any], key: str) -> dict[str, Any] | None:
    value = listed.get(key)
    if value is not None and not isinstance(value, dict):
        raise ToolError(f"has an {key} that is not an object")
    return value


def _text(listed: dict[str, Any], key: str) -> str | None:
    value = listed.get(key)
    if value is not None and not isinstance(value, str):
        raise ToolError(f"has a {key} that is not text")
    return value


def _check_storable(value: Any) -> None:
    """Refuse what PostgreSQL or the stack of whoever walks the value could not take."""
    waiting = [(value, 0)]
    while waiting:
        current, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ToolError(f"is nested deeper than {MAX_DEPTH} levels")
        if isinstance(current, str) and (what := unstorable(current)):
            raise ToolError(f"contains {what}")
        if isinstance(current, dict):
            waiting += [(part, depth + 1) for pair in current.items() for part in pair]
        elif isinstance(current, list):
            waiting += [(part, depth + 1) for part in current]


def _as_doubles(value: Any) -> Any:
    """The value with the numbers that RFC 8785 knows: integers beyond 2^53 become doubles, as
    every parser in JavaScript reads them."""
    if isinstance(value, dict):
        return {key: _as_doubles(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_as_doubles(part) for part in value]
    if isinstance(value, int) and abs(value) > _SAFE_INTEGER:
        return float(value)
    return value
