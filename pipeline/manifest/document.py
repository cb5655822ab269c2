"""YAML text as plain values, with the place in the file of every key and value.

Knows nothing of `mcp.yaml`'s fields. It refuses what a JSON value could not hold and what a
reader of the file would not expect: duplicate keys, keys that are not text, dates, tags, merge
keys, aliases that multiply.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

from config.jsonb import unstorable
from pipeline.manifest.model import ManifestError, Problem

MAX_BYTES = 64 * 1024
MAX_DEPTH = 64
# Keeps checks that compare every entry with every other one fast.
MAX_ENTRIES = 1_000
# More than 64 KiB can spell out without aliases, so that only a bomb reaches it.
MAX_VALUES = 50_000
MAX_NUMBER = 2**64

Path = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"


def show(path: Path) -> str:
    """A path as people write it: `tools[0].name`. Empty for the whole file."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = quoted(part).strip("`")
            text += f".{name}" if text else name
    return text


@dataclass(frozen=True)
class Document:
    """The values of a YAML file and where they are.

    Attributes:
        value: The whole file as JSON-like values.
        problems: What is wrong already, before anyone looks at the fields.
        keys: Where in `text` each key begins.
        values: Where in `text` each value begins.
        sources: The plain (unquoted) text that a value was read from.
    """

    text: str
    value: Any
    problems: tuple[Problem, ...]
    keys: dict[Path, int]
    values: dict[Path, int]
    sources: dict[Path, str]

    def at_key(self, path: Path, message: str) -> Problem:
        """A problem at the key of `path`, or at its value where there is no key."""
        index = self.keys.get(path, self.values.get(path, 0))
        return _problem(self.text, index, path, message)

    def at_value(self, path: Path, message: str) -> Problem:
        """A problem at the value of `path`."""
        return _problem(self.text, self.values.get(path, 0), path, message)


def quoted(text: str, limit: int = 60) -> str:
    """A piece of the file for a message, on one line and of bounded length."""
    line = " ".join(text.split()).replace("`", "'")
    return f"`{line[:limit]}…`" if len(line) > limit else f"`{line}`"


def _problem(text: str, index: int, path: Path, message: str) -> Problem:
    line, column = place(text, index)
    return Problem(line=line, column=column, path=show(path), message=message)


def place(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of a character.

    YAML also ends lines at characters such as U+2028, GitHub does not; so PyYAML's own line
    numbers are not used.
    """
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


def read(raw: bytes) -> Document:
    """Read one YAML document.

    Raises:
        ManifestError: when the text cannot be read at all; what can be read around a problem is
            read, and the problem is in the document's list.
    """
    text = _decode(raw)
    try:
        _check_events(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        _refuse_syntax(text, error)
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character)
        _refuse(
            text, error.position, f"The character U+{code:04X} is not allowed in YAML; remove it."
        )
    if node is None or node.tag == _TAG + "null":
        _refuse(
            text,
            0,
            "mcp.yaml is empty. It needs at least schema, name, description, version and runtime.",
        )
    return _Walker(text).walk(node)


def _refuse(text: str, index: int, message: str) -> NoReturn:
    raise ManifestError([_problem(text, index, (), message)])


def _decode(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        message = f"mcp.yaml has {len(raw):,} bytes; the limit is {MAX_BYTES:,}. Shorten it."
        raise ManifestError([Problem(1, 1, "", message)])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", errors="replace")
        _refuse(before, len(before), "mcp.yaml is not UTF-8 text here. Save the file as UTF-8.")


def _check_events(text: str) -> None:
    """Refuse what composing cannot take: a second document, nesting deeper than the stack."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        index = event.start_mark.index if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                _refuse(
                    text, index, "mcp.yaml holds a second YAML document. Remove it and the `---`."
                )
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                _refuse(
                    text, index, f"Values are nested deeper than {MAX_DEPTH} levels. Flatten them."
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _refuse_syntax(text: str, error: yaml.MarkedYAMLError) -> NoReturn:
    mark = error.problem_mark or error.context_mark
    index = mark.index if mark else 0
    if text[index : index + 1] == "\t":
        _refuse(text, index, "YAML does not allow tabs for indentation. Use spaces.")
    if error.problem and "mapping values are not allowed" in error.problem:
        _refuse(
            text,
            index,
            "A colon is not expected here. Quote a text with `: ` in it, or mend the indentation.",
        )
    if error.problem and "undefined alias" in error.problem:
        _refuse(text, index, "This alias has no anchor. Quote a text that begins with `*`.")
    context = f" {error.context}" if error.context else ""
    _refuse(
        text,
        index,
        f"This is not valid YAML:{context} {error.problem}. Check quotes and indentation.",
    )


class _Walker:
    """Turns nodes into values, noting places and collecting problems."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._problems: list[Problem] = []
        self._keys: dict[Path, int] = {}
        self._values: dict[Path, int] = {}
        self._sources: dict[Path, str] = {}
        self._constructor = yaml.constructor.SafeConstructor()
        self._open: set[int] = set()

    def walk(self, node: yaml.Node) -> Document:
        value = self._value(node, ())
        return Document(
            self._text, value, tuple(self._problems), self._keys, self._values, self._sources
        )

    def _complain(self, node: yaml.Node, path: Path, message: str) -> None:
        self._problems.append(_problem(self._text, node.start_mark.index, path, message))

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self._values[path] = node.start_mark.index
        if len(self._values) > MAX_VALUES:
            _refuse(
                self._text,
                node.start_mark.index,
                "The aliases of mcp.yaml expand to too many values. Write the values out.",
            )
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._complain(node, path, "This value contains itself through an alias. Write it out.")
            return None
        if len(node.value) > MAX_ENTRIES:
            message = f"There are more than {MAX_ENTRIES:,} entries here. Remove some."
            _refuse(self._text, node.start_mark.index, message)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return self._sequence(node, path)
        finally:
            self._open.discard(id(node))

    def _sequence(self, node: yaml.Node, path: Path) -> list[Any]:
        if node.tag != _TAG + "seq":
            self._complain(
                node, path, f"The YAML tag {_name(node.tag)} is not supported. Remove it."
            )
        return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        if node.tag != _TAG + "map":
            self._complain(
                node, path, f"The YAML tag {_name(node.tag)} is not supported. Remove it."
            )
        result: dict[str, Any] = {}
        for key, child, inner in self._items(node, path):
            if key in result:
                self._complain(
                    child[0],
                    inner,
                    f"The key {quoted(key)} is here a second time. Remove one of the two.",
                )
                continue
            self._keys[inner] = child[0].start_mark.index
            result[key] = self._value(child[1], inner)
        return result

    def _items(
        self, node: yaml.MappingNode, path: Path
    ) -> Iterator[tuple[str, tuple[yaml.Node, yaml.Node], Path]]:
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is not None:
                yield key, (key_node, value_node), (*path, key)

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._complain(node, path, "A key must be text, not a list or a mapping.")
            return None
        if node.tag == _TAG + "merge":
            self._complain(node, path, "The merge key `<<` is not supported. Write the keys out.")
            return None
        # A key such as `1` is read on as its own text, so that what is under it is checked as well.
        key: str = node.value
        if node.tag != _TAG + "str" and key.lower() not in _WORDS:
            kind = _KINDS.get(node.tag, "something else")
            self._complain(
                node,
                (*path, key),
                f"A key must be text, and YAML reads {quoted(key)} as {kind}. Put it in quotes.",
            )
        elif what := unstorable(key):
            self._complain(node, path, f"A text must not contain {what}. Remove it.")
            return None
        return key

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if node.style is None:
            self._sources[path] = node.value
        if node.tag == _TAG + "timestamp":
            self._complain(
                node, path, "YAML reads this as a date. Put it in quotes if it is meant as text."
            )
            return node.value
        if node.tag == _TAG + "value":  # A lone `=`, which YAML 1.1 set apart for nothing in use.
            return node.value
        if node.tag not in _SCALARS:
            self._complain(
                node, path, f"The YAML tag {_name(node.tag)} is not supported. Remove it."
            )
            return node.value
        try:
            value = self._constructor.construct_object(node)
        except (ValueError, KeyError):
            self._complain(
                node,
                path,
                f"This is not {_KINDS[node.tag]}. Put it in quotes if it is meant as text.",
            )
            return node.value
        if isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
            message = "Numbers beyond 64 bits, infinity and not-a-number are not accepted."
            self._complain(node, path, message)
            return 0
        if isinstance(value, str) and (what := unstorable(value)):
            self._complain(node, path, f"A text must not contain {what}. Remove it.")
        return value


_SCALARS = {_TAG + kind for kind in ("str", "int", "float", "bool", "null")}
# Truth values in YAML 1.1, text in YAML 1.2 and to everyone who writes `on:` as a key.
_WORDS = {"on", "off", "yes", "no"}
_KINDS = {
    _TAG + "int": "a number",
    _TAG + "float": "a number",
    _TAG + "bool": "true or false",
    _TAG + "null": "nothing (null)",
    _TAG + "timestamp": "a date",
}


def _name(tag: str) -> str:
    return "`!!" + tag.removeprefix(_TAG) + "`" if tag.startswith(_TAG) else f"`{tag}`"
