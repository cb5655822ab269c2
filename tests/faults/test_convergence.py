"""People go on while everything around Sigil breaks; once that ends, everything converges.

`SIGIL_SEED=7 SIGIL_STEPS=60 pytest tests/faults/test_convergence.py` takes another life.
"""

import os
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.polling import eventually
from tests.promises import broken
from tests.random_life import Life
from tests.stack_fixture import System

pytestmark = [pytest.mark.faults, pytest.mark.long]

# What no event told of is looked for after seconds instead of an hour.
SETTINGS = {"SIGIL_RECOVERY_INTERVAL": "10"}

SEEDS = [int(seed) for seed in os.environ.get("SIGIL_SEED", "4").split(",")]
STEPS = int(os.environ.get("SIGIL_STEPS", "50"))


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left() -> Iterator[list[str]]:
    """Looks, after the system has ended, whether a process of it is left."""
    folders: list[str] = []
    yield folders
    left = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if any(folder in " ".join(process.info["cmdline"] or ()) for folder in folders)
    ]
    assert left == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_life_among_faults_converges(
    system: System, nothing_is_left: list[str], seed: int
) -> None:
    nothing_is_left.append(str(system.stack.places.folder))
    life = Life(system, seed)
    try:
        for _ in range(STEPS):
            life.step()
    finally:
        life.let_go()
    eventually(system.github.has_sent_all)
    wrong = _wrong_in_the_end(system, life)
    assert not wrong, "\n".join([f"seed {seed}", *life.told, "", *wrong])


def _wrong_in_the_end(system: System, life: Life) -> list[str]:
    """What does not hold even after a while; `seconds` only bound how long a failure takes."""
    give_up = time.monotonic() + 150
    while (wrong := broken(system, life)) and time.monotonic() < give_up:
        time.sleep(0.5)
    return wrong
