"""The commands behind `make up`, `make down`, `make status` and `make clean`."""

import argparse
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from sandbox.command import DEMO, VAR, demo_runs, plain_failures, stack_in
from sandbox.record import SandboxRecord
from sandbox.stack import Stack

console = Console(highlight=False, soft_wrap=True)


def up() -> None:
    """Start the system in the background, or say that it runs."""
    stack = stack_in(VAR)
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
    stopped = stack_in(VAR).stop()
    if not demo_runs(DEMO):
        # A demo stops itself; this is what one that was killed left behind.
        stopped = stack_in(DEMO).stop() or stopped
    console.print("Stopped." if stopped else "Nothing runs.")


def status() -> None:
    """Show the system's processes and addresses."""
    stack = stack_in(VAR)
    found = stack.running()
    if found is None:
        console.print("Nothing runs. `make up` starts the system.")
        return
    for name, state in stack.processes.states().items():
        console.print(f"  {name:<10} {state.lower()}")
    show(stack, found)


def clean() -> None:
    """Remove all that a sandbox of this checkout stored."""
    for folder in (DEMO, VAR):
        Stack(folder).erase()


def show(stack: Stack, found: SandboxRecord) -> None:
    """Print where everything is."""
    table = Table.grid(padding=(0, 2))
    table.add_row("status page", found.web_url)
    table.add_row("GitHub's stand-in", found.github_url)
    table.add_row("logs", found.log_folder)
    table.add_row("for other tools", str(stack.places.record))
    console.print(table)
    console.print(found.host_text)


COMMANDS: dict[str, Callable[[], None]] = {
    "up": up,
    "down": down,
    "status": status,
    "clean": clean,
}


def main() -> None:
    """Run one command; a failure is told in plain words, without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args().command
    with plain_failures(console):
        COMMANDS[command]()


if __name__ == "__main__":
    main()
