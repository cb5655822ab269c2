"""Reads one Python file for signs of an MCP server, by its syntax tree and without running it."""

import ast
import itertools
import re
import warnings
from collections.abc import Iterator

from pipeline.manifest.secrets import named_like_one
from pipeline.onboarding.findings import Variable
from pipeline.onboarding.python_values import Values, dotted, keyword
from pipeline.onboarding.source import Serving, Source, is_setting, transport_named

_SERVER_MODULES = ("mcp.server", "fastmcp", "fastapi_mcp")
_SERVER_NAMES = {"FastMCP", "MCPServer", "FastApiMCP"}
_CLIENT_NAMES = {"ClientSession", "Client", "ClientSessionGroup", "stdio_client"}
_MAKERS = {*_SERVER_NAMES, "Server", "LowLevelServer"}
_APP_MAKERS = {"streamable_http_app", "http_app", "sse_app"}
_RUNNERS = {
    "run_stdio_async": "stdio",
    "run_streamable_http_async": "streamable-http",
    "run_http_async": "streamable-http",
    "run_sse_async": "sse",
}
_MOST_SERVINGS = 20
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")


def read(path: str, text: str) -> Source:
    """What a Python file says; nothing when it cannot be parsed."""
    try:
        with warnings.catch_warnings():
            # Of the author's own code, such as an invalid escape: not our business.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Source(path)
    return _Reader(path, tree).source()


class _Reader:
    """One pass over a file's tree."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self._path = path
        self._tree = tree
        self._nodes = list(ast.walk(tree))
        self._calls = [node for node in self._nodes if isinstance(node, ast.Call)]
        self._values = Values(self._nodes)
        self._imported = dict(_imports(self._nodes))
        self._serves = any(map(_is_server_import, self._imported.values()))
        self._servers = tuple(self._made(_MAKERS))
        made = (c for c in self._calls if dotted(c.func).rsplit(".", 1)[-1] in _SERVER_NAMES)
        self._makers = tuple(itertools.islice(made, _MOST_SERVINGS))
        self._made_anywhere = self._values.made_by(_MAKERS)

    def source(self) -> Source:
        """What the file says."""
        servings = tuple(itertools.islice(self._servings(), _MOST_SERVINGS))
        modules = set(self._imported.values())
        return Source(
            path=self._path,
            serves=self._serves,
            client=any(module.rsplit(".", 1)[-1] in _CLIENT_NAMES for module in modules),
            starts=self._starts(),
            relative=any(isinstance(n, ast.ImportFrom) and n.level > 0 for n in self._nodes),
            servings=servings,
            servers=self._servers,
            apps=tuple(self._made(_APP_MAKERS)),
            framework=self._framework(),
            variables=tuple(self._variables()),
            tools=tuple(dict.fromkeys(self._tools())),
            version=self._version(),
            imports=tuple(sorted(modules)),
        )

    def _made(self, makers: set[str]) -> Iterator[str]:
        """Names at the top level that hold what one of `makers` made."""
        for node in self._tree.body:
            value = getattr(node, "value", None)
            if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(value, ast.Call):
                continue
            if dotted(value.func).rsplit(".", 1)[-1] in makers:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from (target.id for target in targets if isinstance(target, ast.Name))

    def _framework(self) -> str | None:
        modules = sorted(module for module in self._imported.values() if _is_server_import(module))
        return modules[0].split(".", 1)[0] if modules else None

    def _starts(self) -> bool:
        if self._path.endswith("__main__.py"):
            return True
        for node in self._tree.body:
            if isinstance(node, ast.If) and _is_main_guard(node.test):
                return True
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                last = dotted(node.value.func).rsplit(".", 1)[-1]
                if last in {"main", "run", "run_async", *_RUNNERS}:
                    return True
        return False

    def _servings(self) -> Iterator[Serving]:
        web = [call for call in self._calls if dotted(call.func) == "uvicorn.run"]
        for call in self._calls:
            last = dotted(call.func).rsplit(".", 1)[-1]
            if last in {"run", "run_async"} and self._is_server_run(call):
                yield self._run(call)
            elif last in _RUNNERS:
                yield self._serving(_RUNNERS[last], call)
            elif last == "stdio_server":
                yield Serving("stdio")
            elif last in {*_APP_MAKERS, "StreamableHTTPSessionManager"}:
                kind = "sse" if last == "sse_app" else "streamable-http"
                yield self._serving(kind, call, *web)
            elif last in {"mount_http", "mount"} and "fastapi_mcp" in str(self._imported.values()):
                yield self._serving("streamable-http", call, *web)

    def _is_server_run(self, call: ast.Call) -> bool:
        if not isinstance(call.func, ast.Attribute) or len(call.args) > 1:
            return False
        owner = dotted(call.func.value)
        if owner in {"asyncio", "anyio", "trio", "uvicorn", "subprocess"}:
            return False
        if isinstance(call.func.value, ast.Call):
            # FastMCP("name").run()
            return dotted(call.func.value.func).rsplit(".", 1)[-1] in _SERVER_NAMES
        return keyword(call, "transport") is not None or self._is_server(owner)

    def _is_server(self, owner: str) -> bool:
        last = owner.rsplit(".", 1)[-1]
        if last in self._made_anywhere:
            return True
        # Made by a function, or in another file.
        known = self._serves or last in self._imported
        return (known and last.endswith(("mcp", "server"))) or (self._serves and last == "app")

    def _run(self, call: ast.Call) -> Serving:
        word = keyword(call, "transport") or (call.args[0] if call.args else None)
        if word is None and any(given.arg is None for given in call.keywords):
            # run(**options)
            value = self._values.of(ast.Name("transport"))
            return self._serving(value.constant, call, chosen=True)
        if word is None:
            return self._serving(self._chosen_elsewhere() or "stdio", call)
        value = self._values.of(word)
        return self._serving(value.constant, call, chosen=not value.literal)

    def _chosen_elsewhere(self) -> object:
        """FastMCP 1 took the transport when it was made."""
        for call in self._makers:
            if word := keyword(call, "transport"):
                return self._values.of(word).constant
        return None

    def _serving(self, word: object, *calls: ast.Call, chosen: bool = False) -> Serving:
        path = port = host = None
        for call in (*calls, *self._makers):
            path = path or keyword(call, "path") or keyword(call, "streamable_http_path")
            port = port or keyword(call, "port")
            host = host or keyword(call, "host")
        port = port or self._values.setting("port")
        host = host or self._values.setting("host")
        of = self._values.of
        path_value = of(path).constant if path else None
        port_value, host_value = of(port), of(host)
        is_path = isinstance(path_value, str) and path_value.startswith("/")
        return Serving(
            transport=transport_named(word),
            path=str(path_value) if is_path else None,
            port=_port(port_value.constant),
            port_variable=port_value.variable,
            host=host_value.constant if isinstance(host_value.constant, str) else None,
            host_variable=host_value.variable,
            chosen=chosen,
            unknown=frozenset(
                name
                for name, given, value in (("port", port, port_value), ("host", host, host_value))
                if given is not None and value.constant is None and value.variable is None
            ),
        )

    def _variables(self) -> Iterator[Variable]:
        for name, required in (*self._values.environment(), *self._settings_fields()):
            if _VARIABLE.match(name) and is_setting(name):
                secret = named_like_one(name)
                yield Variable(name, self._path, required=required, secret=secret)

    def _settings_fields(self) -> Iterator[tuple[str, bool]]:
        """Fields of pydantic's settings: each is a variable, in any case, after a prefix.

        Source: https://docs.pydantic.dev/latest/concepts/pydantic_settings/
        """
        for node in self._nodes:
            bases = node.bases if isinstance(node, ast.ClassDef) else []
            if not any(dotted(base).endswith("BaseSettings") for base in bases):
                continue
            assert isinstance(node, ast.ClassDef)
            prefix = self._values.settings_prefix(node)
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    yield f"{prefix}{field.target.id}".upper(), field.value is None

    def _tools(self) -> Iterator[str]:
        for node in self._nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for decorator in node.decorator_list:
                    call = decorator if isinstance(decorator, ast.Call) else None
                    if dotted(call.func if call else decorator).endswith(".tool"):
                        named = self._values.of(keyword(call, "name")).constant if call else None
                        yield named if isinstance(named, str) else node.name
            elif isinstance(node, ast.Call) and dotted(node.func) in {"Tool", "types.Tool"}:
                named = self._values.of(keyword(node, "name")).constant
                if isinstance(named, str):
                    yield named

    def _version(self) -> str | None:
        for node in self._tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                names = {target.id for target in node.targets if isinstance(target, ast.Name)}
                if "__version__" in names and isinstance(node.value.value, str):
                    return node.value.value
        return None


def _imports(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    """Local name and full name of everything that is imported."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname or alias.name.split(".", 1)[0]), alias.name
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield (alias.asname or alias.name), f"{module}.{alias.name}"


def _is_main_guard(test: ast.expr) -> bool:
    sides = [test.left, *test.comparators] if isinstance(test, ast.Compare) else []
    return any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)


def _is_server_import(module: str) -> bool:
    top, _, last = module.rpartition(".")
    if last in _CLIENT_NAMES or module.startswith(("fastmcp.client", "mcp.client")):
        return False
    known = any(module == name or module.startswith(name + ".") for name in _SERVER_MODULES)
    return known or (top == "mcp" and last in {*_SERVER_NAMES, "server"})


def _port(value: object) -> int | None:
    text = str(value)
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    return number if 1 <= number <= 65535 else None
