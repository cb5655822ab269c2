"""The commands behind `make up`, `make down`, `make status`, `make demo` and `make clean`."""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.table import Table

from sandbox.demo import DemoFailed, demo, demo_runs
from sandbox.places import CODE, PlaceError
from sandbox.ports import PortTaken
from sandbox.record import SandboxRecord
from sandbox.stack import Stack, StackError
from sandbox.supervision import SupervisionError

VAR = CODE / "var"
console = Console(highlight=False, soft_wrap=True)


def _port(variable: str, default: int) -> int | None:
    text = os.environ.get(variable) or str(default)
    if text in ("auto", "0"):
        return None
    if not text.isdigit():
        raise SystemExit(f"{variable}={text} is not a port: a number, or auto.")
    return int(text)


def _stack(folder: Path) -> Stack:
    return Stack(folder, port=_port("PORT", 8080), github_port=_port("GITHUB_PORT", 8090))


def up() -> None:
    """Start the system in the background, or say that it runs."""
    stack = _stack(VAR)
    found = stack.running()
    if found is not None:
        console.print("It runs already (make down stops it).")
    else:
        with console.status("Starting PostgreSQL, Redis, GitHub's stand-in and Sigil …"):
            found = stack.start()
        console.print("Sigil runs. `make down` stops it.")
    show(stack, found)


def down() -> None:
    """Stop the system."""
    stopped = _stack(VAR).stop()
    if not demo_runs(VAR / "demo"):
        # A demo stops itself; this is what one that was killed left behind.
        stopped = _stack(VAR / "demo").stop() or stopped
    console.print("Stopped." if stopped else "Nothing runs.")


def status() -> None:
    """Show the system's processes and addresses; exit with status 3 when it does not run."""
    stack = _stack(VAR)
    found = stack.running()
    if found is None:
        console.print("Nothing runs. `make up` starts the system.")
        sys.exit(3)
    for name, state in stack.supervision.states().items():
        console.print(f"  {name:<10} {state.lower()}")
    show(stack, found)


def clean() -> None:
    """Remove all that a sandbox of this checkout stored."""
    for folder in (VAR / "demo", VAR):
        stack = Stack(folder)
        stack.stop()
        shutil.rmtree(stack.places.database, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def show(stack: Stack, found: SandboxRecord) -> None:
    """Print where everything is."""
    table = Table.grid(padding=(0, 2))
    table.add_row("status page", found.web_url)
    table.add_row("GitHub's stand-in", found.github_url)
    table.add_row("logs", found.log_folder)
    table.add_row("for other tools", str(stack.places.record))
    console.print(table)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


COMMANDS: dict[str, Callable[[], None]] = {
    "up": up,
    "down": down,
    "status": status,
    "clean": clean,
    "demo": lambda: demo(console, _stack(VAR / "demo")),
}


def main() -> None:
    """Run one command; a failure is told in plain words, without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args().command
    # A closed terminal or a `kill` ends the demo as Ctrl-C does: with nothing left behind.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        COMMANDS[command]()
    except (DemoFailed, StackError, SupervisionError, PortTaken, PlaceError) as error:
        console.print(str(error), markup=False, style="red")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
