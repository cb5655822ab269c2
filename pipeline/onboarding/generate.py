"""Writes the `mcp.yaml` of a server that was detected. What it writes is always valid."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from pipeline.manifest import ManifestError, parse, schema
from pipeline.onboarding import wording
from pipeline.onboarding.findings import Detected, Found, Variable

_WIDTH = 10_000
_MOST_OPTIONAL = 8

_HEADER = """\
# mcp.yaml: how Sigil builds, runs, checks and lists the MCP server of this repository.
# Written from what the repository says. Lines with TODO could not be found there: check them.
"""

_PLACEHOLDERS = {"python": ("python", "server.py"), "node": ("node", "index.js")}


def accepts_secrets() -> bool:
    """Whether `mcp.yaml` has a field for secrets, as its schema says."""
    return "secrets" in schema.root()["properties"]


def generate(found: Detected) -> str:
    """The text of `mcp.yaml`.

    Secrets become entries when the manifest knows them, comments until then.
    """
    if accepts_secrets() and any(one.secret for one in found.variables):
        text = _text(found, secrets=True)
        try:
            parse(text.encode())
        except ManifestError:
            # A later schema may ask for more of a secret than is known here.
            return _text(found, secrets=False)
        return text
    return _text(found, secrets=False)


def _text(found: Detected, *, secrets: bool) -> str:
    lines = [*_identity(found), *_running(found), *_environment(found, secrets=secrets)]
    return _HEADER + "\n".join(lines) + "\n"


def _identity(found: Detected) -> Iterator[str]:
    yield "schema: 1"
    yield _pair("name", found.name.value) + _doubt(found.name)
    if found.title and found.title.value != found.name.value:
        yield _pair("title", found.title.value)
    if found.description:
        yield _pair("description", found.description.value)
    else:
        text = _pair("description", f"The MCP server {found.name.value}"[:100])
        yield f"{text}  # TODO: what is it good for, in 1 to 100 characters?"
    if found.version:
        yield _pair("version", found.version.value)
    else:
        yield "version: 0.1.0  # TODO: a semantic version; a release publishes the one it names"
    if found.categories:
        yield _pair("categories", list(found.categories))
    else:
        yield from _category_comment()
    if found.tags:
        yield _pair("tags", list(found.tags))


def _category_comment() -> Iterator[str]:
    known = ", ".join(schema.field("categories")["items"]["enum"])
    yield "# categories: []  # up to three of"
    yield from (f"#   {line}" for line in textwrap.wrap(known, 90))


def _running(found: Detected) -> Iterator[str]:
    runtime = found.runtime.value
    if runtime.version:
        yield f"runtime: {_flow({'type': runtime.type, 'version': runtime.version})}"
    else:
        yield _pair("runtime", runtime.type)
    build: dict[str, Any] = {}
    if found.context != ".":
        build["context"] = found.context
    if runtime.type == "docker" and found.dockerfile != "Dockerfile":
        build["dockerfile"] = found.dockerfile
    if runtime.type != "docker" and found.system_packages:
        build["system_packages"] = list(found.system_packages)
    if build:
        yield "build:"
        yield from (f"  {_pair(name, value)}" for name, value in build.items())
    yield from _entrypoint(found)
    yield from _transport(found)


def _entrypoint(found: Detected) -> Iterator[str]:
    if found.entrypoint:
        yield _pair("entrypoint", list(found.entrypoint.value)) + _doubt(found.entrypoint)
    elif found.runtime.value.type == "docker":
        yield "# entrypoint: what the image starts by itself"
    else:
        command = list(_PLACEHOLDERS[found.runtime.value.type])
        yield _pair("entrypoint", command) + "  # TODO: the command that starts the server"


def _transport(found: Detected) -> Iterator[str]:
    transport = found.transport.value
    yield "transport:" + _doubt(found.transport)
    yield f"  type: {transport.type}"
    if transport.type == "stdio":
        yield "  # Sigil puts a bridge in front of it, which serves streamable HTTP."
    else:
        yield f"  {_pair('path', transport.path)}"
        yield f"  port: {transport.port}  # also given to the server as PORT"


def _environment(found: Detected, *, secrets: bool) -> Iterator[str]:
    plain = [one for one in found.variables if not one.secret]
    kept = [one for one in found.variables if one.secret]
    if found.env:
        yield "env:"
        yield from (f"  {_pair(name, value)}" for name, value in found.env)
    if plain:
        yield "# Variables that the server reads; write those that it needs under `env`:"
        yield from _commented(plain)
    if kept and secrets:
        yield "secrets:"
        for one in kept:
            yield from _secret(one)
    elif kept:
        yield "# Secrets that the server reads. Never write a value into this file:"
        yield from _commented(kept)


def _commented(variables: Sequence[Variable]) -> Iterator[str]:
    needed = [one for one in variables if one.required]
    optional = [one for one in variables if not one.required]
    for one in (*needed, *optional[:_MOST_OPTIONAL]):
        words = "needed" if one.required else "optional"
        described = f", {wording.plain(one.description)}" if one.description else ""
        yield f"#   {one.name}: {words}{described}"
    if len(optional) > _MOST_OPTIONAL:
        yield f"#   … and {len(optional) - _MOST_OPTIONAL} more that are optional"


def _secret(one: Variable) -> Iterator[str]:
    yield f"  - {_pair('name', one.name)}"
    if one.description:
        yield f"    {_pair('description', one.description)}"
    yield f"    required: {'true' if one.required else 'false'}"


def _doubt(found: Found[Any]) -> str:
    if found.sure != "guess":
        return ""
    return f"  # TODO: a guess ({wording.line(found.source).replace('`', '')})"


def _pair(name: str, value: str | list[str]) -> str:
    return f"{name}: {_flow(value)}"


def _flow(value: object) -> str:
    """A value as YAML on one line; lists of texts with their quotes, as people write them."""
    style = '"' if isinstance(value, list) and any(_needs_quotes(part) for part in value) else None
    text: str = yaml.safe_dump(
        value,
        allow_unicode=True,
        default_flow_style=True,
        default_style=style,
        sort_keys=False,
        width=_WIDTH,
    )
    return text.removesuffix("\n").removesuffix("\n...").removesuffix("\n")


def _needs_quotes(part: object) -> bool:
    return not str(part).replace("-", "").isalnum() or str(part).startswith("-")
