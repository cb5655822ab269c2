"""Obstacles in numbers, texts and counts, where one atom's keywords meet the facts."""

from collections.abc import Iterator, Mapping

from registry.schema_diff.atoms import COUNTS, NUMBERS, Atom
from registry.schema_diff.facts import Facts, bound
from registry.schema_diff.obstacle import Obstacle
from registry.schema_diff.plain import shown

_CONTAINED = {
    ("uri", "uri-reference"),
    ("uri", "iri"),
    ("uri", "iri-reference"),
    ("uri-reference", "iri-reference"),
    ("iri", "iri-reference"),
    ("url", "uri"),
    ("email", "idn-email"),
    ("hostname", "idn-hostname"),
    ("int32", "int64"),
    ("float", "double"),
}
"""Everything of the first format is also of the second."""


def scalar_obstacles(facts: Facts, atom: Atom) -> Iterator[Obstacle]:
    """Why an atom refuses numbers, texts or sizes that the facts allow."""
    if facts.types & NUMBERS:
        yield from _limits(facts, atom)
        yield from _multiple(facts, atom)
    if "string" in facts.types:
        yield from _pattern(facts, atom)
    if facts.types & (NUMBERS | {"string"}):
        yield from _format(facts, atom)
    if "array" in facts.types and atom.unique and not any(one.unique for one in facts.atoms):
        most = facts.counts.get("maxItems")
        if most is None or most > 1:
            yield Obstacle("uniqueItems")
    yield from _counts(facts, atom)


def _limits(facts: Facts, atom: Atom) -> Iterator[Obstacle]:
    for kind, lower in (("minimum", True), ("maximum", False)):
        ours = bound(atom.limits, lower=lower, whole=facts.whole)
        theirs = bound(facts.limits, lower=lower, whole=facts.whole)
        if ours is not None and (theirs is None or theirs < ours):
            yield Obstacle(
                kind,
                of_a=_bound_words(facts.limits, lower=lower),
                of_b=_bound_words(atom.limits, lower=lower),
            )


def _bound_words(limits: Mapping[str, float], *, lower: bool) -> str:
    found = bound(limits, lower=lower, whole=False)
    if found is None:
        return "not limited"
    number = shown(found[0] if lower else -found[0])
    return f"{'more' if lower else 'less'} than {number}" if found[1] else number


def _multiple(facts: Facts, atom: Atom) -> Iterator[Obstacle]:
    if atom.multiple is None or (facts.whole and atom.multiple == 1):
        return
    stated = [one.multiple for one in facts.atoms if one.multiple is not None]
    for multiple in stated:
        both_whole = isinstance(multiple, int) and isinstance(atom.multiple, int)
        if multiple == atom.multiple or (both_whole and multiple % atom.multiple == 0):
            return
    fractions = any(isinstance(one, float) for one in (*stated, atom.multiple))
    yield Obstacle(
        "multipleOf",
        of_a=shown(stated[0]) if stated else "any number",
        of_b=shown(atom.multiple),
        weight="possible" if stated and fractions else "certain",
    )


def _pattern(facts: Facts, atom: Atom) -> Iterator[Obstacle]:
    if atom.pattern is None:
        return
    stated = [one.pattern for one in facts.atoms if one.pattern is not None]
    if not stated:
        yield Obstacle("pattern", of_b=shown(atom.pattern))
    elif atom.pattern not in stated:
        # Whether one pattern contains another is not worth deciding for strangers.
        before, after = shown(stated[0]), shown(atom.pattern)
        yield Obstacle("pattern-other", of_a=before, of_b=after, weight="possible")


def _format(facts: Facts, atom: Atom) -> Iterator[Obstacle]:
    if atom.format is None:
        return
    stated = [one.format for one in facts.atoms if one.format is not None]
    if not stated:
        yield Obstacle("format", of_b=shown(atom.format))
    elif atom.format not in stated and not any((one, atom.format) in _CONTAINED for one in stated):
        yield Obstacle("format-other", of_a=shown(stated[0]), of_b=shown(atom.format))


def _counts(facts: Facts, atom: Atom) -> Iterator[Obstacle]:
    for name, limit in atom.counts.items():
        if COUNTS[name] not in facts.types or (name.startswith("min") and limit == 0):
            continue
        stated = facts.counts.get(name)
        narrow = stated is None or (stated < limit if name.startswith("min") else stated > limit)
        if narrow:
            before = "not limited" if stated is None else shown(stated)
            yield Obstacle(name, of_a=before, of_b=shown(limit))
