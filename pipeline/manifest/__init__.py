"""`mcp.yaml`: the frozen model of a valid one, and the parser that finds what is wrong.

Pure: takes text, gives a `Manifest` or a list of problems, each at its line and column.
"""

from pipeline.manifest.deploying import BranchRule, DeploySettings, read_deploy_settings
from pipeline.manifest.model import (
    Build,
    DeclaredTool,
    Healthcheck,
    Manifest,
    ManifestError,
    Problem,
    Resources,
    Runtime,
    Transport,
)
from pipeline.manifest.parse import parse
from pipeline.manifest.stored import from_json, to_json

__all__ = [
    "BranchRule",
    "Build",
    "DeclaredTool",
    "DeploySettings",
    "Healthcheck",
    "Manifest",
    "ManifestError",
    "Problem",
    "Resources",
    "Runtime",
    "Transport",
    "from_json",
    "parse",
    "read_deploy_settings",
    "to_json",
]
