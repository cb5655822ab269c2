"""Manifest: `mcp.yaml` of the commit, read and validated."""

from typing import Any

from pipeline.manifest import Manifest, ManifestError, from_json, parse, to_json
from pipeline.stages.base import Annotation, Result, StageError
from pipeline.stages.context import RunContext
from pipeline.stages.source import checkout

FILE = "mcp.yaml"

_EXAMPLE = """Add this file at the root of the repository:

```yaml
schema: 1
name: weather
title: Weather
description: Forecasts for any place
version: 0.1.0
runtime: python
entrypoint: ["python", "-m", "weather"]
transport: {type: streamable-http, path: /mcp, port: 8080}
```
"""


class ManifestResult(Result):
    """The manifest of this run, kept with it so that a later change does not rewrite the past."""

    manifest: dict[str, Any]

    def read(self) -> Manifest:
        """The manifest as a model."""
        return from_json(self.manifest)


def manifest(context: RunContext) -> ManifestResult:
    """Read and validate `mcp.yaml`.

    Raises:
        StageError: `yours`, with an annotation for each problem.
    """
    path = checkout(context) / FILE
    if not path.is_file() or path.is_symlink():
        raise StageError("There is no mcp.yaml at the root of the repository", _EXAMPLE)
    try:
        found = parse(path.read_bytes())
    except ManifestError as error:
        raise _explained(error) from None
    if context.run.kind == "release":
        _check_tag(context, found.version)
    context.log(f"{found.name} {found.version}: {found.runtime.type}, {found.transport.type}")
    return ManifestResult(manifest=to_json(found))


def _check_tag(context: RunContext, version: str) -> None:
    tag = context.run.ref.removeprefix("refs/tags/")
    if tag.removeprefix("v") != version:
        raise StageError(
            f"Tag {tag} does not match version {version}",
            f"`version` in mcp.yaml is {version}, so the tag has to be `v{version}`. Move the tag, "
            "or change the version, push, and tag that commit.",
        )


def _explained(error: ManifestError) -> StageError:
    count = len(error.problems)
    rows = [
        f"* line {problem.line}, column {problem.column}: {problem.message}"
        for problem in error.problems[:100]
    ]
    if count > len(rows):
        rows.append(f"* … and {count - len(rows)} more")
    return StageError(
        "mcp.yaml has a problem" if count == 1 else f"mcp.yaml has {count} problems",
        "\n".join([*rows, "", "Mend them and push again."]),
        annotations=tuple(
            Annotation(
                path=FILE,
                line=problem.line,
                column=problem.column,
                message=problem.message,
                title=problem.path or None,
            )
            for problem in error.problems
        ),
    )
