"""What several atoms demand together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from registry.schema_diff.atoms import ALL_TYPES, COUNTS, LIMITS, NUMBERS, Atom, Schema

_KINDS = ("boolean", "object", "array", "string")
_FEW = (("null", None), ("boolean", True), ("boolean", False))

Bound = tuple[float, bool]
"""A limit and whether it is itself excluded; the sign is turned for upper limits, so that the
greater bound is the narrower one."""


def value_type(value: Any) -> str:
    """The type of a tame value, a whole number being an `integer` and another one a `fraction`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "integer" if float(value).is_integer() else "fraction"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def type_words(types: frozenset[str]) -> str:
    """The types in the words of JSON Schema."""
    if types >= ALL_TYPES:
        return "anything"
    words = [kind for kind in _KINDS if kind in types]
    if "fraction" in types:
        words.append("number")
    elif "integer" in types:
        words.append("integer")
    if "null" in types:
        words.append("null")
    return " or ".join(words) or "nothing"


def bound(limits: Mapping[str, float], *, lower: bool, whole: bool) -> Bound | None:
    """The lower or the upper bound of limits; `whole` when only whole numbers matter."""
    names = ("minimum", "exclusiveMinimum") if lower else ("maximum", "exclusiveMaximum")
    sign = 1 if lower else -1
    found = [
        (sign * limits[name], name.startswith("exclusive")) for name in names if name in limits
    ]
    if not found:
        return None
    value, exclusive = max(found)
    if whole:
        return (math.floor(value) + 1 if exclusive else math.ceil(value), False)
    return value, exclusive


@dataclass(frozen=True, eq=False)
class Facts:
    """The demands of atoms that all hold, apart from those of their `anyOf` and `oneOf`.

    `elsewhere` has the names that only another form of the same value describes.
    """

    atoms: Sequence[Atom]
    elsewhere: frozenset[str] = frozenset()

    @cached_property
    def prints(self) -> frozenset[bytes]:
        """Which demands these are."""
        return frozenset(atom.print for atom in self.atoms)

    @cached_property
    def types(self) -> frozenset[str]:
        """The types that are left."""
        types = ALL_TYPES.intersection(*(atom.types for atom in self.atoms))
        if self.named is None:
            return types
        return types & {value_type(value) for value in self.named}

    @cached_property
    def named(self) -> tuple[Any, ...] | None:
        """The shortest list of only values among the atoms."""
        lists = [atom.values for atom in self.atoms if atom.values is not None]
        return min(lists, key=len, default=None)

    @cached_property
    def values(self) -> tuple[Any, ...] | None:
        """The only values, or None when there is no end of them."""
        if self.named is not None:
            return tuple(value for value in self.named if value_type(value) in self.types)
        if self.types <= {"null", "boolean"}:
            return tuple(value for kind, value in _FEW if kind in self.types)
        return None

    @cached_property
    def whole(self) -> bool:
        """Whether only whole numbers are left among the numbers."""
        return not self.types & (NUMBERS - {"integer"})

    @cached_property
    def limits(self) -> dict[str, float]:
        """The narrowest limits of numbers."""
        found = {}
        for name in LIMITS:
            stated = [atom.limits[name] for atom in self.atoms if name in atom.limits]
            if stated:
                found[name] = max(stated) if "inimum" in name else min(stated)
        return found

    @cached_property
    def counts(self) -> dict[str, int]:
        """The narrowest limits of lengths."""
        found = {}
        for name in COUNTS:
            stated = [atom.counts[name] for atom in self.atoms if name in atom.counts]
            if name == "minProperties":
                stated.append(len(self.required))
            if stated:
                found[name] = max(stated) if name.startswith("min") else min(stated)
        return found

    @cached_property
    def required(self) -> frozenset[str]:
        """The names that have to be there."""
        return frozenset[str]().union(*(atom.required for atom in self.atoms))

    @cached_property
    def declared(self) -> tuple[str, ...]:
        """The names that are described, in their order."""
        return tuple(dict.fromkeys(name for atom in self.atoms for name in atom.properties))

    @cached_property
    def free(self) -> bool:
        """Whether any names are meant to be used, because none is described."""
        return not self.declared and all(atom.additional is None for atom in self.atoms)

    @cached_property
    def opaque(self) -> frozenset[tuple[str, bytes]]:
        """The demands that are not understood."""
        return frozenset(pair for atom in self.atoms for pair in atom.opaque.items())

    def at(self, name: str) -> list[Schema]:
        """The schemas of a property."""
        return [schema for atom in self.atoms if (schema := atom.at(name)) is not None]

    def others(self) -> list[Schema]:
        """The schemas of names that are not described."""
        return [
            atom.additional
            for atom in self.atoms
            if atom.additional is not None and not atom.patterned
        ]

    def item(self, index: int) -> list[Schema]:
        """The schemas of the item at an index."""
        return [schema for atom in self.atoms if (schema := atom.item(index)) is not None]

    def rest(self) -> list[Schema]:
        """The schemas of items beyond every prefix."""
        return [atom.rest for atom in self.atoms if atom.rest is not None]
