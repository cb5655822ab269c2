"""Obstacles as changes: the name of the rule, how bad it is, and a sentence.

An obstacle from the old schema to the new one is a narrowing, one from the new to the old a
widening. Narrowing the arguments breaks who calls; widening the answer breaks who reads it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from registry.schema_diff.change import SEVERITIES, Change, Severity
from registry.schema_diff.obstacle import Obstacle
from registry.schema_diff.plain import visible


@dataclass(frozen=True)
class _Sentences:
    """A rule's name and sentence when the schema got narrower, and when it got wider.

    `{old}` and `{new}` are what the schemas say; `{verb}` is `accepted` or `returned`.
    """

    narrow: str
    narrowed: str
    wide: str
    widened: str


def _measure(keyword: str, what: str, *, lower: bool) -> _Sentences:
    narrow, wide = ("raised", "lowered") if lower else ("lowered", "raised")
    sentence = f"{what} was {{old}}, it is {{new}} now."
    return _Sentences(f"{keyword}-{narrow}", sentence, f"{keyword}-{wide}", sentence)


_SENTENCES = {
    "type": _Sentences(
        "type-narrowed",
        "The type was {old}, it is {new} now.",
        "type-widened",
        "The type was {old}, it is {new} now.",
    ),
    "enum": _Sentences(
        "enum-value-removed",
        "No longer {verb}: {old}.",
        "enum-value-added",
        "Now {verb} as well: {new}.",
    ),
    "const": _Sentences(
        "const-changed",
        "The only value was {old}, it is {new} now.",
        "const-changed",
        "The only value was {old}, it is {new} now.",
    ),
    "values": _Sentences(
        "enum-added",
        "Only these values are {verb} now: {new}.",
        "enum-dropped",
        "Other values are {verb} now; it was one of: {old}.",
    ),
    "required-new": _Sentences(
        "required-argument-added",
        "It is new and required: calls without it fail.",
        "argument-removed",
        "It is gone; it was required.",
    ),
    "required": _Sentences(
        "argument-became-required",
        "It was optional and is required now: calls without it fail.",
        "argument-became-optional",
        "It was required and is optional now.",
    ),
    "needed": _Sentences(
        "argument-became-required",
        'It is required now whenever "{new}" is given.',
        "argument-became-optional",
        'It is no longer required whenever "{old}" is given.',
    ),
    "gone": _Sentences(
        "argument-removed",
        "It is gone, and calls that still pass it are refused.",
        "argument-added",
        "It is new and optional.",
    ),
    "described": _Sentences(
        "argument-described",
        "Any value was accepted under this name, and now it is described.",
        "argument-description-dropped",
        "It is no longer described; any value is accepted.",
    ),
    "refused": _Sentences(
        "value-refused", "No value is {verb} here any more.", "value-allowed", "It may be used now."
    ),
    "closed": _Sentences(
        "additionalProperties-closed",
        "Names that are not listed were {verb} and are not any more.",
        "additionalProperties-opened",
        "Names that are not listed are {verb} now.",
    ),
    "alternative": _Sentences(
        "alternative-removed",
        "This form is no longer {verb}: {old}.",
        "alternative-added",
        "This form is {verb} as well: {new}.",
    ),
    "minimum": _measure("minimum", "The least value", lower=True),
    "maximum": _measure("maximum", "The greatest value", lower=False),
    "minLength": _measure("minLength", "The least length", lower=True),
    "maxLength": _measure("maxLength", "The greatest length", lower=False),
    "minItems": _measure("minItems", "The least number of items", lower=True),
    "maxItems": _measure("maxItems", "The greatest number of items", lower=False),
    "minProperties": _measure("minProperties", "The least number of names", lower=True),
    "maxProperties": _measure("maxProperties", "The greatest number of names", lower=False),
    "multipleOf": _Sentences(
        "multipleOf-narrowed",
        "Only multiples of {new} are {verb} now; it was {old}.",
        "multipleOf-widened",
        "Multiples of {old} were {verb}; it is {new} now.",
    ),
    "uniqueItems": _Sentences(
        "uniqueItems-added",
        "Its items may not repeat any more.",
        "uniqueItems-removed",
        "Its items may repeat now.",
    ),
    "pattern": _Sentences(
        "pattern-added",
        "It has to match the pattern {new} now.",
        "pattern-removed",
        "It need not match the pattern {old} any more.",
    ),
    "pattern-other": _Sentences(
        "pattern-changed",
        "The pattern was {old}, it is {new} now; whether it is narrower cannot be judged.",
        "pattern-changed",
        "The pattern was {old}, it is {new} now; whether it is wider cannot be judged.",
    ),
    "format": _Sentences(
        "format-added",
        "It has to be of the format {new} now.",
        "format-removed",
        "It need not be of the format {old} any more.",
    ),
    "format-other": _Sentences(
        "format-changed",
        "The format was {old}, it is {new} now.",
        "format-changed",
        "The format was {old}, it is {new} now.",
    ),
    "opaque": _Sentences(
        "cannot-be-judged",
        "It changed in a way that cannot be judged ({new}).",
        "constraint-removed",
        "It is restricted less, in a way that cannot be judged ({old}).",
    ),
}

_INSTEAD = {
    "argument-added": "required-argument-added",
    "constraint-removed": "cannot-be-judged",
    "additionalProperties-opened": "cannot-be-judged",
}
"""What a rule says is said already by the other one at the same place."""

_TYPES = ("type-narrowed", "type-widened")


def argument_changes(narrower: Iterable[Obstacle], wider: Iterable[Obstacle]) -> list[Change]:
    """The changes of an input schema, the worst first."""
    found = [_narrowing(one, _ARGUMENT_WEIGHTS[one.weight], "accepted") for one in narrower]
    found += [_widening(one, "compatible", "accepted") for one in wider]
    return _sorted(found)


def answer_changes(narrower: Iterable[Obstacle], wider: Iterable[Obstacle]) -> list[Change]:
    """The changes of an output schema, the worst first."""
    found = [_widening(one, _answer_severity(one), "returned") for one in wider]
    found += [
        _narrowing(one, "breaking" if one.kind == "gone" else "compatible", "returned")
        for one in narrower
    ]
    return [_of_answer(change) for change in _sorted(found)]


_ARGUMENT_WEIGHTS: dict[str, Severity] = {
    "certain": "breaking",
    "possible": "breaking-possible",
    "note": "compatible",
}


def _answer_severity(obstacle: Obstacle) -> Severity:
    if obstacle.kind in {"gone", "closed"} and obstacle.weight == "certain":
        # Only a reader that checks answers against the earlier schema minds a field more.
        return "breaking-possible"
    return _ARGUMENT_WEIGHTS[obstacle.weight]


def _narrowing(obstacle: Obstacle, severity: Severity, verb: str) -> Change:
    sentences = _SENTENCES[obstacle.kind]
    words = sentences.narrowed.format(old=obstacle.of_a, new=obstacle.of_b, verb=verb)
    if obstacle.kind == "gone" and obstacle.weight == "note":
        words = "It is gone. Calls that still pass it are accepted, and it may be ignored."
    return Change(path_words(obstacle.path), sentences.narrow, severity, words)


def _widening(obstacle: Obstacle, severity: Severity, verb: str) -> Change:
    sentences = _SENTENCES[obstacle.kind]
    words = sentences.widened.format(old=obstacle.of_b, new=obstacle.of_a, verb=verb)
    return Change(path_words(obstacle.path), sentences.wide, severity, words)


_ANSWER_WORDS = {
    "output-field-removed": "It is gone from the answer.",
    "output-field-added": "It is new in the answer.",
    "output-required-field-added": "It is new in the answer, and always there.",
    "output-field-became-required": "It is always in the answer now.",
    "output-field-became-optional": "It is not always in the answer any more.",
    "output-field-described": "It is described now.",
    "output-cannot-be-judged": "It changed in a way that cannot be judged.",
    "output-constraint-removed": "It changed in a way that cannot be judged.",
}


def _of_answer(change: Change) -> Change:
    rule = "output-" + change.rule.replace("argument", "field")
    return Change(change.path, rule, change.severity, _ANSWER_WORDS.get(rule, change.words))


def _sorted(changes: Iterable[Change]) -> list[Change]:
    """Once for each place and rule, the worst first and otherwise in their order."""
    worst: dict[tuple[str, str], Change] = {}
    for change in changes:
        known = worst.setdefault((change.path, change.rule), change)
        if SEVERITIES.index(change.severity) < SEVERITIES.index(known.severity):
            worst[change.path, change.rule] = change
    for path in {change.path for change in worst.values()}:
        if all((path, rule) in worst for rule in _TYPES):
            both = [worst.pop((path, rule)) for rule in _TYPES]
            least = min(both, key=lambda change: SEVERITIES.index(change.severity))
            worst[path, "type-changed"] = replace(least, rule="type-changed")
    for change in list(worst.values()):
        key = (change.path, _INSTEAD.get(change.rule, ""))
        if key in worst:
            del worst[change.path, change.rule]
            severity = min(change.severity, worst[key].severity, key=SEVERITIES.index)
            worst[key] = replace(worst[key], severity=severity)
    return sorted(worst.values(), key=lambda change: SEVERITIES.index(change.severity))


def path_words(path: Iterable[str]) -> str:
    """A path as people write it: `filter.tags[]`."""
    text = ""
    for step in path:
        name = visible(step)
        text += name if not text or name.startswith("[") else f".{name}"
    return text if len(text) <= 200 else "…" + text[-199:]
