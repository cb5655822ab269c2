"""What the commands of the sandbox have in common: folders, ports, and how a failure is told."""

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from sandbox.places import CODE, PlaceError
from sandbox.ports import PortTaken
from sandbox.stack import Stack, StackError
from sandbox.supervision import SupervisionError

VAR = CODE / "var"
DEMO = VAR / "demo"


class CommandFailed(Exception):
    """A command did not do what it is for. The text says why, and what to do."""


def stack_in(folder: Path) -> Stack:
    """The stack of a folder, on the ports that `PORT` and `GITHUB_PORT` say."""
    return Stack(
        folder, port=_port("PORT", default=8080), github_port=_port("GITHUB_PORT", default=8090)
    )


def _port(variable: str, *, default: int) -> int | None:
    text = os.environ.get(variable) or str(default)
    if text in ("auto", "0"):
        return None
    if not text.isdigit():
        raise CommandFailed(f"{variable}={text} is not a port: a number, or auto.")
    return int(text)


@contextlib.contextmanager
def the_only_demo(folder: Path) -> Iterator[None]:
    """Hold the folder while a demo runs in it.

    Raises:
        CommandFailed: when another demo does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandFailed("A demo of this checkout runs, in another terminal.") from error
        yield


def demo_runs(folder: Path) -> bool:
    """Whether a demo runs in that folder."""
    try:
        with the_only_demo(folder):
            return False
    except CommandFailed:
        return True


@contextlib.contextmanager
def plain_failures(console: Console) -> Iterator[None]:
    """Tell a failure in plain words and exit with status 1; end in order when told to end."""
    # A closed terminal or a `kill` ends a command as Ctrl-C does: with nothing left behind. SIGINT
    # too, because a shell that starts a command in the background makes it ignore that.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        yield
    except (CommandFailed, StackError, SupervisionError, PortTaken, PlaceError) as error:
        console.print(str(error), markup=False, style="red")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
