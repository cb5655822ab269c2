"""Verify: a real MCP handshake with the server that was just started. Live means: it answered."""

import time
from dataclasses import asdict
from typing import Any, Literal

from pipeline.manifest import Manifest
from pipeline.stages.base import Result, StageError
from pipeline.stages.changes import Comparison, block_breaking, compare_with_live
from pipeline.stages.context import RunContext
from pipeline.stages.deploy import DeployResult
from pipeline.stages.manifest import ManifestResult
from registry.handshake import Handshake, shake_hands
from registry.tools import Tool, tool_hash

# A server waits half of this, on average, until somebody notices that it is ready.
_PAUSE = 0.1
_WRONG_SECONDS = 10.0
"""Answers that are not MCP for so long are a verdict, not a start that is still under way."""


class VerifyResult(Result):
    """What the server answered.

    Attributes:
        verified: False when the tools are only declared.
        comparison: With what was live; None when nothing was.
    """

    verdict: Literal["open", "gated"]
    era: str | None
    protocol: str | None
    server: dict[str, Any]
    tools: tuple[dict[str, Any], ...]
    verified: bool
    seconds: float
    comparison: Comparison | None = None


def verify(context: RunContext) -> VerifyResult:
    """Shake hands until the server answers or its start period is over.

    Raises:
        StageError: `yours`, with what the server printed, when it does not prove itself, or with
            the differences, when its tools break what `deploy.breaking` protects.
        RunStopped: the run is to stop.
    """
    manifest = context.result("manifest", ManifestResult).read()
    deployed = context.result("deploy", DeployResult)
    began = time.monotonic()
    wrong_since = None
    while True:
        context.stop.check()
        answer = shake_hands(deployed.url, timeout=manifest.healthcheck.timeout)
        if answer.verdict == "open" or (answer.verdict == "gated" and manifest.tools):
            return _proved(context, answer, manifest, time.monotonic() - began)
        now = time.monotonic()
        if answer.verdict not in ("not-mcp", "wrong-transport", "gated"):
            wrong_since = None
        elif wrong_since is None:
            wrong_since = now
        instance = context.host.find(deployed.name)
        if instance is None or instance.state in ("crashed", "stopped"):
            raise _unproved(context, "The server crashed while it started", answer)
        wrong_for = now - wrong_since if wrong_since is not None else 0.0
        if wrong_for > _WRONG_SECONDS or now - began > manifest.healthcheck.start_period:
            raise _unproved(context, _TITLES[answer.verdict], answer)
        context.stop.wait(_PAUSE)


_TITLES = {
    "dead": "The server does not listen on its port",
    "unknown": "The server does not answer the MCP handshake in time",
    "not-mcp": "The server answers, but not with MCP",
    "wrong-transport": "The server speaks the old HTTP+SSE transport",
    "gated": "The server wants credentials before it lists its tools",
}

_ADVICE = {
    "dead": "It must listen on 0.0.0.0 and on the port in the environment variable `PORT`.",
    "unknown": "If it needs longer to start, raise `healthcheck.start_period` in mcp.yaml.",
    "not-mcp": "Compare `transport.path` in mcp.yaml with the path that the server serves.",
    "wrong-transport": "Serve streamable HTTP, or set `transport.type: stdio` and start it that "
    "way.",
    "gated": "Name its tools under `tools:` in mcp.yaml; they are listed as declared.",
}


def _unproved(context: RunContext, title: str, answer: Handshake) -> StageError:
    name = context.result("deploy", DeployResult).name
    printed = context.host.logs(name, lines=60)
    for line in printed.splitlines():
        context.log(f"[server] {line}")
    context.log(answer.detail)
    advice = _ADVICE.get(answer.verdict, "")
    return StageError(
        title,
        f"{answer.detail}\n\n{advice} What the server printed stands in the log.",
    )


def _proved(
    context: RunContext, answer: Handshake, manifest: Manifest, seconds: float
) -> VerifyResult:
    verified = answer.verdict == "open"
    tools = answer.tools if verified else tuple(_declared(manifest))
    server = answer.server.get("name") or "the server"
    context.log(
        f"handshake with {server} {answer.server.get('version', '')}: "
        f"{answer.verdict}, protocol {answer.protocol or 'not told'}, {len(tools)} tools "
        f"after {seconds:.2f} s"
    )
    assert answer.verdict in ("open", "gated")
    comparison = compare_with_live(context, tools)
    block_breaking(context, comparison, manifest.version)
    return VerifyResult(
        verdict="open" if verified else "gated",
        era=answer.era,
        protocol=answer.protocol,
        server=answer.server,
        tools=tuple(asdict(tool) for tool in tools),
        verified=verified,
        seconds=round(seconds, 3),
        comparison=comparison,
    )


def _declared(manifest: Manifest) -> list[Tool]:
    return [
        Tool(
            name=tool.name,
            description=tool.description,
            input_schema=tool.input_schema,
            hash=tool_hash(
                name=tool.name, description=tool.description, input_schema=tool.input_schema
            ),
        )
        for tool in manifest.tools
    ]
