"""A reason why a value that one schema accepts is refused by another."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

Weight = Literal["certain", "possible", "note"]


@dataclass(frozen=True)
class Obstacle:
    """Why the schema `b` refuses something that the schema `a` accepts.

    Attributes:
        kind: Which sort of reason; `wording` has the words for each.
        path: Where in the value.
        of_a: What `a` says, in words. `of_b`: what `b` says.
        weight: `note`: nothing is refused, and it is still worth telling.
    """

    kind: str
    path: tuple[str, ...] = ()
    of_a: str = ""
    of_b: str = ""
    weight: Weight = "certain"


def under(step: str, obstacles: Iterable[Obstacle]) -> Iterator[Obstacle]:
    """The obstacles of a part, as obstacles of the whole."""
    return (replace(one, path=(step, *one.path)) for one in obstacles)


def unsure(obstacles: Iterable[Obstacle]) -> Iterator[Obstacle]:
    """The obstacles, none of them certain any more."""
    return (
        replace(one, weight="possible") if one.weight == "certain" else one for one in obstacles
    )


def refuses(obstacles: Iterable[Obstacle]) -> bool:
    """Whether any of them is more than a note."""
    return any(one.weight != "note" for one in obstacles)
