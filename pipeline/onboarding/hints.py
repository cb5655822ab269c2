"""What files that describe a server say of it, one form for all of them."""

from dataclasses import dataclass
from typing import Literal

from pipeline.onboarding.findings import Found, Variable


@dataclass(frozen=True)
class Command:
    """A command that starts the server on its author's or user's machine, and who says so."""

    parts: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Hints:
    """What one file says.

    Attributes:
        commands: How it is started elsewhere; a place to look for the entrypoint.
        is_server: The file is there because this is an MCP server, or says that it is one.
        subfolder: The folder of the repository that holds the server.
    """

    name: Found[str] | None = None
    title: Found[str] | None = None
    description: Found[str] | None = None
    version: Found[str] | None = None
    transport: Found[Literal["stdio", "streamable-http"]] | None = None
    commands: tuple[Command, ...] = ()
    variables: tuple[Variable, ...] = ()
    is_server: str | None = None
    subfolder: str | None = None


def found(value: str | None, source: str) -> Found[str] | None:
    """A finding, when there is a value."""
    return Found(value, source) if value else None
