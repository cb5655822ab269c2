"""Compares the tools that a server has just listed with those of what is live, which people use."""

from typing import Any

import semver
from pydantic import ValidationError

from config.database import transaction
from pipeline import pull_requests
from pipeline.github.tool_text import BREAKING, changes_text, worst_change
from pipeline.manifest.deploy_settings import DeploySettings
from pipeline.runs import PRODUCTION
from pipeline.stages.base import Result, StageError
from pipeline.stages.context import RunContext
from registry.tool_diff import ToolDiff, compare
from registry.tools import Tool

_MAX_DIFF_BYTES = 12_000


class ComparedWith(Result):
    """What was live in `environment` when the tools were compared. `version` is that of its
    `mcp.yaml`."""

    environment: str
    sha: str
    url: str
    version: str | None


class Comparison(Result):
    """The differences, as `ToolDiff.to_json` has them, and what they are differences from."""

    diff: dict[str, Any]
    live: ComparedWith

    def read(self) -> ToolDiff:
        """The differences as a model."""
        return ToolDiff.from_json(self.diff)


def compare_with_live(context: RunContext, tools: tuple[Tool, ...]) -> Comparison | None:
    """What changes for those who use what is live now; None when nothing is."""
    environment = _environment(context)
    if environment is None:
        return None
    with transaction() as connection:
        row = connection.execute(
            """SELECT r.sha, d.url, m.result -> 'manifest' ->> 'version', d.handshake -> 'tools'
               FROM mcp_deployments d JOIN runs r ON r.id = d.run_id
               LEFT JOIN run_stages m ON m.run_id = d.run_id AND m.stage = 'manifest'
               WHERE d.repository_id = %s AND d.environment = %s AND d.state = 'live'
                 AND d.run_id <> %s""",
            (context.repository.id, environment, context.run.id),
        ).fetchone()
    if row is None:
        return None
    sha, url, version, listed = row
    try:
        before = [Tool(**tool) for tool in listed or ()]
    except TypeError:
        # Another release of Sigil stored something else: there is nothing to compare with.
        return None
    diff = compare(before, tools)
    return Comparison(
        diff=diff.to_json(),
        live=ComparedWith(environment=environment, sha=sha, url=url, version=version),
    )


def _environment(context: RunContext) -> str | None:
    """Where to look for what is live: for a preview where its base branch deploys, if it does."""
    run, repository = context.run, context.repository
    if run.pull_number is None:
        return run.environment
    with transaction() as connection:
        pull = pull_requests.get(connection, run.repository_id, run.pull_number)
    base = pull.base_ref if pull else repository.default_branch
    settings = deploy_settings(context)
    return settings.environment_of_branch(base, repository.default_branch) or PRODUCTION


def deploy_settings(context: RunContext) -> DeploySettings:
    """The `deploy:` settings that hold for the run."""
    try:
        return DeploySettings.from_json(context.run.deploy_settings)
    except ValidationError:
        return DeploySettings()


def block_breaking(context: RunContext, comparison: Comparison | None, version: str) -> None:
    """End a run whose tools break calls that work today, where `deploy.breaking` says so.

    A new major version says by itself that it breaks something, and a rollback brings back what was
    good before: both pass.

    Raises:
        StageError: `yours`, with the differences and what to do.
    """
    if comparison is None or context.run.kind == "rollback":
        return
    diff, live = comparison.read(), comparison.live
    if not diff.breaking or deploy_settings(context).breaking != "block":
        return
    if _is_new_major(live.version, version):
        context.log(f"{version} is a new major version: its breaking changes are let through")
        return
    whose = "the base branch's " if context.run.pull_number else ""
    raise StageError(
        f"{BREAKING}{worst_change(diff)}",
        f"{changes_text(comparison.model_dump(mode='json'), limit_bytes=_MAX_DIFF_BYTES)}\n\n"
        f"`deploy.breaking` of {whose}mcp.yaml is `block`. Bring back what is missing, or raise "
        f"`version` to the next major one, {_next_major(live.version or version)}, or let breaking "
        "changes through with `deploy: {breaking: warn}`.",
    )


def _is_new_major(before: str | None, after: str) -> bool:
    if before is None:
        return False
    return semver.Version.parse(after).major > semver.Version.parse(before).major


def _next_major(version: str) -> str:
    return str(semver.Version.parse(version).bump_major())
