"""Onboarding: finds out what an `mcp.yaml` for a repository would say, and writes it.

The detection is pure over a small protocol that reads files, so that it works on a folder and on
GitHub's REST API alike.
"""

from pipeline.onboarding.detect import detect
from pipeline.onboarding.files import Files, LocalFiles
from pipeline.onboarding.findings import About, Detected, NotDetected
from pipeline.onboarding.generate import generate

__all__ = ["About", "Detected", "Files", "LocalFiles", "NotDetected", "detect", "generate"]
