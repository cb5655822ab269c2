"""What every errand has in common: its row, what its handler answers, and the table of handlers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.runs import Repository

Kind = Literal["first_look", "tag", "push", "pull", "command", "onboarding"]
"""first_look: a repository that is new to Sigil. tag: the commit of a tag or release. push, pull:
what a branch or a pull request asks for now. command: a button or a `/sigil …` comment. onboarding:
the pull request with a first `mcp.yaml`."""


@dataclass(frozen=True)
class Errand:
    """An errand that this worker has taken.

    Attributes:
        subject: What it is about: a ref, a pull request. Errands of one are done in order.
        details: What its handler needs besides, as JSON.
        attempts: How often it was taken, this time included.
        delivery_id: The delivery that asked for it.
    """

    id: int
    kind: Kind
    repository: Repository
    subject: str
    details: dict[str, Any]
    attempts: int
    delivery_id: int | None

    @property
    def installation_id(self) -> int:
        """The installation to speak as."""
        return self.repository.installation_id


@dataclass(frozen=True)
class Done:
    """What came of an errand.

    Attributes:
        reason: In words, for the ledger.
        run_ids: Runs to ring the bell for.
        errand_ids: Errands to ring the bell for.
        clear_up: A server is not wanted any more.
        in_vain: It could not be looked at; when the repository is back it has to be.
    """

    reason: str
    run_ids: tuple[int, ...] = ()
    errand_ids: tuple[int, ...] = ()
    clear_up: bool = False
    in_vain: bool = False


class NotYet(Exception):
    """Something of our own has to end first; the errand comes back shortly. The text says what."""


Handler = Callable[[Errand], Done]
_HANDLERS: dict[Kind, Handler] = {}


def handles(kind: Kind) -> Callable[[Handler], Handler]:
    """Put a handler into the table.

    A handler may be called again after it did its work, when the worker died before that was
    written down: it looks before it acts. It raises `GitHubAway` to be called later, and
    `GitHubRefused` when only a person can help.

    A handler that waits for something of ours raises `NotYet`.
    """

    def register(handler: Handler) -> Handler:
        _HANDLERS[kind] = handler
        return handler

    return register


def handler_of(kind: Kind) -> Handler:
    """The handler of a kind of errand."""
    return _HANDLERS[kind]
