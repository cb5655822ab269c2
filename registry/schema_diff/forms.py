"""The forms that `anyOf` and `oneOf` let a value have."""

from collections.abc import Iterator

from registry.schema_diff.atoms import ALL_TYPES, NUMBERS, Atom
from registry.schema_diff.document import Conjunction, Document
from registry.schema_diff.facts import Facts
from registry.schema_diff.plain import canonical

MAX_FORMS = 32

_BY_TYPE = [
    Atom(print=b"type " + "+".join(sorted(types)).encode(), types=types)
    for types in (*(frozenset({kind}) for kind in sorted(ALL_TYPES - NUMBERS)), NUMBERS)
]


def forms(document: Document, atoms: Conjunction) -> tuple[list[Conjunction], bool]:
    """Every form that the alternatives allow, and whether these are all apart.

    Where there are too many, alternatives are left out: the forms then allow more than the schema.
    """
    complete = True
    done: list[Conjunction] = []
    waiting = [(atoms, _choices(atoms))]
    while waiting:
        form, choices = waiting.pop()
        if not choices:
            done.append(form)
            continue
        first, *others = choices
        if len(done) + len(waiting) + len(first) > MAX_FORMS:
            complete = False
            waiting.append((form, others))
            continue
        for schema in reversed(first):
            more = document.conjunction([schema])
            new = tuple(atom for atom in more if atom not in form)
            if Facts((*form, *new)).types:
                waiting.append(((*form, *new), [*others, *_choices(new)]))
    return done, complete


def _choices(atoms: Conjunction) -> list[tuple[object, ...]]:
    return [group for atom in atoms for group in (atom.any_of, atom.one_of) if group is not None]


def parts_by_type(facts: Facts) -> Iterator[Facts]:
    """The facts once for each type that is left."""
    for atom in _BY_TYPE:
        if atom.types & facts.types:
            yield Facts((*facts.atoms, atom), facts.elsewhere)


def disjoint(a: Document, of_a: Facts, b: Document, of_b: Facts, depth: int = 0) -> bool:
    """Whether certainly no value meets both facts; no when that is not easily seen."""
    common = of_a.types & of_b.types
    if not common:
        return True
    if of_a.values is not None and of_b.values is not None:
        keys = set(map(canonical, of_a.values))
        return keys.isdisjoint(map(canonical, of_b.values))
    if common != {"object"} or depth > 2:
        return False
    both = set(of_a.declared) & set(of_b.declared)
    return any(
        disjoint(
            a,
            Facts(a.conjunction(of_a.at(name))),
            b,
            Facts(b.conjunction(of_b.at(name))),
            depth + 1,
        )
        for name in sorted((of_a.required | of_b.required) & both)
    )
