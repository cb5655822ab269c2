"""What a stage works with: its run, its folders, the host and the results of the stages before."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pipeline.builders.base import Builder
from pipeline.hosts.base import Host
from pipeline.runs import Repository, Run
from pipeline.stages.base import Log, Result, StageName, Stop

R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class RunContext:
    """One run, as the worker that owns it sees it.

    Attributes:
        instance: The name of this Sigil, part of the name of every server it starts.
        work: The run's own folder; it may be empty when another machine began the run.
        output: A folder for folder artifacts, the run's own, whichever worker takes it.
        log: Takes lines for the log of the stage that is under way.
        results: The stored results of the stages that are finished.
    """

    run: Run
    repository: Repository
    instance: str
    host: Host
    builder: Builder
    work: Path
    output: Path
    log: Log
    stop: Stop
    results: dict[StageName, dict[str, Any]] = field(default_factory=dict)

    def result(self, stage: StageName, model: type[R]) -> R:
        """The result of a stage that is finished."""
        return model.model_validate(self.results[stage])


@dataclass
class Superseded(Exception):
    """The branch has moved on to commit `by`, so this run has nothing to bring any more."""

    by: str
