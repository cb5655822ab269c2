"""What the pipeline adds to the time that `docker build` and the start of the container take.

`python -m bench.pipeline` pushes to a whole system with the docker host, and does the same by hand
in turns, on one engine; so the difference and the ratio mean something, the seconds less. Needs
root, docker and debootstrap.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import by_hand
from bench.by_hand import ByHand
from pipeline.builders.docker import image_tag
from pipeline.stages.base import STAGES
from sandbox.base_images import PYTHON_IMAGE, ensure
from sandbox.github_account import Account
from sandbox.repository import WorkingCopy, git, sample
from sandbox.stack import Stack

FIRST, SECOND = "first push", "second push, one line changed"
_GIVE_UP_SECONDS = 300


@dataclass(frozen=True)
class Pushed:
    """What one push took, in seconds since its delivery was received.

    Attributes:
        live: Until the new server was the live one.
        claimed: Until a worker had the run.
        in_progress: Until GitHub had been told that the check run is in progress.
        reported: Until GitHub had been told that it is completed.
        stages: The time in each stage.
        requests: How many requests GitHub's API had from Sigil because of it; no time.
    """

    live: float
    claimed: float
    in_progress: float
    reported: float
    stages: dict[str, float]
    requests: int


@dataclass(frozen=True)
class Pair:
    """One push, and the same by hand."""

    pushed: Pushed
    by_hand: ByHand


class Bench:
    """A running system with an account at the GitHub stand-in."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._folder = folder
        self._config = stack.config
        self._account = Account.read(stack.places.github)
        self._database = psycopg.connect(self._config.database_url, autocommit=True)
        self.images: list[str] = []

    def round(self, number: int) -> dict[str, Pair]:
        """A new repository pushed twice, and another one with the same files built by hand."""
        name = f"bench-{number}"
        mine = _working_copy(self._folder / name, f"{name} pushed")
        theirs = _working_copy(self._folder / f"{name}-by-hand", f"{name} by hand")
        full_name = self._account.create_repository(name)
        git(mine.folder, "remote", "add", "origin", self._account.remote(full_name))
        tag = f"{name}-by-hand"
        pairs = {}
        try:
            for kind in (FIRST, SECOND):
                if kind == SECOND:
                    _change_one_line(mine)
                    _change_one_line(theirs)
                image = image_tag(full_name, mine.head())
                self.images.append(image)
                # The second round begins with the other side, so that neither has the warm disk.
                sides: list[Callable[[], Pushed | ByHand]] = [
                    lambda: self._push(mine),
                    lambda: by_hand.deploy(theirs.folder, tag, PYTHON_IMAGE),
                ]
                order = (0, 1) if number % 2 else (1, 0)
                taken = {side: sides[side]() for side in order}
                pushed, hand = taken[0], taken[1]
                assert isinstance(pushed, Pushed)
                assert isinstance(hand, ByHand)
                pairs[kind] = Pair(pushed, hand)
                assert by_hand.steps(image) == by_hand.steps(tag), "the two images differ"
        finally:
            by_hand.remove(tag)
        return pairs

    def _push(self, copy: WorkingCopy) -> Pushed:
        self._await("SELECT NOT EXISTS (SELECT FROM runs WHERE reported_revision < revision)")
        self._await("SELECT NOT EXISTS (SELECT FROM deliveries WHERE finished_at IS NULL)")
        time.sleep(1)
        sha = copy.head()
        git(copy.folder, "push", "--quiet", "origin", "HEAD:main")
        self._await("SELECT finished_at IS NOT NULL FROM runs WHERE sha = %s", sha)
        self._await("SELECT reported_revision = revision FROM runs WHERE sha = %s", sha)
        row = self._database.execute(
            """SELECT runs.id, runs.state, title,
                      extract(epoch FROM received_at)::float8,
                      extract(epoch FROM runs.started_at)::float8,
                      extract(epoch FROM runs.finished_at)::float8
               FROM runs JOIN deliveries ON deliveries.id = runs.delivery_id WHERE sha = %s""",
            (sha,),
        ).fetchone()
        assert row is not None
        run, state, title, received, started, finished = row
        if state != "succeeded":
            raise SystemExit(f"Run {run} {state}: {title}. Logs: {self._config.log_folder}")
        stages = self._database.execute(
            """SELECT stage, extract(epoch FROM finished_at - started_at)::float8
               FROM run_stages WHERE run_id = %s""",
            (run,),
        ).fetchall()
        return Pushed(
            live=finished - received,
            claimed=started - received,
            in_progress=self._told(run, "in_progress") - received,
            reported=self._told(run, "completed") - received,
            stages=dict(stages),
            requests=sum(float(exchange["at"]) >= received for exchange in self._traffic()),
        )

    def _await(self, question: str, *parameters: str) -> None:
        give_up = time.monotonic() + _GIVE_UP_SECONDS
        while True:
            row = self._database.execute(question.encode(), parameters).fetchone()
            if row and row[0]:
                return
            if time.monotonic() > give_up:
                raise SystemExit(f"Not within {_GIVE_UP_SECONDS} s: {question}")
            time.sleep(0.1)

    def _traffic(self) -> Iterable[dict[str, Any]]:
        """What GitHub's API was asked, the oldest first."""
        text = requests.get(f"{self._config.github_url}/_sandbox/traffic", timeout=30).text
        return map(json.loads, text.splitlines())

    def _told(self, run: int, status: str) -> float:
        """When GitHub was first told of that status of the run's check run."""
        page = f"{self._config.web_url}/runs/{run}"
        for exchange in self._traffic():
            body = exchange["request_body"] or {}
            if body.get("details_url") == page and body.get("status") == status:
                return float(exchange["at"])
        raise SystemExit(f"GitHub was never told that run {run} is {status}.")


def _working_copy(folder: Path, remark: str) -> WorkingCopy:
    """The sample under a name of its own, with requirements that no build has installed before."""
    folder.mkdir(parents=True)
    copy = sample(folder)
    requirements = copy.folder / "requirements.txt"
    requirements.write_text(f"# {remark}, {time.time()}\n{requirements.read_text()}")
    _replace(copy.folder / "mcp.yaml", "name: almanac", f"name: {folder.name}")
    _commit(copy)
    return copy


def _change_one_line(copy: WorkingCopy) -> None:
    _replace(copy.folder / "almanac.py", 'version="1.0.0"', 'version="1.0.1"')
    _commit(copy)


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _commit(copy: WorkingCopy) -> None:
    git(copy.folder, "commit", "--quiet", "--all", "--message", "Change")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="sigil-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user when this is root
        stack = Stack(folder / "sandbox", host="docker", settings=ensure())
        stack.start()
        bench = Bench(stack, folder / "repositories")
        try:
            bench.round(0)  # fills the cache of the layers that all servers share
            numbers = track(range(1, rounds + 1), "measuring", console=Console(stderr=True))
            measured = [bench.round(number) for number in numbers]
        finally:
            stack.stop()
            for image in bench.images:
                by_hand.remove(image)
    _print(measured)


def _print(measured: list[dict[str, Pair]]) -> None:
    title = f"Seconds, medians of {len(measured)} rounds in turns"
    whole = Table("", "push → live", "by hand", "added", "ratio", title=title)
    parts = Table("since the delivery was received", FIRST, SECOND)
    for kind in (FIRST, SECOND):
        pairs = [round[kind] for round in measured]
        whole.add_row(
            kind,
            _median(pair.pushed.live for pair in pairs),
            _median(pair.by_hand.seconds for pair in pairs),
            _median(pair.pushed.live - pair.by_hand.seconds for pair in pairs),
            _median(pair.pushed.live / pair.by_hand.seconds for pair in pairs),
        )
    rows: dict[str, Callable[[Pair], float]] = {
        "run claimed": lambda pair: pair.pushed.claimed,
        "GitHub says: in progress": lambda pair: pair.pushed.in_progress,
        "live": lambda pair: pair.pushed.live,
        "GitHub says: completed": lambda pair: pair.pushed.reported,
        **{f"in {stage}": _stage(stage) for stage in STAGES},
        "between the stages": lambda pair: (
            pair.pushed.live - pair.pushed.claimed - sum(pair.pushed.stages.values())
        ),
        "requests to GitHub, not seconds": lambda pair: pair.pushed.requests,
        "by hand: docker build": lambda pair: pair.by_hand.building,
        "by hand: start and handshake": lambda pair: pair.by_hand.answering,
    }
    for name, value in rows.items():
        parts.add_row(
            name, *(_median(value(round[kind]) for round in measured) for kind in (FIRST, SECOND))
        )
    Console().print(whole, parts)


def _stage(name: str) -> Callable[[Pair], float]:
    return lambda pair: pair.pushed.stages[name]


def _median(values: Iterable[float]) -> str:
    return f"{statistics.median(values):.2f}"


if __name__ == "__main__":
    main()
