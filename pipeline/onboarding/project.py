"""What is known of a project in one language, before other files add to it."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.onboarding.findings import Found, Runtime, Transport
from pipeline.onboarding.hints import Command
from pipeline.onboarding.source import Source

Commands = Callable[[tuple[str, ...]], tuple[Command, ...]]
"""How others start a project that goes by these names."""


@dataclass(frozen=True)
class Entry:
    """A way to start the server.

    Attributes:
        file: The source file that it starts, when that is known.
        concern: What its author should look at.
        transport: How the server speaks when it is started so, where the command decides it.
    """

    command: Found[tuple[str, ...]]
    file: str | None = None
    concern: str | None = None
    transport: Transport | None = None


@dataclass(frozen=True)
class Project:
    """A Python or Node project in one folder.

    Attributes:
        evidence: Why it is an MCP server; None when it is none.
        keywords: Its own, as they are written.
        default_port: What its libraries listen on when nobody says anything.
        entry: The best way to start it that was found.
        names: Those that it and its programs go by.
    """

    runtime: Found[Runtime]
    evidence: str | None = None
    name: Found[str] | None = None
    description: Found[str] | None = None
    version: Found[str] | None = None
    keywords: tuple[object, ...] = ()
    sources: tuple[Source, ...] = ()
    default_port: int | None = None
    entry: Entry | None = None
    names: tuple[str, ...] = ()
