"""The `deploy:` block of a file that may be wrong elsewhere: what to do is decided before a run
exists that could report the file's problems."""

from typing import Any

from pipeline.manifest import document, messages, rules
from pipeline.manifest.deploy_settings import BranchRule, DeploySettings
from pipeline.manifest.model import ManifestError
from pipeline.manifest.schema import with_defaults

__all__ = ["BranchRule", "DeploySettings", "read_deploy_settings", "settings_of"]


def read_deploy_settings(raw: bytes | None) -> DeploySettings:
    """The settings of an `mcp.yaml`, the defaults when there is none or its block is not valid.

    A valid block counts although the rest of the file has problems: a push to a branch that only
    the block names would otherwise not get the run that reports them.
    """
    if raw is None:
        return DeploySettings()
    try:
        read = document.read(raw)
    except ManifestError:
        return DeploySettings()
    if not isinstance(read.value, dict) or "deploy" not in read.value:
        return DeploySettings()
    problems = (*read.problems, *messages.explain(read), *rules.check(read))
    if any(f"{problem.path}.".startswith(("deploy.", "deploy[")) for problem in problems):
        return DeploySettings()
    return settings_of(read.value["deploy"])


def settings_of(block: dict[str, Any]) -> DeploySettings:
    """The settings of a `deploy:` block that has no problems."""
    filled = with_defaults(block, "deploy")
    on = with_defaults(filled.get("on", {}), "deploy", "on")
    push = on.get("push")
    return DeploySettings(
        push=None if push is None else tuple(BranchRule(*pair) for pair in push.items()),
        release=on["release"],
        prerelease=on["prerelease"],
        pull_request=on["pull_request"],
        paths=tuple(filled["paths"]),
        breaking=filled["breaking"],
    )
