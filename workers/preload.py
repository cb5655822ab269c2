"""Loads in a worker what its jobs need, before RQ forks a process for each of them.

Most is loaded by the imports; the rest are parts that libraries load when they are first used.
"""

import gc

import workers.jobs  # noqa: F401
from pipeline.builders import dockerfile
from pipeline.github import check_text, client, comment_text, tool_changes
from registry import handshake


def preload() -> None:
    """Load it."""
    client.preload()
    check_text.preload()
    comment_text.preload()
    tool_changes.preload()
    dockerfile.preload()
    handshake.preload()
    # The forked processes share the memory of all this until the collector touches it.
    gc.collect()
    gc.freeze()
