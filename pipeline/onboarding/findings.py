"""What the detection finds, where each piece comes from, and how sure it is."""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Sure = Literal["sure", "likely", "guess"]
T = TypeVar("T")


@dataclass(frozen=True)
class Found(Generic[T]):
    """A value for a field of `mcp.yaml`.

    Attributes:
        source: Where it was found, in words for people: a file, and a place in it.
        sure: `sure` when the source states it, `likely` when it follows from it, `guess` when
            something else is about as possible.
    """

    value: T
    source: str
    sure: Sure = "sure"


@dataclass(frozen=True)
class About:
    """What is known of a repository besides its files.

    Attributes:
        name: Its name, without the owner's.
        description: The one that GitHub shows.
        topics: Those that GitHub shows.
    """

    name: str
    description: str | None = None
    topics: tuple[str, ...] = ()


@dataclass(frozen=True)
class Runtime:
    """`python`, `node` or `docker`, and the version of the language where it matters."""

    type: Literal["python", "node", "docker"]
    version: str | None = None


@dataclass(frozen=True)
class Transport:
    """How the server speaks MCP; path and port of a stdio server are the bridge's."""

    type: Literal["stdio", "streamable-http"]
    path: str = "/mcp"
    port: int = 8080


@dataclass(frozen=True)
class Variable:
    """An environment variable that the server reads. Its value is never looked at.

    Attributes:
        secret: It is declared or named like one.
        required: The server has no default for it, or says that it is needed.
    """

    name: str
    source: str
    description: str | None = None
    required: bool = True
    secret: bool = False


@dataclass(frozen=True)
class Detected:
    """An MCP server, and what an `mcp.yaml` can say of it.

    Attributes:
        evidence: Why it is taken for an MCP server.
        entrypoint: None when nothing says how it is started; with runtime docker the image knows.
        context: The folder that holds it, `.` for the root.
        variables: What it reads from its environment.
        env: What it needs in its environment so that it can be reached.
        tools: Names of tools that are seen in its code; there may be more.
        concerns: What its author should look at, in sentences.
    """

    evidence: str
    name: Found[str]
    runtime: Found[Runtime]
    transport: Found[Transport]
    title: Found[str] | None = None
    description: Found[str] | None = None
    version: Found[str] | None = None
    entrypoint: Found[tuple[str, ...]] | None = None
    context: str = "."
    dockerfile: str = "Dockerfile"
    system_packages: tuple[str, ...] = ()
    variables: tuple[Variable, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    concerns: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotDetected:
    """Why there is no `mcp.yaml` to write.

    Attributes:
        kind: `no_server`; `several` in different folders; `unsupported`: a server that Sigil
            cannot build.
        reason: In words, for people.
    """

    kind: Literal["no_server", "several", "unsupported"]
    reason: str
