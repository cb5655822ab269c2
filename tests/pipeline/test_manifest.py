"""`mcp.yaml`: what is accepted, and that every problem is told at its line with a fix."""

import textwrap

import pytest

from pipeline.manifest import BranchRule, DeploySettings, ManifestError, Problem, parse

MINIMAL = """\
schema: 1
name: weather
description: Forecasts for any place
version: 1.4.0
runtime: python
entrypoint: ["python", "-m", "weather"]
"""
LINES = MINIMAL.count("\n")


def problems(text: str | bytes) -> list[Problem]:
    raw = textwrap.dedent(text).encode() if isinstance(text, str) else text
    with pytest.raises(ManifestError) as caught:
        parse(raw)
    return caught.value.problems


def only(text: str | bytes) -> Problem:
    found = problems(text)
    assert len(found) == 1, [problem.message for problem in found]
    return found[0]


def added(text: str) -> Problem:
    """The one problem that these lines bring to a valid file."""
    return only(MINIMAL + textwrap.dedent(text))


def replaced(key: str, line: str) -> Problem:
    """The one problem when the line of `key` is another one."""
    lines = [line if old.startswith(f"{key}:") else old for old in MINIMAL.splitlines()]
    return only("\n".join(lines) + "\n")


# What is accepted


def test_a_small_file_gets_every_default() -> None:
    manifest = parse(MINIMAL.encode())
    assert manifest.title == "weather"
    assert manifest.runtime.type == "python"
    assert manifest.runtime.version is None
    assert manifest.build.context == "."
    assert manifest.build.dockerfile == "Dockerfile"
    assert (manifest.transport.type, manifest.transport.path) == ("streamable-http", "/mcp")
    assert manifest.transport.port == 8080
    assert (manifest.healthcheck.timeout, manifest.healthcheck.start_period) == (10.0, 60.0)
    assert (manifest.resources.memory, manifest.resources.cpu) == (512 * 2**20, 0.5)
    assert (manifest.categories, manifest.tags, manifest.env, manifest.tools) == ((), (), {}, ())
    assert manifest.deploy == DeploySettings()


def test_a_full_file_is_read() -> None:
    manifest = parse(
        textwrap.dedent("""\
        schema: 1
        name: weather
        title: Weather
        description: Forecasts for any place
        version: 1.4.0-rc.1
        categories: [search, data]
        tags: [weather, rain]
        runtime: {type: python, version: "3.10"}
        build: {context: ./servers/weather/, system_packages: [libpq5, g++]}
        entrypoint: ["python", "-m", "weather", "--greeting", "hello there"]
        transport: {type: stdio, path: /tools/mcp, port: 9000}
        env: {LOG_LEVEL: info, EMPTY: ""}
        tools:
          - name: forecast
            description: The next days
            inputSchema: {type: object, properties: {place: {type: string}}}
        healthcheck: {timeout: 500s, start_period: 2m}
        resources: {memory: 1Gi, cpu: 2}
        deploy:
          on: {push: {main: production}, pull_request: check}
          paths: [servers/weather/**, mcp.yaml]
          breaking: block
        """)
        .replace("500s", "1500ms")
        .encode()
    )
    assert manifest.version == "1.4.0-rc.1"
    assert manifest.runtime.version == "3.10"
    assert manifest.build.context == "servers/weather"
    assert manifest.build.system_packages == ("libpq5", "g++")
    assert manifest.entrypoint[-1] == "hello there"
    assert manifest.transport.port == 9000
    assert manifest.env == {"LOG_LEVEL": "info", "EMPTY": ""}
    assert manifest.tools[0].input_schema["properties"] == {"place": {"type": "string"}}
    assert (manifest.healthcheck.timeout, manifest.healthcheck.start_period) == (1.5, 120.0)
    assert (manifest.resources.memory, manifest.resources.cpu) == (2**30, 2.0)
    assert manifest.deploy.push == (BranchRule("main", "production"),)
    assert (manifest.deploy.release, manifest.deploy.pull_request) == ("production", "check")
    assert manifest.deploy.paths == ("servers/weather/**", "mcp.yaml")
    assert manifest.deploy.breaking == "block"


def test_the_docker_runtime_needs_no_entrypoint() -> None:
    text = MINIMAL.replace("runtime: python", "runtime: docker").replace("entrypoint", "#")
    manifest = parse((text + "build: {dockerfile: docker/mcp.Dockerfile}\n").encode())
    assert manifest.entrypoint == ()
    assert manifest.build.dockerfile == "docker/mcp.Dockerfile"


@pytest.mark.parametrize(
    "raw", ["\ufeff" + MINIMAL, MINIMAL.replace("\n", "\r\n"), "---\n" + MINIMAL]
)
def test_a_byte_order_mark_windows_lines_and_a_document_start_are_fine(raw: str) -> None:
    assert parse(raw.encode()).name == "weather"


def test_an_anchor_may_save_typing() -> None:
    manifest = parse((MINIMAL + "tags: &words [rain]\nenv: {A: &a x, B: *a}\n").encode())
    assert manifest.env == {"A": "x", "B": "x"}


# Positions and completeness


def test_every_problem_is_told_at_its_line_and_column_in_order() -> None:
    found = problems("""\
        schema: 1
        name: My Server
        descripton: typo
        version: 1.10
        runtime: pyton
        entrypoint: python -m "weather station"
        transport:
          type: streamable-http
          port: 99999
        env:
          LEVEL: 3
        tags: [a, b, a]
        name: again
        """)
    assert [(p.line, p.column, p.path) for p in found] == [
        (1, 1, ""),
        (2, 7, "name"),
        (3, 1, "descripton"),
        (4, 10, "version"),
        (5, 10, "runtime"),
        (6, 13, "entrypoint"),
        (9, 9, "transport.port"),
        (11, 10, "env.LEVEL"),
        (12, 14, "tags[2]"),
        (13, 1, "name"),
    ]
    texts = [problem.message for problem in found]
    assert "`description` is missing" in texts[0]
    assert "Did you mean `description`?" in texts[2]
    assert 'Write "1.10.0"' in texts[3]
    assert "Did you mean `python`?" in texts[4]
    assert '["python", "-m", "weather station"]' in texts[5]
    assert "65535" in texts[6]
    assert "quotes" in texts[7]
    assert "second time" in texts[9]


def test_lines_are_counted_as_git_counts_them() -> None:
    # YAML also ends a line at U+2028; an annotation would then sit one line too low.
    assert added("title: 'a\u2028b'\nport: 80").line == LINES + 2


def test_a_missing_field_of_a_section_is_told_at_the_section() -> None:
    problem = added("tools:\n  - name: a\n")
    assert (problem.line, problem.path) == (LINES + 2, "tools[0]")
    assert 'inputSchema: {"type": "object"}' in problem.message


def test_a_file_with_very_many_problems_says_how_many_are_not_shown() -> None:
    found = problems(MINIMAL + "".join(f"k{number}: 1\n" for number in range(150)))
    assert len(found) == 101
    assert found[-1].message.startswith("50 more problems")


# Keys


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("catagories: []", "`categories`"),
        ("port: 80", "`transport.port`"),
        ("memory: 1Gi", "`resources.memory`"),
        ("command: [x]", "`entrypoint`"),
        ("environment: {}", "`env`"),
        ("dockerfle: x", "`build.dockerfile`"),
    ],
)
def test_an_unknown_key_gets_a_suggestion(line: str, meant: str) -> None:
    assert f"Did you mean {meant}?" in added(line).message


def test_an_unknown_key_that_resembles_nothing_gets_the_list() -> None:
    assert "accepted here: type, path, port" in added("transport: {zzzzzz: 1}").message


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("secrets: [{name: A}]", "secrets"),
        ("access: {visibility: public}", "access"),
        ("healthcheck: {mode: mcp}", "healthcheck.mode"),
        ("healthcheck: {interval: 60s}", "healthcheck.interval"),
        ("resources: {replicas: 2}", "resources.replicas"),
    ],
)
def test_a_planned_field_is_refused_as_not_supported_yet(line: str, path: str) -> None:
    problem = added(line)
    assert problem.path == path
    assert "not supported yet" in problem.message


@pytest.mark.parametrize("line", ["runtime: go", "runtime: {type: go}"])
def test_the_planned_runtime_is_refused_as_not_supported_yet(line: str) -> None:
    assert "`go` is not supported yet" in replaced("runtime", line).message


def test_a_duplicate_key_is_told_at_the_second() -> None:
    problem = added("env: {A: x, B: y, A: z}")
    assert (problem.line, problem.column, problem.path) == (LINES + 1, 19, "env.A")


@pytest.mark.parametrize("key", ["true", "False", "1", "1.5", "null", "~", "2020-01-01"])
def test_a_key_that_yaml_does_not_read_as_text_is_explained(key: str) -> None:
    # Some of these are no names for a variable either, which is a second problem.
    messages = [problem.message for problem in problems(f"{MINIMAL}env:\n  {key}: x\n")]
    assert any(f"YAML reads `{key}` as" in message for message in messages)


@pytest.mark.parametrize("key", ["on", "off", "yes", "NO"])
def test_a_word_that_only_old_yaml_takes_for_a_truth_value_is_a_key(key: str) -> None:
    assert parse(f"{MINIMAL}env: {{{key}: x}}\n".encode()).env == {key: "x"}


@pytest.mark.parametrize("line", ["env: {[a]: b}", "env: {{a: b}: c}", "env:\n  <<: {A: b}"])
def test_keys_that_are_no_names_are_refused(line: str) -> None:
    assert "key" in added(line).message


# Values that YAML reads differently than people


@pytest.mark.parametrize(
    ("key", "line", "fix"),
    [
        ("version", "version: 1.10", '"1.10.0"'),
        ("version", "version: 2", '"2.0.0"'),
        ("runtime", "runtime: {type: python, version: 3.10}", '"3.10"'),
        ("runtime", "runtime: {type: node, version: 22}", '"22"'),
        ("name", "name: on", '"on"'),
        ("description", "description: yes", '"yes"'),
        ("description", "description: 12:30", '"12:30"'),
    ],
)
def test_a_text_that_yaml_reads_as_something_else_is_to_be_quoted(
    key: str, line: str, fix: str
) -> None:
    problem = replaced(key, line)
    assert "YAML reads" in problem.message
    assert fix in problem.message


def test_a_date_is_to_be_quoted() -> None:
    assert "date" in added("title: 2020-01-01").message


@pytest.mark.parametrize("value", ["377", "true", "1.5", "off"])
def test_the_value_of_a_variable_is_to_be_quoted_and_is_not_repeated(value: str) -> None:
    problem = added(f"env: {{LEVEL: {value}}}")
    assert "Put the value in quotes" in problem.message
    assert value not in problem.message.replace("true or false", "")


def test_an_empty_value_is_explained() -> None:
    assert "is empty" in added("title:").message


def test_a_quoted_number_is_to_be_unquoted() -> None:
    assert "without quotes" in added('transport: {port: "8080"}').message


# Texts that are no YAML, or more than that


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"# only a comment\n", b"---\n", b"null\n"])
def test_an_empty_file_is_explained(raw: bytes) -> None:
    assert "mcp.yaml is empty" in only(raw).message


@pytest.mark.parametrize("raw", [b"- a\n- b\n", b"just text\n", b"5\n"])
def test_a_file_that_is_no_mapping_is_explained(raw: bytes) -> None:
    assert "must be a mapping" in only(raw).message


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("env:\n\tA: b", "tabs"),
        ("title: a: b", "colon"),
        ("title: *x", "alias"),
        ("title: 'a", "not valid YAML"),
        ("title: [a", "not valid YAML"),
        ("title: a\x07b", "U+0007"),
        ("---\nschema: 1", "second YAML document"),
        ("title: !!python/object/apply:os.getcwd []", "tag"),
        ("title: !!binary aGVsbG8=", "tag"),
        ("title: !mine a", "tag"),
        ("transport: {port: !!int x}", "not a number"),
        ('title: "a\\0b"', "NUL"),
        ('title: "a\\ud800b"', "surrogate"),
        ("resources: {cpu: .inf}", "infinity"),
        ("resources: {cpu: .nan}", "not-a-number"),
        ("transport: {port: " + "9" * 4000 + "}", "64 bits"),
        ("transport: {port: " + "9" * 5000 + "}", "not a number"),
        ("transport: {port: " + ":".join(["1"] * 5000) + "}", "64 bits"),
        ("env: &all {A: *all}", "contains itself"),
        ("tags: [" + "a, " * 1001 + "]", "more than 1,000 entries"),
    ],
)
def test_what_cannot_be_read_is_explained(line: str, says: str) -> None:
    problem = added(line)
    assert says in problem.message
    assert problem.line > LINES


def test_a_file_that_is_not_utf_8_is_told_where() -> None:
    problem = only(MINIMAL.encode() + b"title: Gr\xfcn\n")
    assert (problem.line, problem.column) == (LINES + 1, 10)


def test_the_size_limit_is_64_kib() -> None:
    padding = 64 * 1024 - len(MINIMAL)
    assert parse(MINIMAL.encode() + b"#" * padding).name == "weather"
    assert "65,536" in only(MINIMAL.encode() + b"#" * (padding + 1)).message


def test_nesting_deeper_than_the_stack_is_refused() -> None:
    assert "nested deeper" in added("title: " + "[" * 60_000).message


def test_an_alias_bomb_is_refused() -> None:
    lines = ["env:", "  a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, letter in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"  {letter}: &{letter} [{', '.join([f'*{before}'] * 9)}]")
    assert "expand to too many values" in added("\n".join(lines)).message


# Rules of single fields


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("build: {context: ../other}", "no .."),
        ("build: {context: /srv}", "no leading /"),
        ("build: {context: a/../../b}", "no .."),
        ("build: {context: 'a\\b'}", "backslash"),
        ("build: {dockerfile: Dockerfile}", "no effect with runtime python"),
        ("build: {system_packages: [LibPQ]}", "Debian package"),
        ("build: {system_packages: ['libpq5; rm -rf /']}", "Debian package"),
        ("build: {system_packages: ['--option']}", "Debian package"),
        ("transport: {path: mcp}", "Begin it with one /"),
        ("transport: {path: //elsewhere.example}", "Begin it with one /"),
        ("transport: {path: '/mcp?x=1'}", "characters of a URL path"),
        ("transport: {port: 0}", "the least is 1"),
        ("transport: {port: 65536}", "the most is 65535"),
        ("transport: {port: 80.5}", "whole number"),
        ("transport: {port: true}", "whole number"),
        ("transport: {type: sse}", "streamable-http, stdio"),
        ("transport: stdio", "must be a mapping"),
        ("healthcheck: {timeout: 10}", "duration such as 10s"),
        ("healthcheck: {timeout: 0s}", "1s to 60s"),
        ("healthcheck: {timeout: 2m}", "1s to 60s"),
        ("healthcheck: {start_period: 11m}", "0s to 10m"),
        ("resources: {memory: 512MB}", "512Mi"),
        ("resources: {memory: 1Mi}", "64Mi to 16Gi"),
        ("resources: {cpu: 0}", "the least is 0.05"),
        ("resources: {cpu: 500m}", "must be a number"),
        ("categories: [weather-ish]", "Accepted: automation"),
        ("categories: [search, data, files, cloud]", "limit is 3"),
        ("categories: search", '["search"]'),
        ("tags: [Rain]", "lower-case"),
        ("env: {PORT: '80'}", "set by Sigil"),
        ("env: {A-B: x}", "not a name for a variable"),
        ("env: [A]", "must be a mapping"),
        ("title: ''", "is empty"),
        ("title: '  '", "blanks"),
        (f"title: {'x' * 101}", "101 characters; the limit is 100"),
        ("on: push", "Did you mean `deploy.on`?"),
        ("deploy: {on: [push]}", "must be a mapping"),
        ("deploy: {on: {pull_requests: check}}", "Did you mean `pull_request`?"),
        ("deploy: {on: {push: [main]}}", "{main: production}"),
        ("deploy: {on: {push: {branches: [main]}}}", "{main: production}"),
        ("deploy: {on: {push: {main: }}}", "is empty"),
        ("deploy: {on: {push: {main: Production}}}", "lower-case"),
        ("deploy: {on: {push: {main: preview/pr-1}}}", "lower-case"),
        ("deploy: {on: {release: preview}}", "not names of environments"),
        ("deploy: {on: {prerelease: none}}", "not names of environments"),
        (f"deploy: {{on: {{release: {'a' * 41}}}}}", "the limit is 40"),
        ("deploy: {on: {push: {refs/heads/main: production}}}", "is not a branch"),
        ("deploy: {on: {push: {'!main': production}}}", "is not a branch"),
        ("deploy: {on: {push: {2.0: production}}}", "Put it in quotes"),
        ("deploy: {on: {push: {'{a,b}': production}}}", "is not a branch"),
        ("deploy: {on: {pull_request: off}}", "preview, check, none"),
        ("deploy: {on: {pull_request: production}}", "Accepted: preview, check, none"),
        ("deploy: {path: [src/**]}", "`paths`"),
        ("deploy: {paths: src/**}", '["src/**"]'),
        ("deploy: {paths: [/src/**]}", "no leading"),
        ("deploy: {paths: [src/]}", "no leading or final /"),
        ("deploy: {paths: [./src/**]}", "no ./"),
        ("deploy: {paths: [../src/**]}", "no ./ or .."),
        ("deploy: {paths: ['**.js']}", "** is a whole folder"),
        ("deploy: {paths: ['src/**.js']}", "** is a whole folder"),
        ("deploy: {paths: ['*.{js,ts}']}", "no braces"),
        ("deploy: {paths: ['!']}", "no leading"),
        ("deploy: {paths: ['!docs/**']}", "only takes files out"),
        ("deploy: {breaking: fail}", "Accepted: warn, block"),
        ("tools: [{name: a b, inputSchema: {type: object}}]", "letters, digits"),
        ("tools: [{name: a, inputSchema: {type: array}}]", "must be object"),
        ("tools: [{name: a, inputSchema: {type: object, properties: 5}}]", "JSON Schema"),
        ("tools: [{name: a, inputSchema: {type: object, $schema: 5}}]", "$schema"),
        (
            "tools:\n"
            "  - {name: a, inputSchema: {type: object}}\n"
            "  - {name: a, inputSchema: {type: object}}",
            "earlier tool",
        ),
    ],
)
def test_a_wrong_value_is_explained(line: str, says: str) -> None:
    assert says in added(line).message


@pytest.mark.parametrize(
    ("key", "line", "says"),
    [
        ("schema", "schema: 2", "must be 1"),
        ("name", "name: -weather", "letter or digit at both ends"),
        ("name", f"name: {'a' * 64}", "the limit is 63"),
        ("name", 'name: "weather\\n"', "lower-case letters"),
        ("version", "version: v1.4.0", "`1.4.0`"),
        ("version", "version: 1.4.0.1", "semantic version"),
        ("version", 'version: "1.04.0"', "`1.4.0`"),
        ("version", 'version: "1.4.0\\n"', "semantic version"),
        ("version", "version: ^1.4.0", "semantic version"),
        ("runtime", "runtime: [python]", "must be one of python, node, docker"),
        ("runtime", 'runtime: {version: "3.12"}', "`runtime.type` is missing"),
        ("runtime", 'runtime: {type: docker, version: "1"}', "no effect with runtime docker"),
        ("runtime", "runtime: {type: python, version: latest}", "such as 3.12"),
        ("entrypoint", "entrypoint: []", "empty list"),
        ("entrypoint", "entrypoint: [python, '']", "is empty"),
        ("entrypoint", 'entrypoint: "python \'x"', "must be a list"),
        ("entrypoint", "# none", "`entrypoint` is missing"),
        ("description", f"description: {'x' * 101}", "the limit is 100"),
    ],
)
def test_a_wrong_main_field_is_explained(key: str, line: str, says: str) -> None:
    assert says in replaced(key, line).message


def test_docker_installs_its_own_packages() -> None:
    text = MINIMAL.replace("runtime: python", "runtime: docker")
    problem = only(text + "build: {system_packages: [libpq5]}\n")
    assert "Install them in the Dockerfile" in problem.message


# Secrets

TOKENS = [
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2" * 9,
    "sk-proj-" + "a1B2" * 9,
    "AKIA" + "ABCD1234" * 2,
    "xoxb-" + "1234567890-abc",
    "AIza" + "a1B2" * 9,
    "hf_" + "a1B2" * 9,
    "npm_" + "a1B2" * 9,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig",
    "postgresql://app:hunter2@db.example/app",
    "-----BEGIN RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("line", ["env: {{SETTING: '{}'}}", "title: '{}'", "tags: ['{}']"])
def test_a_known_kind_of_secret_is_refused_and_never_repeated(line: str, token: str) -> None:
    problem = added(line.format(token))
    assert "revoke" in problem.message
    assert token not in problem.message
    assert token[8:20] not in problem.message


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "apikey", "DB_PASSWORD", "SESSION_SECRET_V2", "AUTH_TOKEN", "TOKEN"]
)
def test_a_variable_named_like_a_secret_may_have_no_value(name: str) -> None:
    problem = added(f"env: {{{name}: hunter2}}")
    assert "named like a secret" in problem.message
    assert "hunter2" not in problem.message
    assert parse(f"{MINIMAL}env: {{{name}: ''}}\n".encode()).env == {name: ""}


def test_a_secret_that_yaml_reads_as_a_number_is_not_repeated() -> None:
    problem = added("env: {API_KEY: 123456789}")
    assert "named like a secret" in problem.message
    assert "123456789" not in problem.message


@pytest.mark.parametrize("name", ["MONKEY", "KEYBOARD", "TOKENIZER", "LOG_LEVEL"])
def test_a_harmless_name_is_fine(name: str) -> None:
    assert parse(f"{MINIMAL}env: {{{name}: x}}\n".encode()).env == {name: "x"}
