"""What one source file says of an MCP server, in whatever language it is written."""

import re
from dataclasses import dataclass
from typing import Literal

from pipeline.onboarding.findings import Variable

# Read by the language's runtime, by shells and platforms, or set by Sigil itself.
_NOT_OURS = {
    *("PATH", "HOME", "USER", "SHELL", "PWD", "LANG", "TZ", "TERM", "TMPDIR", "TEMP", "TMP", "CI"),
    *("HOST", "PORT", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "EDITOR", "NO_COLOR", "DISPLAY"),
    *("NODE_ENV", "NODE_OPTIONS", "FORCE_COLOR", "NODE_PATH", "VIRTUAL_ENV", "DEBUG"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "HOSTNAME", "COMSPEC", "SYSTEMROOT"),
}
_NOT_OURS_PREFIXES = ("PYTHON", "NPM_", "XDG_", "GITHUB_ACTION", "PYTEST_", "VITEST", "JEST_")
_CHOICE = re.compile(
    r"(?:(?:FAST)?MCP_|APP_|HTTP_)?(?:SERVER_)?(?:HTTP_)?(?:TRANSPORT(?:_TYPE|_MODE)?|PORT|HOST)\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Serving:
    """One way in which a file starts a server.

    Attributes:
        transport: None when the code does not say which.
        port: The one that is written down, if any; also as the default of a variable.
        port_variable: The environment variable that the port is read from.
        host: The address that is written down, if any.
        host_variable: The environment variable that the address is read from.
        chosen: Something, such as an argument, chooses; `transport` is what it is without it.
        unknown: Of `port` and `host`: what the code sets to something that could not be read.
    """

    transport: Literal["stdio", "streamable-http", "sse"] | None
    path: str | None = None
    port: int | None = None
    port_variable: str | None = None
    host: str | None = None
    host_variable: str | None = None
    chosen: bool = False
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Source:
    """What one file says.

    Attributes:
        serves: It makes or runs an MCP server.
        client: It uses the client's side of MCP.
        starts: Running the file starts something.
        relative: It imports its neighbours relatively, so it runs as a module only.
        servings: How it starts servers, in the order of the file.
        servers: Names at its top level that hold a server object.
        apps: Names at its top level that hold an ASGI application.
        framework: The library that makes the server, such as `fastmcp`.
        version: A version that it declares.
        imports: What it imports, by full names; a relative one begins with its dots.
    """

    path: str
    serves: bool = False
    client: bool = False
    starts: bool = False
    relative: bool = False
    servings: tuple[Serving, ...] = ()
    servers: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    framework: str | None = None
    variables: tuple[Variable, ...] = ()
    tools: tuple[str, ...] = ()
    version: str | None = None
    imports: tuple[str, ...] = ()


def is_setting(variable: str) -> bool:
    """Whether an environment variable is the server's own, not one of the system."""
    upper = variable.upper()
    return upper not in _NOT_OURS and not upper.startswith(_NOT_OURS_PREFIXES)


def is_choice(variable: str) -> bool:
    """Whether a variable only chooses how the server is reached, which `transport` says."""
    return _CHOICE.match(variable) is not None


def transport_named(word: object) -> Literal["stdio", "streamable-http", "sse"] | None:
    """The transport that a library's word for it means."""
    if not isinstance(word, str):
        return None
    known: dict[str, Literal["stdio", "streamable-http", "sse"]] = {
        "stdio": "stdio",
        "http": "streamable-http",
        "shttp": "streamable-http",
        "streamable": "streamable-http",
        "streamablehttp": "streamable-http",
        "httpstream": "streamable-http",
        "sse": "sse",
    }
    return known.get(word.lower().replace("-", "").replace("_", ""))
