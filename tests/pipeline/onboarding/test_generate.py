"""The text of `mcp.yaml`: valid whatever was detected, and open about what was not."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.manifest import parse
from pipeline.manifest import schema as manifest_schema
from pipeline.onboarding import About, Detected, LocalFiles, detect, generate
from pipeline.onboarding.findings import Found, Runtime, Transport, Variable
from tests.pipeline.onboarding import corpus
from tests.pipeline.onboarding.corpus import found, write


@pytest.mark.parametrize("name", corpus.SERVERS)
def test_every_server_of_the_corpus_gets_a_valid_file_that_says_what_was_found(
    tmp_path: Path, name: str
) -> None:
    detected = found(tmp_path, corpus.SERVERS[name])
    manifest = parse(generate(detected).encode())
    assert manifest.name == detected.name.value
    assert manifest.runtime.type == detected.runtime.value.type
    assert manifest.runtime.version == detected.runtime.value.version
    assert manifest.entrypoint == (detected.entrypoint.value if detected.entrypoint else ())
    assert manifest.transport.type == detected.transport.value.type
    assert manifest.transport.path == detected.transport.value.path
    assert manifest.transport.port == detected.transport.value.port
    assert manifest.build.context == detected.context
    assert manifest.env == dict(detected.env)
    assert manifest.tags == detected.tags


def test_the_file_reads_well(tmp_path: Path) -> None:
    assert generate(found(tmp_path, corpus.SERVER_JSON)) == (
        "# mcp.yaml: how Sigil builds, runs, checks and lists the MCP server of this repository.\n"
        "# Written from what the repository says. Lines with TODO could not be found there: "
        "check them.\n"
        "schema: 1\n"
        "name: search-things\n"
        "title: Search Things\n"
        "description: Searches things\n"
        "version: 1.0.3\n"
        "# categories: []  # up to three of\n"
        "#   automation, browser, cloud, communication, data, databases, developer-tools, "
        "education,\n"
        "#   entertainment, files, finance, knowledge, location, monitoring, productivity, "
        "search,\n"
        "#   security\n"
        "runtime: python\n"
        "entrypoint: [search-things, serve]\n"
        "transport:\n"
        "  type: stdio\n"
        "  # Sigil puts a bridge in front of it, which serves streamable HTTP.\n"
        "# Variables that the server reads; write those that it needs under `env`:\n"
        "#   SEARCH_REGION: optional, Where to search\n"
        "# Secrets that the server reads. Never write a value into this file:\n"
        "#   SEARCH_API_KEY: needed, Key of the | search service\n"
    )


def test_what_was_not_found_is_marked(tmp_path: Path) -> None:
    files: corpus.Repository = {"lib.py": "from mcp.server import MCPServer\n"}
    text = generate(found(tmp_path, files))
    marked = [line.split(":")[0] for line in text.splitlines() if "# TODO" in line]
    assert marked == ["description", "version", "entrypoint", "transport"]
    parse(text.encode())


def test_secrets_become_entries_as_soon_as_the_manifest_knows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detected = found(tmp_path, corpus.SERVER_JSON)
    item = {"type": "object", "required": ["name"], "additionalProperties": False}
    known = {name: {"type": kind} for name, kind in _SECRET.items()}
    schema = manifest_schema.root()
    with_secrets = {"type": "array", "items": item | {"properties": known}}
    properties = schema["properties"] | {"secrets": with_secrets}
    monkeypatch.setattr(manifest_schema, "root", lambda: schema | {"properties": properties})
    manifest_schema.validator.cache_clear()
    try:
        text = generate(detected)
        parse(text.encode())
    finally:
        monkeypatch.undo()
        manifest_schema.validator.cache_clear()
    assert text.endswith(
        "secrets:\n"
        "  - name: SEARCH_API_KEY\n"
        "    description: Key of the | search service\n"
        "    required: true\n"
    )


_SECRET = {"name": "string", "description": "string", "required": "boolean"}


def test_no_value_of_a_secret_reaches_the_file(tmp_path: Path) -> None:
    token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    files = corpus.FASTMCP_HTTP | {
        "README.md": f"# Weather {token}\n\nUse {token} to find out what the weather is like.\n",
        ".env.example": f"OPENWEATHER_API_KEY={token}\n",
    }
    about = About(token, token, (token,))
    text = generate(found(tmp_path, files, about))
    assert token not in text
    parse(text.encode())


_TEXT = st.text(max_size=120) | st.sampled_from(
    ["", "# x", "a: b", "*x", "@x", "yes", "1.0", "2026-01-01", "x # y", "\x85y", "'", '"', "- a"]
)
_NAMES = st.sampled_from(["MY_KEY", "URL", "X_TOKEN", "on", "PORT", "A" * 128])


@st.composite
def _repositories(draw: st.DrawFn) -> corpus.Repository:
    """A repository of the corpus with some of its files damaged or taken away."""
    files = dict(draw(st.sampled_from([*corpus.SERVERS.values(), *corpus.OTHERS.values()])))
    for name in draw(st.lists(st.sampled_from(sorted(files)), max_size=2)) if files else ():
        content = files.get(name, "")
        text = content if isinstance(content, str) else content.decode("latin-1")
        at = draw(st.integers(0, len(text)))
        change = draw(_TEXT)
        kind = draw(st.sampled_from(["insert", "cut", "drop"]))
        if kind == "drop":
            files.pop(name, None)
        else:
            files[name] = (text[:at] + change + (text[at:] if kind == "insert" else "")).encode(
                "utf-8", "replace"
            )
    return files


class _Memory:
    """Files that are nowhere but here."""

    def __init__(self, files: corpus.Repository) -> None:
        self._files = files

    def paths(self) -> list[str]:
        return sorted(self._files)

    def read(self, path: str) -> bytes | None:
        content = self._files.get(path)
        return content.encode() if isinstance(content, str) else content


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(_repositories(), _TEXT, _TEXT, st.lists(_TEXT, max_size=4))
def test_whatever_a_repository_holds_the_file_is_valid(
    files: corpus.Repository, name: str, description: str, topics: list[str]
) -> None:
    result = detect(_Memory(files), About(name, description, tuple(topics)))
    if isinstance(result, Detected):
        parse(generate(result).encode())


@settings(max_examples=150)
@given(st.data())
def test_whatever_a_project_says_of_itself_the_file_is_valid(data: st.DataObject) -> None:
    table = {
        "name": data.draw(_TEXT),
        "version": data.draw(_TEXT | st.from_regex(r"v?\d{1,3}(\.\d{1,3}){0,3}[abrc-]{0,2}\d?")),
        "description": data.draw(_TEXT),
        "keywords": data.draw(st.lists(_TEXT, max_size=12) | _TEXT),
        "bin": data.draw(_TEXT | st.dictionaries(_TEXT, _TEXT, max_size=3)),
        "scripts": {"start": data.draw(_TEXT), "build": data.draw(_TEXT)},
        "engines": {"node": data.draw(_TEXT | st.from_regex(r">=\d{1,5}"))},
        "dependencies": {"@modelcontextprotocol/sdk": "1"},
    }
    readme = "# " + data.draw(_TEXT) + "\n\n" + data.draw(_TEXT) + "\n"
    variables = "".join(f"process.env['{data.draw(_NAMES)}'];" for _ in range(2))
    files: corpus.Repository = {
        "package.json": json.dumps(table),
        "README.md": readme.encode("utf-8", "replace"),
        "server.js": f"const port = process.env.P_PORT || {data.draw(st.integers(0, 99999))};"
        f"{variables} app.post('/{data.draw(st.from_regex('[a-z./]{0,20}', fullmatch=True))}');"
        'import x from "@modelcontextprotocol/sdk/server/mcp.js";'
        "new StreamableHTTPServerTransport()",
    }
    result = detect(_Memory(files), About("x"))
    assert isinstance(result, Detected)
    parse(generate(result).encode())


def test_all_that_a_detection_can_hold_is_written_validly() -> None:
    detected = Detected(
        evidence="x",
        name=Found("x", "x", "guess"),
        runtime=Found(Runtime("docker"), "x"),
        transport=Found(Transport("streamable-http", "/", 1), "line\nbreak", "guess"),
        title=Found("yes", "x"),
        dockerfile="docker/Dockerfile",
        context="services/a b",
        system_packages=("libpq5",),
        variables=(Variable("A", "x", "line\nbreak # x"), Variable("K", "x", "a: b", secret=True)),
        env=(("X_HOST", "0.0.0.0"),),  # noqa: S104
    )
    manifest = parse(generate(detected).encode())
    assert manifest.title == "yes"
    assert manifest.build.dockerfile == "docker/Dockerfile"
    assert manifest.build.context == "services/a b"


def test_detecting_and_writing_twice_gives_the_same(tmp_path: Path) -> None:
    write(tmp_path, corpus.POETRY)
    texts = set()
    for _ in range(2):
        result = detect(LocalFiles(tmp_path), About("x"))
        assert isinstance(result, Detected)
        texts.add(generate(result))
    assert len(texts) == 1
