"""The whole comparison of two schemas: demands in both directions, then words."""

from collections.abc import Callable, Iterable
from typing import Any

from registry.schema_diff.budget import Budget, ExhaustedError
from registry.schema_diff.change import Change
from registry.schema_diff.document import Document
from registry.schema_diff.inclusion import Inclusion
from registry.schema_diff.obstacle import Obstacle
from registry.schema_diff.plain import TooBigError, canonical, tame
from registry.schema_diff.texts import text_changes
from registry.schema_diff.wording import answer_changes, argument_changes

_STEPS = 20_000
_CHARACTERS_A_STEP = 100
"""Reading a schema takes time as well: about a step for so many characters."""

_Words = Callable[[Iterable[Obstacle], Iterable[Obstacle]], list[Change]]


def argument_diff(old: Any, new: Any, budget: Budget) -> list[Change]:
    """What changed between two input schemas, the worst first; empty when nothing did."""
    return _diff(old, new, budget, argument_changes, prefix="")


def answer_diff(old: Any, new: Any, budget: Budget) -> list[Change]:
    """What changed between two output schemas, the worst first; empty when nothing did."""
    return _diff(old, new, budget, answer_changes, prefix="output-")


def _diff(old: Any, new: Any, budget: Budget, words: _Words, *, prefix: str) -> list[Change]:
    try:
        budget.spend()
        before, after = tame(old), tame(new)
        texts = canonical(before), canonical(after)
        if texts[0] == texts[1]:
            return []
        budget.spend(sum(map(len, texts)) // _CHARACTERS_A_STEP)
    except TooBigError:
        return [] if old is new else [_unjudged(prefix, "it is too big")]
    except ExhaustedError:
        return [_unjudged(prefix, "there is too much of it")]
    found = _demands(before, after, budget, words, prefix)
    found += text_changes(before, after, prefix=prefix)
    if found:
        return found
    # The words are the same and so is what is accepted, but not how that is said.
    sentence = "It is written in another way and means the same."
    return [Change("", f"{prefix}schema-rewritten", "compatible", sentence)]


def _demands(before: Any, after: Any, budget: Budget, words: _Words, prefix: str) -> list[Change]:
    a, b = Document(before), Document(after)
    if a.print(a.root) == b.print(b.root):
        return []
    part = budget.part(_STEPS)
    try:
        narrower = Inclusion(a, b, part).obstacles()
        wider = Inclusion(b, a, part).obstacles()
    except ExhaustedError:
        return [_unjudged(prefix, "it is too entangled")]
    finally:
        budget.give_back(part)
    return words(narrower, wider)


def _unjudged(prefix: str, reason: str) -> Change:
    sentence = f"The schema changed in a way that cannot be judged: {reason}."
    return Change("", f"{prefix}cannot-be-judged", "breaking-possible", sentence)
