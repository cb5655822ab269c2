"""The bridge that gives a stdio server an HTTP endpoint.

Tried with `mcp-server-time`, a server that dies, and the client of PyPI `mcp` 2.3 in both eras:

* PyPI `mcp-proxy` 0.13 (Python images, and every runtime on the process host): starts the server
  at once, 26 ms a call, 44 MB. Speaks the protocol up to 2025-11-25, which newer clients fall
  back to, and serves the path `/mcp` only.
* npm `mcp-proxy` 6.7 (Node images): the same, and the protocol of 2026-07-28.
* Not taken: npm `supergateway` 4.0 starts a server for every request (0.8 s a call) and listens
  on every interface; PyPI `fastmcp` 4.1 shows a dead server as a live one without tools.

Both leave the endpoint open when the server behind it has died, and would answer with errors for
ever. So the server runs under a shell that takes the bridge down with it: the host then restarts
both, and gives up on a server that never lives.
Each bridge is installed apart, from the locks in `templates/bridges`, so that no version of it
can clash with one of the server's.
"""

from pathlib import Path

from pipeline.manifest import Manifest
from pipeline.stages.base import StageError

PATH = "/mcp"
LOCKS = Path(__file__).parents[2] / "templates" / "bridges"

_PYTHON = 'exec "$0" --host {host} --port "$PORT" --pass-environment -- '
_NODE = 'exec "$0" --host {host} --port "$PORT" --server stream --streamEndpoint /mcp -- '
# The bridge gives the server's arguments on; `$PPID` is the bridge.
_TAKES_THE_BRIDGE_DOWN = """sh -c '"$@"; kill "$PPID"' server "$@\""""


def check_path(manifest: Manifest) -> None:
    """Raises `StageError` when a stdio server asks for a path that the bridge does not serve."""
    if manifest.transport.path != PATH:
        raise StageError(
            title=f"A stdio server is served at {PATH}",
            detail=f"`transport.path` in mcp.yaml is `{manifest.transport.path}`. A stdio server "
            f"has no path of its own, and the bridge in front of it serves `{PATH}`. Remove "
            "`transport.path`.",
        )


def python_bridge(program: str, server: tuple[str, ...], *, host: str) -> tuple[str, ...]:
    """The command that serves the stdio server on `$PORT` through PyPI `mcp-proxy`."""
    return ("/bin/sh", "-c", _PYTHON.format(host=host) + _TAKES_THE_BRIDGE_DOWN, program, *server)


def node_bridge(program: str, server: tuple[str, ...], *, host: str) -> tuple[str, ...]:
    """The command that serves the stdio server on `$PORT` through npm `mcp-proxy`."""
    return ("/bin/sh", "-c", _NODE.format(host=host) + _TAKES_THE_BRIDGE_DOWN, program, *server)
