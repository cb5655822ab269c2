"""Reads one JavaScript or TypeScript file for signs of an MCP server.

By patterns, because nothing here parses TypeScript: what they find is a hint, and what they miss
the author adds.
"""

import re
from collections.abc import Iterator

from pipeline.manifest.secrets import named_like_one
from pipeline.onboarding.findings import Variable
from pipeline.onboarding.source import Serving, Source, is_setting, transport_named

# Repetitions are bounded, so that no text makes a search slow.
_COMMENT = re.compile(r"^\s{0,200}(?://|\*|/\*)[^\n]*$", re.MULTILINE)
_MODULE = re.compile(
    r"""(?:\bfrom|\bimport|\brequire\s?\(|\bimport\s?\()\s{0,20}["']([^"'\n]{1,200})["']"""
)
_SERVER_MODULES = (
    *("@modelcontextprotocol/sdk/server", "@modelcontextprotocol/server"),
    *("@modelcontextprotocol/node", "@modelcontextprotocol/express", "@modelcontextprotocol/hono"),
    *("fastmcp", "mcp-framework", "mcp-handler", "@vercel/mcp-adapter", "@hono/mcp"),
)
_CLIENT_MODULES = ("@modelcontextprotocol/sdk/client", "@modelcontextprotocol/client")
_ENVIRONMENT = re.compile(
    r"""process\.env(?:\.([A-Za-z_]\w{0,127})|\[\s?["']([A-Za-z_]\w{0,127})["']\s?\])"""
    r"""(\s{0,20}(?:\|\||\?\?)\s{0,20}[^\s,;)\]}])?"""
)
_DESTRUCTURED = re.compile(r"\{([^{}]{1,1000})\}\s{0,20}=\s{0,20}process\.env\b")
_PORT_VARIABLE = re.compile(
    r"""process\.env\.(\w{0,40}PORT)\b(?:\s{0,20}(?:\|\||\?\?)\s{0,20}["']?(\d{2,5}))?"""
)
_PORT = re.compile(
    r"""\.listen\(\s{0,20}(\d{2,5})\b|\bport["']?\s{0,5}[:=]\s{0,5}(\d{2,5})\b""", re.I
)
_PATH = re.compile(
    r"""(?:\.(?:post|all|use)\(\s{0,20}|\bendpoint["']?\s?:\s{0,5})["'`](/[\w./-]{0,100})["'`]"""
)
_LOOPBACK = re.compile(r"""\.listen\([^()]{0,200}["'](?:127\.0\.0\.1|localhost)["']""")
# FastMCP's `transportType: "httpStream"`, mcp-framework's `transport: {type: "http-stream"}`.
_NAMED_TRANSPORT = re.compile(
    r"""transportType["']?\s?:\s{0,5}["'](\w{1,40})["']"""
    r"""|\btransport\s?:\s{0,5}\{\s{0,50}type\s?:\s{0,5}["']([\w-]{1,40})["']"""
)
_BASE_PATH = re.compile(r"""\bbasePath["']?\s?:\s{0,5}["'](/[\w./-]{0,100})["']""")
_TOOL = re.compile(
    r"""\.(?:tool|registerTool)\(\s{0,50}["'`]([\w.-]{1,128})["'`]"""
    r"""|\.addTool\(\s{0,20}\{\s{0,50}name:\s{0,5}["'`]([\w.-]{1,128})["'`]"""
    r"""|\bname:\s{0,5}["'`]([\w.-]{1,128})["'`],\s{0,50}description:[^{}]{1,600}\binputSchema\b"""
)


def read(path: str, text: str) -> Source:
    """What a file says."""
    code = _COMMENT.sub("", text)
    modules = tuple(dict.fromkeys(_MODULE.findall(code)))
    serves = any(_is_one_of(module, _SERVER_MODULES) for module in modules)
    return Source(
        path=path,
        serves=serves,
        client=any(_is_one_of(module, _CLIENT_MODULES) for module in modules),
        starts=serves,
        servings=tuple(_servings(code, modules)),
        framework=next((m for m in modules if _is_one_of(m, _SERVER_MODULES)), None),
        variables=tuple(_variables(path, code)),
        tools=tuple(dict.fromkeys(name for found in _TOOL.findall(code) for name in found if name))
        if serves
        else (),
        imports=modules,
    )


def _is_one_of(module: str, known: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(name + "/") for name in known)


def _servings(code: str, modules: tuple[str, ...]) -> Iterator[Serving]:
    if "StdioServerTransport(" in code or "serveStdio(" in code:
        yield Serving("stdio")
    kinds = {transport_named(a or b) for a, b in _NAMED_TRANSPORT.findall(code)}
    if "mcp-framework" in modules and not kinds:
        kinds = {"stdio"}
    if "stdio" in kinds:
        yield Serving("stdio")
    if "streamable-http" in kinds or re.search(r"StreamableHTTP\w{0,20}Transport\(", code):
        yield _http(code, fast=bool(kinds))
    if "createMcpHandler(" in code:
        # Source: https://github.com/vercel/mcp-handler, a route of a Next.js application
        base = _BASE_PATH.search(code)
        yield Serving("streamable-http", f"{base[1].rstrip('/') if base else ''}/mcp", 3000, "PORT")
    if "sse" in kinds or "SSEServerTransport(" in code:
        yield Serving("sse")


def _http(code: str, *, fast: bool) -> Serving:
    paths = [path for path in _PATH.findall(code) if path != "/"]
    named = [path for path in paths if "mcp" in path.lower()]
    variable = _PORT_VARIABLE.search(code)
    written = _PORT.search(code)
    number = (variable and variable[2]) or (written and (written[1] or written[2])) or None
    port = int(number) if number else (8080 if fast else None)
    return Serving(
        transport="streamable-http",
        path=(named or ["/mcp"])[0],
        port=port if port and port <= 65535 else None,
        port_variable=variable[1] if variable else None,
        host="127.0.0.1" if _LOOPBACK.search(code) else "0.0.0.0",  # noqa: S104 - Node's default
    )


def _variables(path: str, code: str) -> Iterator[Variable]:
    for dot, bracket, default in _ENVIRONMENT.findall(code):
        yield from _variable(path, dot or bracket, required=not default)
    for names in _DESTRUCTURED.findall(code):
        for part in names.split(","):
            name, _, default = part.partition("=")
            yield from _variable(path, name.split(":")[0].strip(), required=not default)


def _variable(path: str, name: str, *, required: bool) -> Iterator[Variable]:
    if re.fullmatch(r"[A-Za-z_]\w{0,127}", name, re.ASCII) and is_setting(name):
        # Without a default a key is needed as a rule; anything else is often left out.
        secret = named_like_one(name)
        yield Variable(name, path, required=required and secret, secret=secret)
