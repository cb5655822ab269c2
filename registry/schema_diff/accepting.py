"""Whether a schema accepts one value: yes, no, or not to be said.

Patterns and formats are never tried: they come from strangers, who can make them take forever.
"""

from collections.abc import Iterable
from typing import Any

from registry.schema_diff.atoms import Atom, Schema
from registry.schema_diff.budget import Budget
from registry.schema_diff.document import Conjunction, Document
from registry.schema_diff.facts import bound, value_type
from registry.schema_diff.plain import canonical

_MAX_DEPTH = 15

Verdict = bool | None


class Acceptance:
    """Asks a document about values."""

    def __init__(self, document: Document, budget: Budget) -> None:
        self._document = document
        self._budget = budget

    def of(self, atoms: Conjunction, value: Any, depth: int = 0) -> Verdict:
        """Whether atoms accept a tame value; None when that cannot be said."""
        return _all(self._atom(atom, value, depth) for atom in atoms)

    def _schema(self, schema: Schema, value: Any, depth: int) -> Verdict:
        return self.of(self._document.conjunction([schema]), value, depth + 1)

    def _atom(self, atom: Atom, value: Any, depth: int) -> Verdict:
        self._budget.spend()
        if depth > _MAX_DEPTH:
            return None
        if value_type(value) not in atom.types or not _named(atom, value):
            return False
        parts: list[Verdict] = [None] if atom.opaque else []
        if isinstance(value, str):
            parts.append(_string(atom, value))
        elif isinstance(value, dict):
            parts.append(self._object(atom, value, depth))
        elif isinstance(value, list):
            parts.append(self._array(atom, value, depth))
        elif value is not None and not isinstance(value, bool):
            parts.append(_number(atom, value))
        parts.append(self._alternatives(atom, value, depth))
        return _all(parts)

    def _object(self, atom: Atom, value: dict[str, Any], depth: int) -> Verdict:
        if not _counted(atom, len(value), "Properties") or not atom.required <= value.keys():
            return False
        if any(name in value and not needs <= value.keys() for name, needs in atom.needs.items()):
            return False
        return _all(
            self._schema(schema, part, depth)
            for name, part in value.items()
            if (schema := atom.at(name)) is not None
        )

    def _array(self, atom: Atom, value: list[Any], depth: int) -> Verdict:
        if not _counted(atom, len(value), "Items"):
            return False
        if atom.unique and len(set(map(canonical, value))) < len(value):
            return False
        return _all(
            self._schema(schema, part, depth)
            for index, part in enumerate(value)
            if (schema := atom.item(index)) is not None
        )

    def _alternatives(self, atom: Atom, value: Any, depth: int) -> Verdict:
        parts: list[Verdict] = []
        if atom.any_of is not None:
            found = [self._schema(branch, value, depth) for branch in atom.any_of]
            parts.append(True if True in found else None if None in found else False)
        if atom.one_of is not None:
            found = [self._schema(branch, value, depth) for branch in atom.one_of]
            sure = found.count(True)
            parts.append(False if sure > 1 else None if None in found else sure == 1)
        return _all(parts)


def _all(verdicts: Iterable[Verdict]) -> Verdict:
    sure: Verdict = True
    for verdict in verdicts:
        if verdict is False:
            return False
        sure = sure and verdict
    return sure


def _named(atom: Atom, value: Any) -> bool:
    return atom.values is None or canonical(value) in atom.keys


def _counted(atom: Atom, size: int, what: str) -> bool:
    least, most = atom.counts.get(f"min{what}", 0), atom.counts.get(f"max{what}", size)
    return least <= size <= most


def _string(atom: Atom, value: str) -> Verdict:
    if not _counted(atom, len(value), "Length"):
        return False
    return True if atom.pattern is None and atom.format is None else None


def _number(atom: Atom, value: float) -> Verdict:
    low = bound(atom.limits, lower=True, whole=False)
    high = bound(atom.limits, lower=False, whole=False)
    if (low and (value, False) < low) or (high and (-value, False) < high):
        return False
    if atom.multiple is not None and value != 0:
        both_whole = isinstance(value, int) and isinstance(atom.multiple, int)
        return value % atom.multiple == 0 if both_whole else None
    return True if atom.format is None else None
