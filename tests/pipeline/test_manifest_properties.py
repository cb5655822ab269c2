"""Whatever the file holds, parsing ends in a manifest that can be stored or in told problems."""

import json
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.manifest import ManifestError, Problem, from_json, parse, to_json
from pipeline.manifest.schema import root

YAML_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from([*root()["properties"], "secrets", "nonsense"])


@given(st.dictionaries(FIELDS, YAML_LIKE, max_size=8))
def test_any_values_give_a_manifest_or_problems_inside_the_file(value: dict[str, Any]) -> None:
    _well_behaved(yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"))


@given(
    st.binary(max_size=200)
    | st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,? \n\t\\01~<", max_size=80).map(str.encode)
)
def test_any_bytes_give_a_manifest_or_problems_inside_the_file(raw: bytes) -> None:
    _well_behaved(raw)


@given(st.sampled_from(list(root()["properties"])), YAML_LIKE)
def test_any_value_of_one_field_gives_a_storable_manifest_or_problems(key: str, value: Any) -> None:
    whole = root()["examples"][0] | {key: value}
    _well_behaved(yaml.safe_dump(whole, allow_unicode=True).encode("utf-8", "surrogatepass"))


def _well_behaved(raw: bytes) -> None:
    found: list[Problem] = []
    try:
        manifest = parse(raw)
    except ManifestError as error:
        found = error.problems
    else:
        assert from_json(json.loads(json.dumps(to_json(manifest), allow_nan=False))) == manifest
        return
    assert found
    lines = raw.count(b"\n") + 1
    for problem in found:
        assert 1 <= problem.line <= lines
        assert problem.column >= 1
        assert problem.message.endswith((".", "?")) or "for example" in problem.message
    places = [(problem.line, problem.column) for problem in found]
    assert places == sorted(places)


NAMES = st.from_regex(r"\AX_[A-Z0-9_]{0,10}_X\Z").filter(lambda name: "PASS" not in name)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=100)
NUMBERS = st.integers(0, 9999)
BRANCHES = st.from_regex(r"\A[a-z]{2,5}[?*]?(/(\*\*|[a-z]{1,3}\*?)){0,3}\Z")
ENVIRONMENTS = st.from_regex(r"\Ae[a-z0-9-]{0,39}\Z")


@st.composite
def valid_files(draw: st.DrawFn) -> dict[str, Any]:
    """Values of a valid file, as far as a strategy can make them up."""
    tool = {"type": "object", "default": draw(st.integers(-9, 9))}
    return {
        "schema": 1,
        "name": draw(st.from_regex(r"\A[a-z0-9]([a-z0-9._-]{0,40}[a-z0-9])?\Z")),
        "title": draw(TEXT.filter(str.strip)),
        "description": draw(TEXT.filter(str.strip)),
        "version": ".".join(str(draw(NUMBERS)) for _ in range(3)),
        "runtime": {"type": draw(st.sampled_from(["python", "node"])), "version": "3.12"},
        "entrypoint": draw(st.lists(TEXT, min_size=1, max_size=5)),
        "transport": {"port": draw(st.integers(1, 65535)), "path": "/mcp"},
        "env": draw(st.dictionaries(NAMES, TEXT, max_size=5)),
        "resources": {"cpu": draw(st.floats(0.05, 16)), "memory": "1Gi"},
        "healthcheck": {"timeout": f"{draw(st.integers(1, 60))}s"},
        "tools": [{"name": "a", "inputSchema": tool}],
        "deploy": {
            "on": {"push": draw(st.dictionaries(BRANCHES, ENVIRONMENTS, max_size=4))},
            "paths": draw(st.lists(BRANCHES, max_size=4)),
        },
    }


@given(valid_files())
def test_a_valid_file_keeps_its_values_through_parsing_and_storing(value: dict[str, Any]) -> None:
    manifest = parse(yaml.safe_dump(value, allow_unicode=True).encode())
    assert manifest.name == value["name"]
    assert manifest.description == value["description"]
    assert manifest.entrypoint == tuple(value["entrypoint"])
    assert manifest.env == value["env"]
    assert manifest.transport.port == value["transport"]["port"]
    assert manifest.resources.cpu == value["resources"]["cpu"]
    rules = manifest.deploy.push or ()
    # `safe_dump` sorts the branches.
    assert sorted(value["deploy"]["on"]["push"].items()) == [
        (rule.branch, rule.environment) for rule in rules
    ]
    assert manifest.deploy.paths == tuple(value["deploy"]["paths"])
    assert from_json(json.loads(json.dumps(to_json(manifest)))) == manifest
