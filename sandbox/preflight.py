"""Says everything that this machine lacks at once, before anything is installed or started.

Runs with the standard library alone and under Python 3.7, so that an old Python can say that it
is too old.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
from pathlib import Path

PYTHON = (3, 11)
NEEDED_BYTES = 2 * 1024**3
HOST = "127.0.0.1"


def check_system() -> list[str]:
    """Problems with the operating system."""
    if platform.system() in ("Linux", "Darwin"):
        return []
    return ["Sigil's sandbox runs on Linux and macOS. On Windows, use WSL."]


def check_python(venv: Path) -> list[str]:
    """Problems with the Python that would make the virtual environment in `venv`."""
    if sys.version_info < PYTHON:
        return [_old_python()]
    if (venv / "made").exists():
        return []
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if not missing:
        return []
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    return [
        f"Python's {' and '.join(missing)} is missing. On Debian and Ubuntu: "
        f"apt-get install {package}"
    ]


def _old_python() -> str:
    text = f"Python 3.11 or newer is needed; {sys.executable} is {platform.python_version()}."
    for name in ("python3.14", "python3.13", "python3.12", "python3.11"):
        if shutil.which(name):
            return f"{text} This machine has one: add PYTHON={name} to the command."
    return f"{text} Install it, or name one with PYTHON=<path>."


def check_programs() -> list[str]:
    """Problems with the programs that have to be on the PATH."""
    if shutil.which("git"):
        return []
    return ["git is not on the PATH. On Debian and Ubuntu: apt-get install git"]


def check_folder(folder: Path) -> list[str]:
    """Problems with the folder that all is kept in."""
    if not os.access(folder, os.W_OK):
        return [f"The folder {folder} cannot be written to."]
    free = shutil.disk_usage(folder).free
    if free >= NEEDED_BYTES:
        return []
    gigabyte = 1024**3
    return [f"{folder} has {free / gigabyte:.1f} GB left; {NEEDED_BYTES // gigabyte} are needed."]


def check_ports(wanted: list[tuple[str, str]], hint: str = "") -> list[str]:
    """Problems with ports.

    Args:
        wanted: Pairs of the variable that chooses a port, and its value.
        hint: What else the user may do about a taken port.
    """
    problems = []
    taken_by: dict[int, str] = {}
    for variable, text in wanted:
        if text in ("auto", "0"):
            continue
        if not text.isdigit() or int(text) > 65535:
            problems.append(f"{variable}={text} is not a port: 1 to 65535, or auto.")
            continue
        port = int(text)
        if port in taken_by:
            problems.append(f"{taken_by[port]} and {variable} are both {port}.")
            continue
        taken_by[port] = variable
        reason = why_taken(port)
        if reason:
            problems.append(
                f"Port {port} on {HOST} cannot be used ({reason}). Choose another with "
                f"{variable}=<number>, or any free one with {variable}=auto{hint}."
            )
    return problems


def why_taken(port: int) -> str | None:
    """The system's reason why nobody can listen on `port`, or None."""
    with socket.socket() as listener:
        # As servers do: a port that a server left a moment ago counts as free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            return error.strerror
    return None


def check_repository(folder: Path) -> list[str]:
    """Problems with the user's own repository (`REPO`)."""
    if not folder.is_dir():
        return [f"REPO={folder} is not a folder."]
    if not (folder / "mcp.yaml").is_file():
        return [
            f"REPO={folder} has no mcp.yaml, which says how to build and start the server. "
            "sandbox/sample/mcp.yaml is an example."
        ]
    if not shutil.which("git"):
        return []
    inside = _git(folder, "rev-parse", "--is-inside-work-tree")
    if "dubious ownership" in inside.stderr:
        return [
            f"git refuses to read REPO={folder}, which is another user's. Allow it with: "
            f"git config --global --add safe.directory {folder}"
        ]
    if inside.returncode == 0 and _git(folder, "cat-file", "-e", "HEAD:./mcp.yaml").returncode:
        return [f"mcp.yaml in REPO={folder} is not committed, and only commits are deployed."]
    return []


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )


def main() -> None:
    """Print the problems and exit with status 1 when there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", required=True, type=Path, help="the virtual environment")
    parser.add_argument("--port", nargs=2, action="append", default=[], help="VARIABLE VALUE")
    parser.add_argument("--own", type=Path, help="sandbox.json of what is to be started")
    parser.add_argument("--other", type=Path, help="sandbox.json of what may be in its way")
    parser.add_argument("--repo", default="", help="a repository to deploy")
    arguments = parser.parse_args()
    # The sandbox removes the file when it ends. What a killed one left on the ports is ended at
    # the next start, which checks the ports itself.
    restart = arguments.own is not None and arguments.own.exists()
    in_the_way = arguments.other is not None and arguments.other.exists()
    hint = "; or stop the sandbox that runs here, with `make down`" if in_the_way else ""
    problems = [
        *check_system(),
        *check_python(arguments.venv),
        *check_programs(),
        *check_folder(Path.cwd()),
        *([] if restart else check_ports(arguments.port, hint)),
        *(check_repository(Path(arguments.repo).expanduser()) if arguments.repo else []),
    ]
    if not problems:
        return
    print("This cannot start yet:", file=sys.stderr)
    for problem in problems:
        print(f"  - {problem}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
