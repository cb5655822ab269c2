"""What a name in a Python file stands for, as far as that can be said without running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.manifest.secrets import named_like_one

_DEPTH = 8


@dataclass(frozen=True)
class Value:
    """What is known of an expression.

    Attributes:
        constant: Its value, or its value when no argument and no variable says otherwise.
        variable: The environment variable that it is read from.
        literal: It is written down, so nothing else can be chosen.
    """

    constant: object = None
    variable: str | None = None
    literal: bool = False


_UNKNOWN = Value()


class Values:
    """The assignments, parameters and options of a file."""

    def __init__(self, nodes: list[ast.AST]) -> None:
        self._nodes = nodes
        self._named: dict[str, ast.expr] = {}
        self._options: dict[str, ast.expr] = {}
        self._settings: dict[str, ast.expr] = {}
        for node in nodes:
            self._note(node)

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self._named.setdefault(target.id, node.value)
                elif isinstance(target, ast.Attribute) and dotted(target.value).endswith(
                    ".settings"
                ):
                    self._settings.setdefault(target.attr, node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            if isinstance(node.target, ast.Name):
                self._named.setdefault(node.target.id, node.value)
        elif isinstance(node, ast.arguments):
            plain = [*node.posonlyargs, *node.args]
            defaults = [*reversed(node.defaults)]
            known = [*zip(reversed(plain), defaults, strict=False)]
            for argument, value in (*known, *zip(node.kwonlyargs, node.kw_defaults, strict=True)):
                if value is not None:
                    self._named.setdefault(argument.arg, value)
        elif isinstance(node, ast.Call) and (default := keyword(node, "default")) is not None:
            # argparse's add_argument and click's option.
            for option in node.args:
                if isinstance(option, ast.Constant) and str(option.value).startswith("--"):
                    name = str(option.value).lstrip("-").replace("-", "_")
                    self._options.setdefault(name, default)

    def of(self, node: ast.expr | None, depth: int = 0) -> Value:
        """What an expression stands for."""
        if node is None or depth > _DEPTH:
            return _UNKNOWN
        if isinstance(node, ast.Constant):
            return Value(node.value, literal=depth == 0)
        if isinstance(node, ast.Name):
            if node.id in self._options:
                return self.of(self._options[node.id], depth + 1)
            return self.of(self._named.get(node.id), depth + 1)
        if isinstance(node, ast.Attribute):
            known = self._options.get(node.attr) or self._named.get(node.attr)
            return self.of(known, depth + 1)
        if isinstance(node, ast.BoolOp):
            return self._either(node, depth)
        if (variable := _environment_name(node)) is not None:
            default = self.of(_environment_default(node), depth + 1)
            return Value(default.constant, variable)
        if isinstance(node, ast.Call) and node.args:
            # int(x), str(x), typer.Option(x), and `x.lower()` below.
            return self.of(node.args[0], depth + 1)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return self.of(node.func.value, depth + 1)
        return _UNKNOWN

    def _either(self, node: ast.BoolOp, depth: int) -> Value:
        parts = [self.of(part, depth + 1) for part in node.values]
        constants = [part.constant for part in parts if part.constant is not None]
        variables = [part.variable for part in parts if part.variable is not None]
        return Value(constants[0] if constants else None, variables[0] if variables else None)

    def setting(self, name: str) -> ast.expr | None:
        """What is assigned to `mcp.settings.<name>`, as with the first versions of the SDK."""
        return self._settings.get(name)

    def made_by(self, makers: set[str]) -> set[str]:
        """Names, at any level, that hold what one of `makers` made."""
        return {
            name
            for name, value in self._named.items()
            if isinstance(value, ast.Call) and dotted(value.func).rsplit(".", 1)[-1] in makers
        }

    def environment(self) -> Iterator[tuple[str, bool]]:
        """Environment variables that the file reads, and whether it needs them: it reads them
        without a default, and fails without them or means a secret."""
        optional = set(self._guarded())
        for node in self._nodes:
            if not isinstance(node, ast.Call | ast.Subscript):
                continue
            name = _environment_name(node)
            if name is None or isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
                continue
            default = _environment_default(node)
            has_default = default is not None and not (
                isinstance(default, ast.Constant) and default.value in (None, "")
            )
            needed = isinstance(node, ast.Subscript) or named_like_one(name)
            yield name, needed and not has_default and id(node) not in optional

    def _guarded(self) -> Iterator[int]:
        """Reads of the environment that something follows after `or`."""
        for node in self._nodes:
            if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
                yield from (id(part) for part in node.values[:-1])

    def settings_prefix(self, settings: ast.ClassDef) -> str:
        """`env_prefix` of a class of pydantic's settings."""
        for node in ast.walk(settings):
            if isinstance(node, ast.Call) and (prefix := keyword(node, "env_prefix")):
                return str(self.of(prefix).constant or "")
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == "env_prefix"
                for target in node.targets
            ):
                return str(self.of(node.value).constant or "")
        return ""


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an expression that is one; empty for others."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ".".join(["", *reversed(parts)]) if parts else ""
    return ".".join([node.id, *reversed(parts)])


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument."""
    return next((given.value for given in call.keywords if given.arg == name), None)


def _environment_name(node: ast.AST) -> str | None:
    """X of `os.environ["X"]`, `os.environ.get("X")` and `os.getenv("X")`."""
    name: ast.expr | None = None
    if isinstance(node, ast.Subscript) and dotted(node.value) in {"os.environ", "environ"}:
        name = node.slice
    elif isinstance(node, ast.Call) and node.args:
        readers = {"os.getenv", "getenv", "os.environ.get", "environ.get"}
        name = node.args[0] if dotted(node.func) in readers else None
    found = name.value if isinstance(name, ast.Constant) else None
    return found if isinstance(found, str) else None


def _environment_default(node: ast.AST) -> ast.expr | None:
    if not isinstance(node, ast.Call):
        return None
    return node.args[1] if len(node.args) > 1 else keyword(node, "default")
