"""Small repositories as people write them, for the detection: file name to content."""

from pathlib import Path

from pipeline.onboarding import About, Detected, LocalFiles, NotDetected, detect

Repository = dict[str, str | bytes]

FASTMCP_STDIO: Repository = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "mcp-server-dice"
version = "0.4.1"
description = "Rolls dice for language models, fair ones and loaded ones."
requires-python = ">=3.10"
keywords = ["mcp", "dice", "Entertainment"]
dependencies = ["mcp>=2.3"]

[project.scripts]
mcp-server-dice = "mcp_server_dice:main"

[tool.hatch.build.targets.wheel]
packages = ["src/mcp_server_dice"]
""",
    "src/mcp_server_dice/__init__.py": """\
from .server import server


def main() -> None:
    server.run()
""",
    "src/mcp_server_dice/__main__.py": "from mcp_server_dice import main\n\nmain()\n",
    "src/mcp_server_dice/server.py": '''\
"""Dice."""

import os
import random

from mcp.server import MCPServer

server = MCPServer("dice")
SEED = os.getenv("DICE_SEED")


@server.tool()
def roll(sides: int = 6) -> int:
    """One roll of a fair die."""
    return random.Random(SEED).randint(1, sides)


@server.tool(name="roll_loaded")
def loaded(sides: int = 6) -> int:
    """Always the best."""
    return sides
''',
    "README.md": """\
# Dice MCP Server 🎲

[![PyPI](https://img.shields.io/pypi/v/x)](https://pypi.org/project/x)

An MCP server that rolls dice.

```json
{
  "mcpServers": {
    "dice": {"command": "uvx", "args": ["mcp-server-dice"]},
    "filesystem": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-filesystem", "/Users/me"],
      "env": {"FILESYSTEM_API_KEY": "x"}
    }
  }
}
```
""",
    "tests/test_server.py": "import os\n\nos.environ['TEST_TOKEN']\n",
}

FASTMCP_HTTP: Repository = {
    "requirements.txt": "fastmcp>=2.12  # the framework\nhttpx==0.28.1\n",
    "server.py": '''\
import os

from fastmcp import FastMCP

mcp = FastMCP("Weather")
API_KEY = os.environ["OPENWEATHER_API_KEY"]
UNITS = os.environ.get("UNITS", "metric")


@mcp.tool
async def forecast(place: str) -> str:
    """Tomorrow's weather."""
    return "sun"


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "9000"))
    mcp.run(transport="http", host="0.0.0.0", port=port, path="/api/mcp/")
''',
    "Dockerfile": """\
FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends \\
    libpq5 curl \\
 && rm -rf /var/lib/apt/lists/*
COPY . .
EXPOSE 9000
CMD ["python", "server.py"]
""",
}

LOW_LEVEL: Repository = {
    "pyproject.toml": """\
[project]
name = "notes_server"
dynamic = ["version"]
requires-python = ">=3.13"
dependencies = ["mcp[cli]>=1.9", "click"]
""",
    "notes/__init__.py": '__version__ = "2.0rc1"\n',
    "notes/__main__.py": "import sys\n\nfrom notes.server import main\n\nsys.exit(main())\n",
    "notes/server.py": """\
import anyio
import click
import mcp.types as types
from mcp.server.lowlevel import Server


@click.command()
@click.option("--port", default=8000, help="Port to listen on for HTTP")
@click.option("--transport", type=click.Choice(["stdio", "streamable-http"]), default="stdio")
def main(port: int, transport: str) -> int:
    app = Server("notes")

    @app.list_tools()
    async def list_tools() -> list[types.Tool]:
        return [types.Tool(name="add-note", inputSchema={"type": "object"})]

    if transport == "streamable-http":
        import uvicorn
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        manager = StreamableHTTPSessionManager(app=app)
        uvicorn.run(manager, host="127.0.0.1", port=port)
    else:
        from mcp.server.stdio import stdio_server

        async def arun() -> None:
            async with stdio_server() as streams:
                await app.run(streams[0], streams[1], app.create_initialization_options())

        anyio.run(arun)
    return 0
""",
}

POETRY: Repository = {
    "pyproject.toml": """\
[tool.poetry]
name = "jira-bridge"
version = "1.2"
description = '''Reads and writes issues of a tracker, with the permissions of the person whose
token it was given, nothing else'''
keywords = ["mcp-server", "issue tracker"]

[tool.poetry.dependencies]
python = "^3.11"
mcp = {version = "^1.10", extras = ["cli"]}

[tool.poetry.scripts]
jira-bridge = "jira_bridge.server:cli"
jira-bridge-admin = "jira_bridge.admin:cli"

[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
""",
    "jira_bridge/__init__.py": "",
    "jira_bridge/admin.py": "def cli() -> None: ...\n",
    "jira_bridge/server.py": """\
from mcp.server.fastmcp import FastMCP
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="JIRA_")

    url: str
    token: str
    project: str = "DEMO"


mcp = FastMCP("jira")


@mcp.tool()
def search(query: str) -> str:
    return query


def cli() -> None:
    mcp.run(transport="streamable-http")
""",
    ".env.example": "JIRA_URL=https://example.com\nJIRA_TOKEN=ghp_abcdefghijklmnopqrstuvwxyz0123\n",
}

NODE_STDIO: Repository = {
    "package.json": """\
{
  "name": "@octo/notes-mcp",
  "version": "3.1.0",
  "description": "Keeps notes",
  "type": "module",
  "bin": {"notes-mcp": "./index.mjs"},
  "keywords": ["mcp", "notes"],
  "engines": {"node": ">=18"},
  "dependencies": {"@modelcontextprotocol/sdk": "1.24.3", "zod": "3.25.76"}
}
""",
    "index.mjs": """\
#!/usr/bin/env node
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

const server = new McpServer({ name: "notes", version: "3.1.0" });
const shelf = process.env.NOTES_SHELF ?? "default";

server.registerTool(
  "write_note",
  { description: "Keeps a note", inputSchema: { text: z.string() } },
  async ({ text }) => ({ content: [{ type: "text", text: `${shelf}: ${text}` }] }),
);

await server.connect(new StdioServerTransport());
""",
}

TYPESCRIPT: Repository = {
    "package.json": """\
{
  "name": "mcp-cats",
  "version": "0.0.1",
  "main": "dist/index.js",
  "scripts": {"build": "tsc", "start": "node dist/index.js --http", "dev": "tsx src/index.ts"},
  "engines": {"node": ">=24"},
  "dependencies": {"@modelcontextprotocol/sdk": "^1.24.0", "express": "^5.0.0"},
  "devDependencies": {"typescript": "^5.9.0"}
}
""",
    "tsconfig.json": '{"compilerOptions": {"outDir": "dist", "rootDir": "src"}}\n',
    "src/index.ts": """\
import express from "express";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { config } from "./config.js";

const app = express();
const PORT = Number(process.env.PORT ?? 3333);
const server = new McpServer({ name: "cats", version: "0.0.1" });
server.tool("purr", "Purrs", async () => ({ content: [] }));

app.get("/health", (_, response) => response.send("ok"));
app.post("/cats/mcp", async (request, response) => {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  await server.connect(transport);
  await transport.handleRequest(request, response, request.body);
});
app.listen(PORT);
""",
    "src/config.ts": """\
// process.env.COMMENTED_OUT
const { CAT_API_KEY, CAT_REGION = "eu" } = process.env;
export const config = { key: CAT_API_KEY, region: CAT_REGION, level: process.env.NODE_ENV };
""",
}

DOCKERFILE_ONLY: Repository = {
    "Dockerfile": """\
FROM golang:1.24 AS build
ENV CGO_ENABLED=0
RUN go build -o /server .

FROM gcr.io/distroless/static
ENV DB_PASSWORD=
ENV LOG_LEVEL=info
EXPOSE 7000/tcp
COPY --from=build /server /server
ENTRYPOINT ["/server"]
CMD ["--http"]
""",
    "go.mod": "module example.com/tides\n\nrequire github.com/modelcontextprotocol/go-sdk v1.2.0\n",
    "main.go": "package main\n",
    "README.md": "# Tides\n\nHigh and low water of every harbour.\n",
}

SERVER_JSON: Repository = {
    "server.json": """\
{
  "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
  "name": "io.github.octo/search-things",
  "title": "Search Things",
  "description": "Searches things",
  "version": "1.0.2",
  "packages": [{
    "registryType": "pypi",
    "identifier": "search-things",
    "version": "1.0.2",
    "transport": {"type": "stdio"},
    "packageArguments": [{"type": "positional", "value": "serve"}],
    "environmentVariables": [
      {"name": "SEARCH_API_KEY", "description": "Key of the | search *service*",
       "isRequired": true, "isSecret": true},
      {"name": "SEARCH_REGION", "description": "Where to search", "default": "eu"}
    ]
  }]
}
""",
    "pyproject.toml": """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "search-things"
version = "1.0.3"
dependencies = ["mcp"]
[project.scripts]
search-things = "search_things.cli:run"
""",
    "search_things/__init__.py": "",
    "search_things/cli.py": """\
import argparse

from search_things.app import mcp


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.parse_args()
    mcp.run()
""",
    "search_things/app.py": 'from mcp.server import MCPServer\n\nmcp = MCPServer("search")\n',
}

SMITHERY: Repository = {
    "smithery.yaml": """\
startCommand:
  type: stdio
  configSchema:
    type: object
    required: [braveApiKey]
    properties:
      braveApiKey:
        type: string
        description: The API key
      safe:
        type: boolean
  commandFunction: |-
    (config) => ({
      command: 'node',
      args: ['dist/main.js', '--stdio'],
      env: { BRAVE_API_KEY: config.braveApiKey, SAFE: String(config.safe) }
    })
""",
    "package.json": """\
{
  "name": "brave",
  "private": true,
  "scripts": {"build": "esbuild src/main.ts --bundle --outfile=dist/main.js"},
  "devDependencies": {"@modelcontextprotocol/sdk": "*", "esbuild": "*"}
}
""",
    "src/main.ts": """\
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
const server = new Server({ name: "brave", version: "1" }, { capabilities: { tools: {} } });
const TOOLS = [{ name: "web_search", description: "Searches", inputSchema: { type: "object" } }];
await server.connect(new StdioServerTransport());
""",
}

MONOREPO: Repository = {
    "package.json": '{"name": "shop", "private": true, "workspaces": ["apps/*", "packages/*"]}',
    "README.md": "# Shop\n\nEverything that the shop runs on, the web pages and the assistant.\n",
    "apps/web/package.json": '{"name": "web", "dependencies": {"next": "*"}}',
    "apps/web/index.js": "console.log(process.env.SHOP_SECRET)\n",
    "services/assistant/pyproject.toml": """\
[project]
name = "assistant"
version = "0.1.0"
description = "Answers questions about orders"
dependencies = ["fastmcp"]
""",
    "services/assistant/main.py": """\
from fastmcp import FastMCP

mcp = FastMCP("assistant")
mcp.run("http")
""",
    "examples/client/pyproject.toml": '[project]\nname = "x"\ndependencies = ["mcp"]\n',
    "examples/client/server.py": "from mcp.server import MCPServer\n",
}

SUBFOLDER: Repository = {
    "README.md": "# Tools of the observatory\n",
    "servers/clock/requirements.txt": "mcp==2.3.0\n",
    "servers/clock/clock.py": '''\
"""Tells the time."""

import argparse
import os
from datetime import UTC, datetime

from mcp.server import MCPServer

server = MCPServer("clock")


@server.tool()
def now() -> str:
    """The time in UTC."""
    return datetime.now(UTC).isoformat()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=os.environ.get("PORT", "8765"))
    parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
    arguments = parser.parse_args()
    server.run(
        "streamable-http",
        host=arguments.host,
        port=arguments.port,
        streamable_http_path="/clock",
    )


if __name__ == "__main__":
    main()
''',
}

NOT_MCP: Repository = {
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\ndependencies = ["flask"]\n',
    "app.py": "import flask\n",
    "Dockerfile": "FROM python:3.12\nEXPOSE 80\nCMD python app.py\n",
    "README.md": "# Shop\n\nA shop. Works well with any MCP server.\n",
}

CLIENT: Repository = {
    "pyproject.toml": '[project]\nname = "agent"\nversion = "1"\ndependencies = ["mcp"]\n',
    "agent.py": "from mcp import ClientSession\n",
    "Dockerfile": "FROM python:3.12\n",
    "README.md": '# Agent\n\n```json\n{"mcpServers": {"a": {"command": "uvx"}}}\n```\n',
}

EMPTY: Repository = {}

DEEP = "[" * 20_000
HOSTILE: Repository = {
    "pyproject.toml": "[project\nname = ",
    "package.json": DEEP,
    "server.json": '{"name": 1, "packages": ' + DEEP,
    "smithery.yaml": "a: &a [x, x]\nb: &b [*a, *a]\nstartCommand: *b\n",
    "requirements.txt": "mcp ; \x00\n-r ../../etc/passwd\n" + "x" * 100_000,
    "Dockerfile": "ENV\nEXPOSE 999999999999999999999\nFROM\nCMD [1, {\nENTRYPOINT 'x\n",
    "README.md": "[" * 3_000 + "![" * 3_000 + "```json\n" + '{"mcpServers":' * 3_000,
    "server.py": "from mcp.server import MCPServer\nx = " + "(" * 50_000,
    "deep.py": "from mcp.server import MCPServer\nx = " + "-" * 100_000 + "1\n",
    "long.py": "import os\nx = a" + ".b" * 60_000 + "\n",
    "binary.py": b"\x00\xff\xfe" * 1000,
    "huge.py": b"#" * (300 * 1024),
    ".env.example": "=\nA B=1\nNAME=" + "x" * 10_000,
}

SERVERS = {
    "fastmcp-stdio": FASTMCP_STDIO,
    "fastmcp-http": FASTMCP_HTTP,
    "low-level": LOW_LEVEL,
    "poetry": POETRY,
    "node-stdio": NODE_STDIO,
    "typescript": TYPESCRIPT,
    "dockerfile-only": DOCKERFILE_ONLY,
    "server-json": SERVER_JSON,
    "smithery": SMITHERY,
    "monorepo": MONOREPO,
    "subfolder": SUBFOLDER,
}
OTHERS = {"not-mcp": NOT_MCP, "client": CLIENT, "empty": EMPTY, "hostile": HOSTILE}


def look(folder: Path, files: Repository, about: About | None = None) -> Detected | NotDetected:
    """What is detected in these files, once they are in a folder."""
    write(folder, files)
    return detect(LocalFiles(folder), about or About("octo-repository"))


def write(folder: Path, files: Repository) -> None:
    """Write a repository into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def found(folder: Path, files: Repository, about: About | None = None) -> Detected:
    """The server that is detected in these files."""
    result = look(folder, files, about)
    assert isinstance(result, Detected), result
    return result
