"""A JSON Schema document: what its references mean, and its schemas as conjunctions of atoms."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from registry.schema_diff.atoms import NEVER, Atom, Schema, atom, opaque_atom
from registry.schema_diff.plain import canonical, digest

MAX_ATOMS = 200
MAX_CHAIN = 30

Conjunction = tuple[Atom, ...]
"""Everything here has to hold; empty accepts everything."""

SCHEMA_KEYWORDS = {
    "items",
    "additionalItems",
    "additionalProperties",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
}
SCHEMA_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems", "items"}
SCHEMA_MAPS = {
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
    "dependencies",
}
ANNOTATIONS = {
    "title",
    "description",
    "default",
    "examples",
    "$comment",
    "deprecated",
    "readOnly",
    "writeOnly",
}


def inner_schemas(schema: dict[str, Any]) -> Iterator[tuple[tuple[str, str | int], Schema]]:
    """The schemas right inside a schema, each with its keyword and its name or index there."""
    for keyword, value in schema.items():
        if keyword in SCHEMA_MAPS and isinstance(value, dict):
            yield from (((keyword, name), inner) for name, inner in value.items())
        elif keyword in SCHEMA_LISTS and isinstance(value, list):
            yield from (((keyword, index), inner) for index, inner in enumerate(value))
        elif keyword in SCHEMA_KEYWORDS:
            yield (keyword, ""), value


def stripped(schema: Schema) -> Schema:
    """A schema without the words in it, so that only what it demands is compared."""
    if not isinstance(schema, dict):
        return schema
    result: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in ANNOTATIONS:
            continue
        if keyword in SCHEMA_MAPS and isinstance(value, dict):
            result[keyword] = {name: stripped(inner) for name, inner in value.items()}
        elif keyword in SCHEMA_LISTS and isinstance(value, list):
            result[keyword] = [stripped(inner) for inner in value]
        else:
            result[keyword] = stripped(value) if keyword in SCHEMA_KEYWORDS else value
    return result


class Document:
    """A tame JSON Schema document.

    References inside the document are followed. Others, and all of them when an `$id` inside moves
    their base, stay opaque.
    """

    def __init__(self, root: Schema) -> None:
        self.root = stripped(root)
        dialect = str(root.get("$schema", "")) if isinstance(root, dict) else ""
        # Before 2019-09 a reference hides everything beside it.
        self._hiding = any(f"draft-0{number}" in dialect for number in (3, 4, 6, 7))
        self.strange = bool(dialect) and "//json-schema.org/" not in dialect
        self._digests: dict[int, tuple[bytes, frozenset[str]]] = {}
        self._anchors: dict[str, Schema] = {}
        self._moved = False
        self._atoms: dict[int, Atom] = {}
        self._prints: dict[int, bytes] = {}
        self._targets: dict[str, Schema | None] = {}
        self._note(self.root, is_root=True)

    def conjunction(self, schemas: Iterable[Schema]) -> Conjunction:
        """The atoms of schemas that all have to hold, references and `allOf` taken apart."""
        found: dict[bytes, Atom] = {}
        self._flatten(schemas, found, {})
        return tuple(found.values())

    def _flatten(
        self, schemas: Iterable[Schema], found: dict[bytes, Atom], seen: dict[int, bool]
    ) -> None:
        """Add the atoms of schemas. `seen` tells whether one is still being taken apart."""
        for schema in schemas:
            if isinstance(schema, bool) or schema == {}:
                if schema is False:
                    found[NEVER.print] = NEVER
            elif not isinstance(schema, dict):
                self._opaque("a value that is no schema", self.print(schema), found)
            elif seen.get(id(schema)) or sum(seen.values()) > MAX_CHAIN or len(seen) > MAX_ATOMS:
                self._opaque("a reference without an end", self.print(schema), found)
            elif id(schema) not in seen:
                seen[id(schema)] = True
                self._flatten_object(schema, found, seen)
                seen[id(schema)] = False

    def _flatten_object(
        self, schema: dict[str, Any], found: dict[bytes, Atom], seen: dict[int, bool]
    ) -> None:
        reference = schema.get("$ref")
        if reference is not None:
            target = self._target(reference)
            if target is None:
                self._opaque("$ref", self.print(schema), found)
            else:
                self._flatten([target], found, seen)
            if self._hiding:
                return
        parts = schema.get("allOf")
        if isinstance(parts, list):
            self._flatten(parts, found, seen)
        elif parts is not None:
            self._opaque("allOf", self.print(schema), found)
        own = self._atom(schema)
        found.setdefault(own.print, own)

    @staticmethod
    def _opaque(keyword: str, print_: bytes, found: dict[bytes, Atom]) -> None:
        marked = digest("opaque", print_)
        found.setdefault(marked, opaque_atom(keyword, marked))

    def _atom(self, schema: dict[str, Any]) -> Atom:
        if id(schema) not in self._atoms:
            self._atoms[id(schema)] = atom(schema, self.print)
        return self._atoms[id(schema)]

    def print(self, value: Any) -> bytes:
        """The same bytes for values that are equal together with everything they refer to."""
        known = self._prints.get(id(value)) if isinstance(value, dict | list) else None
        if known is not None:
            return known
        own, references = self._digest(value)
        parts: list[bytes | str] = [own, str(self._hiding)]
        for reference in sorted(self._reachable(references)):
            target = self._target(reference)
            # What cannot be followed may mean anything in this document.
            of = self._digest(self.root if target is None else target)[0]
            parts += [reference, str(target is None), of]
        found = digest(*parts)
        if id(value) in self._digests:
            self._prints[id(value)] = found
        return found

    def _reachable(self, references: frozenset[str]) -> set[str]:
        seen: set[str] = set()
        waiting = list(references)
        while waiting:
            reference = waiting.pop()
            if reference not in seen:
                seen.add(reference)
                target = self._target(reference)
                waiting += self._digest(target)[1] if target is not None else ()
        return seen

    def _digest(self, value: Any) -> tuple[bytes, frozenset[str]]:
        """A digest of a value, and the references in it."""
        known = self._digests.get(id(value)) if isinstance(value, dict | list) else None
        if known is not None:
            return known
        if isinstance(value, dict):
            inner = [(name, self._digest(value[name])) for name in sorted(value)]
            parts = [part for name, (own, _) in inner for part in (name.encode(), own)]
            references = frozenset[str]().union(*(more for _, (_, more) in inner))
            if isinstance(value.get("$ref"), str):
                references |= {value["$ref"]}
            return digest("object", *parts), references
        if isinstance(value, list):
            found = [self._digest(item) for item in value]
            references = frozenset[str]().union(*(more for _, more in found))
            return digest("array", *(own for own, _ in found)), references
        return digest("value", canonical(value)), frozenset()

    def _note(self, value: Any, *, is_root: bool = False) -> None:
        """Remember the digests of all parts, and the anchors in them."""
        if isinstance(value, dict):
            anchor = value.get("$anchor")
            if isinstance(anchor, str):
                # Two of a name leave open which one is meant.
                self._anchors[anchor] = None if anchor in self._anchors else value
            self._moved = self._moved or (not is_root and isinstance(value.get("$id"), str))
        if isinstance(value, dict | list):
            for part in value.values() if isinstance(value, dict) else value:
                self._note(part)
            self._digests[id(value)] = self._digest(value)

    def _target(self, reference: Any) -> Schema | None:
        """What a reference means, or None when that is not known."""
        if not isinstance(reference, str) or self._moved or not reference.startswith("#"):
            return None
        if reference not in self._targets:
            self._targets[reference] = self._find(unquote(reference[1:]))
        return self._targets[reference]

    def _find(self, pointer: str) -> Schema | None:
        if pointer and not pointer.startswith("/"):
            return self._anchors.get(pointer)
        found = self.root
        for part in pointer.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isascii() and name.isdigit() and len(name) < 6:
                found = found[int(name)] if int(name) < len(found) else None
            else:
                return None
        return found if isinstance(found, dict | bool) else None
