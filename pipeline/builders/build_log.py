"""The docker engine's build messages as log lines, and what they say about a failure. Pure."""

import re
from collections.abc import Sequence
from typing import Any

from pipeline.stages.base import Log, StageError

_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# What the engine says about its own bookkeeping.
_NOISE = re.compile(r"\s*---> (?!Using cache)|Removing intermediate container |Successfully ")
_OUT_OF_MEMORY = 137


class BuildLog:
    """Follows one build.

    Attributes:
        where: The step under way, in words.
    """

    def __init__(self, log: Log, titles: Sequence[str | None]) -> None:
        self._log = log
        self._titles = titles
        self._rest = ""
        self._error: dict[str, Any] = {}
        self.where = "the start"
        self.instruction = ""

    @property
    def failed(self) -> bool:
        """Whether the engine has reported an error."""
        return bool(self._error)

    def take(self, message: dict[str, Any]) -> None:
        """Log one message of the engine's stream."""
        if "stream" in message:
            *lines, self._rest = (self._rest + message["stream"]).split("\n")
            for line in lines:
                self._line(line)
        elif "errorDetail" in message or "error" in message:
            self._error = message.get("errorDetail") or {"message": message["error"]}
            self._line(self._rest)
            self._line(str(self._error.get("message", "")))
        elif "status" in message and not message.get("progressDetail"):
            self._log(" ".join(filter(None, (message.get("id"), message["status"]))))

    def _line(self, line: str) -> None:
        # A progress bar overwrites itself; its last state is the one to keep.
        text = _ANSI.sub("", line.rstrip()).rsplit("\r", 1)[-1].rstrip()
        step = _STEP.match(text)
        if step:
            text = self._step(int(step[1]), step[2], step[3])
        if text and not _NOISE.match(text):
            self._log(text)

    def _step(self, number: int, total: str, instruction: str) -> str:
        known = number <= len(self._titles) and self._titles[number - 1]
        self.instruction = instruction
        self.where = known or instruction
        return f"Step {number}/{total}: {self.where}"

    def failure(self, memory: int) -> StageError:
        """Why there is no image, for the author. `memory` is the limit in bytes."""
        message = str(self._error.get("message", "The engine ended the build without a reason."))
        title = f"The build failed at: {_short(self.where)}"
        code = self._error.get("code")
        if "no space left on device" in message:
            return StageError(
                title="The docker engine has no space left",
                detail="The operator has to make room. Sigil tries again by itself.",
                fault="ours",
            )
        if code == _OUT_OF_MEMORY:
            detail = (
                f"`{self.instruction}` was killed, most likely because it needed more than the "
                f"{memory // 2**20} MiB that a build may use (`SIGIL_BUILD_MEMORY`)."
            )
        elif code is not None:
            detail = (
                f"`{self.instruction}` ended with exit status {code}. Its last lines in the log "
                "say why. Fix the cause and push again."
            )
        elif "BuildKit" in message:
            detail = (
                f"{message}\n\nSigil builds without BuildKit: write the step without "
                "`--mount`, `--link` or a here-document."
            )
        else:
            detail = message
        return StageError(title=title, detail=detail)


def _short(text: str, limit: int = 100) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
