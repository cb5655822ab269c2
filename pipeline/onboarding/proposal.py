"""The words of the pull request that proposes an `mcp.yaml`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from config.settings import settings
from pipeline.github.markdown import code, fit, plain
from pipeline.onboarding.findings import Detected, Found, Variable
from pipeline.onboarding.generate import accepts_secrets
from templates import environment

BRANCH = "sigil/onboarding"
TITLE = "Add mcp.yaml, so that Sigil can build, run and list this server"
COMMIT = "Add mcp.yaml for Sigil"

_MOST_BYTES = 60_000
_MOST_TOOLS = 20


@dataclass(frozen=True)
class Row:
    """A row of the table of findings, in Markdown."""

    field: str
    value: str
    source: str


def body(found: Detected, *, owner: str, default_branch: str) -> str:
    """The pull request's text, in Markdown."""
    text = (
        environment("github")
        .get_template("onboarding.md.j2")
        .render(
            sigil=settings().public_url,
            evidence=_marked(found.evidence),
            rows=tuple(_rows(found)),
            context=code(found.context) if found.context != "." else None,
            tools=[code(tool) for tool in found.tools[:_MOST_TOOLS]],
            more_tools=len(found.tools) > _MOST_TOOLS,
            variables=[_variable(one) for one in found.variables],
            secrets_accepted=accepts_secrets(),
            concerns=[_marked(concern) for concern in _concerns(found)],
            branch=BRANCH,
            default_branch=default_branch.replace("`", "'"),
            listed=code(f"{settings().namespace}.{owner}/{found.name.value}"),
        )
    )
    return fit(text, _MOST_BYTES)


def _rows(found: Detected) -> Iterator[Row]:
    yield _row("name", found.name)
    for field in ("title", "description", "version"):
        value: Found[str] | None = getattr(found, field)
        if value is not None:
            yield _row(field, value)
    runtime, transport = found.runtime, found.transport
    words = " ".join(part for part in (runtime.value.type, runtime.value.version) if part)
    yield Row("runtime", code(words), _source(runtime))
    if found.entrypoint is not None:
        command = code(" ".join(found.entrypoint.value), 200)
        yield Row("entrypoint", command, _source(found.entrypoint))
    words = transport.value.type
    if words != "stdio":
        words += f", {transport.value.path} on port {transport.value.port}"
    yield Row("transport", code(words), _source(transport))


def _row(field: str, found: Found[str]) -> Row:
    return Row(field, plain(found.value), _source(found))


def _source(found: Found[Any]) -> str:
    doubt = {"sure": "", "likely": ", likely", "guess": ": a guess, please check"}
    return _marked(found.source) + doubt[found.sure]


def _variable(one: Variable) -> dict[str, str]:
    kind = "secret" if one.secret else "setting"
    return {
        "name": code(one.name),
        "words": f"{kind}, {'needed' if one.required else 'optional'}",
        "source": code(one.source),
        "description": plain(one.description or ""),
    }


def _concerns(found: Detected) -> Iterator[str]:
    yield from found.concerns
    missing = [name for name in ("description", "version") if getattr(found, name) is None]
    if missing:
        words = " and ".join(f"`{name}`" for name in missing)
        yield f"Nothing was found for {words}: the lines are marked with TODO."
    if found.env:
        names = ", ".join(f"`{name}`" for name, _ in found.env)
        yield f"`env` sets {names}, so that the server listens where it can be reached."


def _marked(text: str) -> str:
    """Words with code spans, made of foreign names: each piece is made harmless by itself."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return plain(text, 600)
    shown = []
    for index, piece in enumerate(pieces):
        if index % 2:
            shown.append(code(piece, 200))
        elif piece.strip():
            before = " " if piece[0].isspace() else ""
            shown.append(before + plain(piece, 600) + (" " if piece[-1].isspace() else ""))
        else:
            shown.append(piece)
    return "".join(shown)
