"""Whether everything that one schema accepts is accepted by another, and if not, why.

It never runs a schema; it compares demands. A demand that it does not understand counts as one that
may refuse something. Names that an object does not describe count as not used, unless it describes
none or restricts them: nobody calls a tool with arguments that it never named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from registry.schema_diff.accepting import Acceptance
from registry.schema_diff.atoms import Atom, Schema
from registry.schema_diff.budget import Budget
from registry.schema_diff.document import Conjunction, Document
from registry.schema_diff.facts import Facts, type_words
from registry.schema_diff.forms import disjoint, forms, parts_by_type
from registry.schema_diff.obstacle import Obstacle, refuses, under, unsure
from registry.schema_diff.plain import canonical, listed, visible
from registry.schema_diff.scalars import scalar_obstacles

_MAX_DEPTH = 30
_NOTHING_OPEN = 1_000_000

_Found = tuple[Obstacle, ...]


class Inclusion:
    """Finds why `b` refuses values that `a` accepts."""

    def __init__(self, a: Document, b: Document, budget: Budget) -> None:
        self._a = a
        self._b = b
        self._budget = budget
        self._accepts = Acceptance(b, budget)
        # Comparisons that have begun, and those done whose answer leans on none of them.
        self._open: dict[tuple[frozenset[bytes], frozenset[bytes], bool], int] = {}
        self._done: dict[tuple[frozenset[bytes], frozenset[bytes], bool], _Found] = {}
        self._leans_on = _NOTHING_OPEN
        self._level = 0

    def obstacles(self) -> list[Obstacle]:
        """Every reason that was found, none when everything is accepted.

        Raises:
            ExhaustedError: the schemas are too much work.
        """
        found = self._compare(
            self._a.conjunction([self._a.root]), self._b.conjunction([self._b.root]), root=True
        )
        if self._a.strange or self._b.strange:
            found += (Obstacle("opaque", of_b="$schema", weight="possible"),)
        return list(dict.fromkeys(found))

    def _compare(self, a: Conjunction, b: Conjunction, *, root: bool = False) -> _Found:
        """The obstacles between two conjunctions.

        A comparison that comes up inside itself holds if nothing else speaks against it: a value is
        finite, so each round through a recursive schema looks at a smaller part of it.
        """
        self._budget.spend(1 + len(a) + len(b))
        key = (Facts(a).prints, Facts(b).prints, root)
        if key[1] <= key[0]:
            return ()
        if key in self._done:
            return self._done[key]
        if key in self._open:
            self._leans_on = min(self._leans_on, self._open[key])
            return ()
        depth = len(self._open)
        self._open[key] = depth
        outside, self._leans_on = self._leans_on, _NOTHING_OPEN
        found = tuple(dict.fromkeys(self._forms(a, b, root=root)))
        del self._open[key]
        if self._leans_on >= depth:
            self._done[key] = found
        else:
            outside = min(outside, self._leans_on)
        self._leans_on = outside
        return found

    def _forms(self, a: Conjunction, b: Conjunction, *, root: bool) -> Iterator[Obstacle]:
        """The obstacles of each of the forms that the alternatives of `a` allow."""
        every, complete = forms(self._a, a)
        others, _ = forms(self._b, b)
        self._budget.spend(len(every) + len(others))
        described = {name for form in others for name in Facts(form).declared}
        types = type_words(_types(every)), type_words(_types(others))
        anywhere = frozenset(name for form in every for name in Facts(form).declared)
        for form in every:
            facts = Facts(form, anywhere - set(Facts(form).declared))
            found = self._included(facts, b, root=root)
            if len(every) > 1:
                found = [_with_types(one, *types) for one in found]
            yield from found if complete else unsure(found)
            if "object" in facts.types & Facts(b).types:
                for name in facts.declared:
                    if name not in described and not self._impossible(facts.at(name)):
                        yield Obstacle("gone", (name,), weight="note")

    def _impossible(self, schemas: Sequence[Schema]) -> bool:
        return not Facts(self._a.conjunction(schemas)).types

    def _included(self, facts: Facts, b: Conjunction, *, root: bool) -> list[Obstacle]:
        """The obstacles for one form of `a`."""
        self._budget.spend(1 + len(b))
        if self._level >= _MAX_DEPTH:
            return [Obstacle("opaque", of_b="nested too deep", weight="possible")]
        self._level += 1
        try:
            return self._typed(facts, b, root=root)
        finally:
            self._level -= 1

    def _typed(self, facts: Facts, b: Conjunction, *, root: bool) -> list[Obstacle]:
        """The obstacles for one form, its types first."""
        demands = [atom for atom in b if atom.print not in facts.prints]
        if not facts.types or not demands:
            return []
        if any(not atom.types for atom in demands):
            return [Obstacle("refused")]
        accepted = Facts(demands).types
        before, after = type_words(facts.types), type_words(accepted & facts.types)
        lost = facts.types - accepted
        if not lost or before == after or (facts.values is not None and lost != facts.types):
            return self._demands(facts, demands, root=root)
        if lost == facts.types:
            return [Obstacle("type", of_a=before, of_b=type_words(accepted))]
        obstacle = Obstacle("type", of_a=before, of_b=after)
        if before == "anything":
            return [obstacle]
        return [obstacle, *self._demands(facts, demands, root=root)]

    def _demands(self, facts: Facts, demands: list[Atom], *, root: bool) -> list[Obstacle]:
        if facts.values is not None:
            return list(self._values(facts, tuple(demands)))
        found: list[Obstacle] = []
        for atom in demands:
            if atom.values is not None:
                found.append(Obstacle("values", of_b=listed(list(atom.values))))
            found += scalar_obstacles(facts, atom)
            if "array" in facts.types & atom.types:
                found += self._array(facts, atom)
            if "object" in facts.types & atom.types:
                found += self._object(facts, atom, root=root)
            for branches, exclusive in ((atom.any_of, b""), (atom.one_of, atom.one_of_print)):
                if branches is not None and not (exclusive and _same_choice(facts, exclusive)):
                    found += self._alternatives(facts, branches, bool(exclusive), root=root)
            for pair in atom.opaque.items():
                if pair not in facts.opaque:
                    found.append(Obstacle("opaque", of_b=pair[0], weight="possible"))
        return found

    def _values(self, facts: Facts, demands: Conjunction) -> Iterator[Obstacle]:
        """Obstacles for values that can all be tried."""
        values = facts.values or ()
        verdicts = [(value, self._accepts.of(demands, value)) for value in values]
        refused = [value for value, verdict in verdicts if verdict is False]
        only = Facts(demands).values
        if refused and len(values) == 1 and only is not None and len(only) == 1:
            yield Obstacle("const", of_a=listed(list(values)), of_b=listed(list(only)))
        elif refused:
            yield Obstacle("enum", of_a=listed(refused))
        if doubtful := [value for value, verdict in verdicts if verdict is None]:
            words = f"whether it accepts {listed(doubtful)}"
            yield Obstacle("opaque", of_b=words, weight="possible")

    def _array(self, facts: Facts, atom: Atom) -> Iterator[Obstacle]:
        most = facts.counts.get("maxItems", 1_000_000)
        prefix = max(len(one.prefix) for one in (*facts.atoms, atom))
        for index in range(min(prefix, most)):
            schema = atom.item(index)
            if schema is not None:
                found = self._parts(facts.item(index), schema)
                yield from under(f"[{index}]", found)
        if atom.rest is not None and most > prefix:
            yield from under("[]", self._parts(facts.rest(), atom.rest))

    def _parts(self, of_a: Sequence[Schema], of_b: Schema) -> _Found:
        return self._compare(self._a.conjunction(of_a), self._b.conjunction([of_b]))

    def _object(self, facts: Facts, atom: Atom, *, root: bool) -> Iterator[Obstacle]:
        # Names under a pattern are meant to be used as well.
        free = (facts.free and not root) or any(one.patterned for one in facts.atoms)
        for name in sorted(atom.required - facts.required):
            yield Obstacle("required" if name in facts.declared else "required-new", (name,))
        yield from _needs(facts, atom, free=free)
        for name in dict.fromkeys((*facts.declared, *atom.properties)):
            schema = atom.at(name)
            if schema is None:
                continue
            stated = facts.at(name)
            if schema is False:
                if name in facts.declared and not self._impossible(stated):
                    yield Obstacle("gone", (name,))
            elif name in facts.declared or stated:
                yield from under(name, self._parts(stated, schema))
            elif (free or name in facts.elsewhere) and refuses(self._parts([], schema)):
                yield Obstacle("described", (name,), weight="possible")
        if atom.additional is not None and not atom.patterned:
            others = facts.others()
            if atom.additional is not False:
                yield from under("*", self._parts(others, atom.additional))
            elif not self._impossible(others):
                yield Obstacle("closed")

    def _alternatives(
        self,
        facts: Facts,
        schemas: Sequence[Schema],
        exclusive: bool,
        *,
        root: bool,
    ) -> list[Obstacle]:
        """Obstacles of an `anyOf`, or of a `oneOf` when it is exclusive."""
        branches = [self._b.conjunction([schema]) for schema in schemas]
        found: list[Obstacle] = []
        for part in [facts] if self._single(facts, branches) else parts_by_type(facts):
            near = [
                branch for branch in branches if not disjoint(self._a, part, self._b, Facts(branch))
            ]
            tries: list[list[Obstacle]] = []
            for branch in near:
                tries.append(self._included(part, branch, root=root))
                if not refuses(tries[-1]):
                    break
            if not near:
                found.append(_lost(facts, part, branches))
            elif refuses(tries[-1]):
                best = min(tries, key=len)
                found += best if len(near) == 1 else unsure(best)
            else:
                found += tries[-1]
                if exclusive and len(near) > 1:
                    found.append(Obstacle("opaque", of_b="oneOf", weight="possible"))
        return found

    def _single(self, facts: Facts, branches: Sequence[Conjunction]) -> bool:
        """Whether the types need not be looked at one by one."""
        return any(facts.types <= Facts(branch).types for branch in branches)


def _types(every: Sequence[Conjunction]) -> frozenset[str]:
    return frozenset[str]().union(*(Facts(form).types for form in every))


def _with_types(obstacle: Obstacle, of_a: str, of_b: str) -> Obstacle:
    """What is wrong with the type of one form, said of all the forms together."""
    if obstacle.kind != "type" or obstacle.path:
        return obstacle
    return replace(obstacle, of_a=of_a, of_b=of_b)


def _needs(facts: Facts, atom: Atom, *, free: bool) -> Iterator[Obstacle]:
    for name, needs in atom.needs.items():
        if name not in facts.declared and name not in facts.required and not free:
            continue
        known = facts.required.union(*(one.needs.get(name, frozenset()) for one in facts.atoms))
        for needed in sorted(needs - known):
            obstacle = Obstacle("needed", (needed,), of_b=visible(name))
            yield from unsure([obstacle]) if free else [obstacle]


def _same_choice(facts: Facts, print_: bytes) -> bool:
    return any(one.one_of_print == print_ for one in facts.atoms)


def _lost(facts: Facts, part: Facts, branches: Sequence[Conjunction]) -> Obstacle:
    """Nothing of a part of `a` is left among the branches."""
    left = frozenset[str]().union(*(Facts(branch).types for branch in branches))
    if not part.types & left:
        return Obstacle("type", of_a=type_words(facts.types), of_b=type_words(left & facts.types))
    return Obstacle("alternative", of_a=_form_words(part))


def _form_words(facts: Facts) -> str:
    for name in facts.declared:
        for schema in facts.at(name):
            if isinstance(schema, dict) and "const" in schema:
                return f'"{visible(name)}": {visible(canonical(schema["const"]))}'
    names = ", ".join(f'"{visible(name)}"' for name in facts.declared[:5])
    return names or type_words(facts.types)
