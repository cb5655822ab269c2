"""What every stage has in common: its errors, what it is handed, and what it hands on."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

StageName = Literal["source", "manifest", "build", "deploy", "verify", "publish"]
STAGES: tuple[StageName, ...] = ("source", "manifest", "build", "deploy", "verify", "publish")


def stages_of(kind: str) -> tuple[StageName, ...]:
    """The stages of a kind of run. A check starts nothing; a rollback begins with the results of
    the run that it brings back."""
    return STAGES[:3] if kind == "check" else STAGES


Log = Callable[[str], None]
"""Takes one line, without its end, for the run's log. Redacts secrets itself."""


@dataclass(frozen=True)
class Annotation:
    """A remark at a place of a file in the repository; becomes a check-run annotation."""

    path: str
    line: int
    message: str
    column: int | None = None
    level: Literal["failure", "warning", "notice"] = "failure"
    title: str | None = None


@dataclass
class StageError(Exception):
    """A stage could not do its work.

    Attributes:
        title: One line, what went wrong, for the author of the repository.
        detail: Markdown: the cause and the next thing to do. Never holds a secret.
        annotations: Remarks at lines of the repository's files.
        fault: `yours`: final, the author must change something. `ours`: retried with back-off.
        retry_at: For `ours`: not before this moment (GitHub's or Railway's `Retry-After`).
        held: Nothing is wrong, a limit is used up until `retry_at`: coming back is no retry.
    """

    title: str
    detail: str = ""
    annotations: tuple[Annotation, ...] = ()
    fault: Literal["yours", "ours"] = "yours"
    retry_at: datetime | None = None
    held: bool = False

    def __str__(self) -> str:
        return self.title


class RunStopped(Exception):
    """The run was cancelled, superseded, or handed to another worker: stop and clean up."""


@dataclass(frozen=True)
class Stop:
    """Tells the code inside a stage that it should end early. Long waits poll it."""

    event: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raises `RunStopped` when the run is to stop."""
        if self.event.is_set():
            raise RunStopped

    def wait(self, seconds: float) -> None:
        """Sleep `seconds`, or raise `RunStopped` as soon as the run is to stop."""
        if self.event.wait(seconds):
            raise RunStopped


class Result(BaseModel):
    """What a stage stores before the next one begins, and a resumed run starts from."""

    model_config = ConfigDict(frozen=True, extra="forbid")
