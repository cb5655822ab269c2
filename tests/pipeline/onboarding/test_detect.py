"""What is detected in repositories as people write them, and what is not."""

import dataclasses
import os
from pathlib import Path

import pytest

from pipeline.onboarding import About, Detected, LocalFiles, NotDetected, detect
from pipeline.onboarding.findings import Runtime, Transport
from tests.pipeline.onboarding import corpus
from tests.pipeline.onboarding.corpus import Repository, found, look


def needs(detected: Detected) -> dict[str, tuple[bool, bool]]:
    """Whether each variable is a secret, and whether it is needed."""
    return {one.name: (one.secret, one.required) for one in detected.variables}


@pytest.mark.parametrize(
    ("name", "entrypoint", "transport", "runtime"),
    [
        ("fastmcp-stdio", ["mcp-server-dice"], Transport("stdio"), Runtime("python")),
        (
            "fastmcp-http",
            ["python", "server.py"],
            Transport("streamable-http", "/api/mcp", 9000),
            Runtime("python"),
        ),
        ("low-level", ["python", "-m", "notes"], Transport("stdio"), Runtime("python", "3.13")),
        (
            "poetry",
            ["jira-bridge"],
            Transport("streamable-http", "/mcp", 8000),
            Runtime("python"),
        ),
        ("node-stdio", ["node", "index.mjs"], Transport("stdio"), Runtime("node")),
        (
            "typescript",
            ["node", "dist/index.js", "--http"],
            Transport("streamable-http", "/cats/mcp", 3333),
            Runtime("node", "24"),
        ),
        ("server-json", ["search-things", "serve"], Transport("stdio"), Runtime("python")),
        ("smithery", ["node", "dist/main.js", "--stdio"], Transport("stdio"), Runtime("node")),
        (
            "monorepo",
            ["python", "main.py"],
            Transport("streamable-http", "/mcp", 8000),
            Runtime("python"),
        ),
    ],
)
def test_how_it_is_started_and_spoken_to(
    tmp_path: Path, name: str, entrypoint: list[str], transport: Transport, runtime: Runtime
) -> None:
    detected = found(tmp_path, corpus.SERVERS[name])
    assert detected.entrypoint is not None
    assert list(detected.entrypoint.value) == entrypoint
    assert detected.transport.value == transport
    assert detected.runtime.value == runtime


def test_a_dockerfile_alone_builds_what_no_runtime_does(tmp_path: Path) -> None:
    detected = found(tmp_path, corpus.DOCKERFILE_ONLY, About("tides-mcp"))
    assert detected.runtime.value == Runtime("docker")
    assert detected.entrypoint is None
    assert detected.transport.value == Transport("streamable-http", "/mcp", 7000)
    assert detected.name.value == "tides-mcp"
    assert detected.title is not None
    assert detected.title.value == "Tides"
    assert needs(detected) == {"DB_PASSWORD": (True, True)}


def test_what_people_read_comes_from_where_it_is_stated(tmp_path: Path) -> None:
    detected = found(tmp_path, corpus.FASTMCP_STDIO)
    assert detected.name.value == "mcp-server-dice"
    assert detected.title is not None
    assert (detected.title.value, detected.title.source) == ("Dice MCP Server 🎲", "README.md")
    assert detected.description is not None
    assert detected.description.value == "Rolls dice for language models, fair ones and loaded ones"
    assert detected.description.source == "pyproject.toml"
    assert detected.version is not None
    assert detected.version.value == "0.4.1"
    assert detected.categories == ("entertainment",)
    assert detected.tags == ("dice", "entertainment")
    assert detected.tools == ("roll", "roll_loaded")


def test_what_github_shows_fills_in_what_the_files_do_not_say(tmp_path: Path) -> None:
    about = About("weather", "The weather, **anywhere**", ("mcp-server", "weather", "search"))
    detected = found(tmp_path, corpus.FASTMCP_HTTP, about)
    assert detected.description is not None
    assert detected.description.value == "The weather, anywhere"
    assert detected.description.source == "the repository's description"
    assert detected.tags == ("weather", "search")
    assert detected.categories == ("search",)


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("fastmcp-stdio", {"DICE_SEED": (False, False)}),
        ("fastmcp-http", {"OPENWEATHER_API_KEY": (True, True), "UNITS": (False, False)}),
        (
            "poetry",
            {
                "JIRA_TOKEN": (True, True),
                "JIRA_URL": (False, True),
                "JIRA_PROJECT": (False, False),
            },
        ),
        ("node-stdio", {"NOTES_SHELF": (False, False)}),
        ("typescript", {"CAT_API_KEY": (True, True), "CAT_REGION": (False, False)}),
        ("server-json", {"SEARCH_API_KEY": (True, True), "SEARCH_REGION": (False, False)}),
        ("smithery", {"BRAVE_API_KEY": (True, True), "SAFE": (False, False)}),
    ],
)
def test_variables_are_found_without_those_of_the_system_of_tests_and_of_other_servers(
    tmp_path: Path, name: str, variables: dict[str, tuple[bool, bool]]
) -> None:
    assert needs(found(tmp_path, corpus.SERVERS[name])) == variables


def test_who_describes_a_variable_first_is_named_with_it(tmp_path: Path) -> None:
    key = found(tmp_path, corpus.SERVER_JSON).variables[0]
    assert key.source == "server.json"
    assert key.description == "Key of the | search service"


def test_a_server_in_a_folder_has_its_context_and_not_the_readme_of_everything(
    tmp_path: Path,
) -> None:
    detected = found(tmp_path, corpus.MONOREPO)
    assert detected.context == "services/assistant"
    assert detected.title is None
    assert needs(detected) == {}


def test_two_servers_in_two_folders_are_left_to_their_author(tmp_path: Path) -> None:
    one = corpus.FASTMCP_HTTP
    files = {f"a/{name}": content for name, content in one.items()}
    files |= {f"b/{name}": content for name, content in one.items()}
    result = look(tmp_path, files)
    assert isinstance(result, NotDetected)
    assert result.kind == "several"
    assert "`a`, `b`" in result.reason


def test_server_json_names_the_folder_of_the_server(tmp_path: Path) -> None:
    described = (
        '{"name": "io.github.octo/b", "packages": [], "repository": {"subfolder": "./tools/b/"}}'
    )
    files: Repository = {"server.json": described}
    for folder in ("a", "tools/b"):
        files |= {f"{folder}/{name}": content for name, content in corpus.FASTMCP_HTTP.items()}
    assert found(tmp_path, files).context == "tools/b"


def test_a_server_that_only_the_loopback_address_reaches_is_helped_or_pointed_out(
    tmp_path: Path,
) -> None:
    assert found(tmp_path / "a", corpus.MONOREPO).env == (("FASTMCP_HOST", "0.0.0.0"),)  # noqa: S104
    assert any("127.0.0.1" in text for text in found(tmp_path / "b", corpus.POETRY).concerns)
    assert found(tmp_path / "c", corpus.FASTMCP_HTTP).concerns == ()


@pytest.mark.parametrize("name", ["not-mcp", "client", "empty", "hostile"])
def test_what_is_no_server_is_not_taken_for_one(tmp_path: Path, name: str) -> None:
    result = look(tmp_path, corpus.OTHERS[name])
    assert isinstance(result, NotDetected)
    assert result.kind == "no_server"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"go.mod": "require github.com/mark3labs/mcp-go v0.9"}, "in Go"),
        ({"Cargo.toml": '[dependencies]\nrmcp = "0.8"\n'}, "in Rust"),
    ],
)
def test_a_language_that_cannot_be_built_is_named(
    tmp_path: Path, files: Repository, words: str
) -> None:
    result = look(tmp_path, files)
    assert isinstance(result, NotDetected)
    assert result.kind == "unsupported"
    assert words in result.reason
    assert "Dockerfile" in result.reason


_NODE = 'import "@modelcontextprotocol/sdk/server/mcp.js";'
SERVER = "from mcp.server import MCPServer\nmcp = MCPServer('x')\n"


@pytest.mark.parametrize(
    ("code", "transport"),
    [
        ("mcp.run()", Transport("stdio")),
        ("mcp.run('stdio')", Transport("stdio")),
        ("asyncio.run(mcp.run_stdio_async())", Transport("stdio")),
        ("mcp.run('streamable-http', host='0.0.0.0')", Transport("streamable-http", port=8000)),
        ("import sys\nmcp.run(transport=sys.argv[1])", Transport("stdio")),
        (
            "import os\nport = int(os.getenv('P', 7))\n"
            "mcp.run(transport=os.environ.get('T', 'http'), port=port)",
            Transport("streamable-http", port=7),
        ),
        (
            "def main(kind: str = 'streamable-http', port: int = 81):\n"
            "    mcp.run(kind, port=port, path='/')\n",
            Transport("streamable-http", path="/", port=81),
        ),
        (
            "import argparse\np = argparse.ArgumentParser()\n"
            "p.add_argument('--transport', default='stdio')\n"
            "mcp.run(transport=p.parse_args().transport)",
            Transport("stdio"),
        ),
        (
            "import os, uvicorn\nuvicorn.run(mcp.streamable_http_app(), host='0.0.0.0',"
            " port=int(os.environ['PORT']))",
            Transport("streamable-http", port=8080),
        ),
        (
            "import click\n@click.option('--transport', default='http')\n"
            "def main(transport):\n    options = {'transport': transport}\n"
            "    mcp.run(**options)\n",
            Transport("streamable-http", port=8000),
        ),
        (
            "mcp.settings.port = 8123\nmcp.settings.host = '0.0.0.0'\n"
            "mcp.run(transport='streamable-http')",
            Transport("streamable-http", port=8123),
        ),
        (
            "def make():\n    return MCPServer('x')\nserver = make()\nserver.run('sse')",
            Transport("streamable-http", port=8000),
        ),
    ],
)
def test_the_transport_is_read_from_the_code(
    tmp_path: Path, code: str, transport: Transport
) -> None:
    files: Repository = {"server.py": SERVER + "if __name__ == '__main__':\n    pass\n" + code}
    assert found(tmp_path, files).transport.value == transport


@pytest.mark.parametrize(
    ("code", "transport"),
    [
        (
            'import { FastMCP } from "fastmcp"; x.start({ transportType: "httpStream", '
            'httpStream: { port: 8081, endpoint: "/x/mcp" } });',
            Transport("streamable-http", "/x/mcp", 8081),
        ),
        ('import { MCPServer } from "mcp-framework"; new MCPServer();', Transport("stdio")),
        (
            'import { MCPServer } from "mcp-framework"; '
            'new MCPServer({ transport: { type: "http-stream", options: { port: 1337 } } });',
            Transport("streamable-http", "/mcp", 1337),
        ),
        (
            'import { createMcpHandler } from "mcp-handler"; '
            'createMcpHandler(() => {}, {}, { basePath: "/api" });',
            Transport("streamable-http", "/api/mcp", 3000),
        ),
        (
            'const { McpServer } = require("@modelcontextprotocol/sdk/server/mcp.js");\n'
            "// new StdioServerTransport()\n"
            "new StreamableHTTPServerTransport(); app.listen(4000);",
            Transport("streamable-http", "/mcp", 4000),
        ),
    ],
)
def test_the_transport_of_node_is_read_from_the_code(
    tmp_path: Path, code: str, transport: Transport
) -> None:
    files: Repository = {"package.json": '{"main": "index.js"}', "index.js": code}
    assert found(tmp_path, files).transport.value == transport


def test_the_port_in_the_command_wins(tmp_path: Path) -> None:
    files: Repository = {
        "server.py": SERVER + "def make():\n    return mcp.streamable_http_app()\n",
        "Dockerfile": "FROM x\nEXPOSE 1\n"
        "CMD uvicorn server:make --factory --host 0.0.0.0 --port 8500",
    }
    detected = found(tmp_path, files)
    assert detected.transport.value == Transport("streamable-http", port=8500)
    assert detected.concerns == ()


@pytest.mark.parametrize(
    ("files", "entrypoint"),
    [
        ({"server.py": SERVER + "mcp.run()"}, ["python", "server.py"]),
        ({"src/server.py": SERVER + "mcp.run()"}, ["python", "src/server.py"]),
        (
            {"w/__init__.py": "", "w/server.py": SERVER + "from . import x\nmcp.run()"},
            ["python", "-m", "w.server"],
        ),
        (
            {
                "main.py": "from w.app import mcp\nif __name__ == '__main__':\n    mcp.run()",
                "w/app.py": SERVER,
            },
            ["python", "main.py"],
        ),
        (
            {"server.py": SERVER + "app = mcp.streamable_http_app()"},
            ["uvicorn", "server:app", "--host", "0.0.0.0", "--port", "8080"],  # noqa: S104
        ),
        (
            {"server.py": SERVER, "requirements.txt": "mcp[cli]==2.3.0"},
            ["mcp", "run", "server.py:mcp"],
        ),
        (
            {"lib.py": SERVER, "Dockerfile": 'FROM x\nCMD ["uv", "run", "start-it", "now"]'},
            ["start-it", "now"],
        ),
        (
            {
                "pyproject.toml": '[project]\nname="x"\n[project.scripts]\nx = "w.app:go"',
                "w/app.py": SERVER + "def go(): mcp.run()",
            },
            ["python", "-c", "from w.app import go; go()"],
        ),
    ],
)
def test_the_entrypoint_of_python_follows_from_the_layout(
    tmp_path: Path, files: Repository, entrypoint: list[str]
) -> None:
    command = found(tmp_path, files).entrypoint
    assert command is not None
    assert list(command.value) == entrypoint


def test_a_script_that_a_shell_would_read_is_run_by_npm_and_marked_as_a_guess(
    tmp_path: Path,
) -> None:
    package = (
        '{"name": "x", "dependencies": {"@modelcontextprotocol/sdk": "1"}, '
        '"scripts": {"start": "NODE_ENV=production node . && echo"}}'
    )
    command = found(tmp_path, {"package.json": package}).entrypoint
    assert command is not None
    assert command.value == ("npm", "--silent", "run", "start")
    assert command.sure == "guess"


def test_what_a_readme_shows_as_arguments_is_not_taken_over_when_it_may_be_a_secret(
    tmp_path: Path,
) -> None:
    readme = (
        '```json\n{"mcpServers": {"dice": {"command": "uvx", '
        '"args": ["mcp-server-dice", "--api-key", "s3ntinel-77aa"], '
        '"env": {"DICE_TOKEN": "s3ntinel-77aa"}}}}\n```\n'
    )
    detected = found(tmp_path, corpus.FASTMCP_STDIO | {"README.md": readme})
    assert detected.entrypoint is not None
    assert detected.entrypoint.value == ("mcp-server-dice",)
    assert needs(detected)["DICE_TOKEN"] == (True, True)
    assert "s3ntinel" not in str(dataclasses.asdict(detected))


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": "a." * 120_000 + "b = 1\n"},
        {"server.py": SERVER + "mcp.run(transport=x, port=y)\n" * 5_000},
        {"index.js": _NODE + 'name: "a", description: ' * 10_000, "package.json": "{}"},
        {"smithery.yaml": "[" * 200_000},
    ],
    ids=["toml", "python", "javascript", "yaml"],
)
def test_a_text_that_would_keep_a_parser_busy_for_minutes_does_not(
    tmp_path: Path, files: Repository
) -> None:
    server: Repository = {"main.py": SERVER + "mcp.run()\n"}
    assert found(tmp_path, server | files).transport.value == Transport("stdio")


def test_no_link_is_followed_and_no_pipe_is_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text(SERVER + "mcp.run()")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/server.py").write_text(SERVER + "mcp.run()")
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "server.py").symlink_to(secret)
    (folder / "src").symlink_to(tmp_path / "elsewhere")
    (folder / "pyproject.toml").symlink_to("/dev/zero")
    os.mkfifo(folder / "README.md")
    files = LocalFiles(folder)
    assert list(files.paths()) == []
    assert files.read("../secret.py") is None
    assert isinstance(detect(files, About("x")), NotDetected)


def test_a_file_that_became_a_link_after_it_was_listed_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text("x")
    files = LocalFiles(tmp_path)
    (tmp_path / "server.py").unlink()
    (tmp_path / "server.py").symlink_to("/etc/passwd")
    assert files.read("server.py") is None
