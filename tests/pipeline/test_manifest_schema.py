"""The JSON Schema of `mcp.yaml`: fit for editors, and every rule of it has a message."""

from collections.abc import Iterator
from typing import Any

import semver
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.manifest import parse
from pipeline.manifest.messages import MESSAGES, STRUCTURAL
from pipeline.manifest.schema import matches, root

ANNOTATIONS = {
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "patternErrorMessage",
}


def _schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and every schema in it."""
    if not isinstance(schema, dict):
        return
    yield schema
    for key in ("items", "additionalProperties", "propertyNames", "if", "then", "else"):
        yield from _schemas(schema.get(key))
    for key in ("properties", "$defs"):
        for inner in schema.get(key, {}).values():
            yield from _schemas(inner)
    for key in ("oneOf", "anyOf"):
        for inner in schema.get(key, []):
            yield from _schemas(inner)


def test_every_keyword_of_the_schema_has_a_message() -> None:
    used = {keyword for schema in _schemas(root()) for keyword in schema}
    assert used - ANNOTATIONS - STRUCTURAL - set(MESSAGES) == set()
    assert set(MESSAGES) - used == set()


def test_every_pattern_says_what_it_wants() -> None:
    for schema in _schemas(root()):
        assert ("pattern" in schema) == ("patternErrorMessage" in schema), schema


def test_the_schema_is_valid_and_its_examples_and_defaults_are_too() -> None:
    Draft202012Validator.check_schema(root())
    for schema in _schemas(root()):
        validator = Draft202012Validator({**schema, "$defs": root()["$defs"]})
        for example in schema.get("examples", []):
            validator.validate(example)
        if "default" in schema:
            validator.validate(schema["default"])


def test_every_field_has_a_title_a_description_and_an_example_for_editors() -> None:
    without_condition = {key: value for key, value in root().items() if key != "if"}
    fields = [schema for schema in _schemas(without_condition) if "type" in schema]
    assert len(fields) > 30
    for schema in fields:
        assert {"title", "description", "examples"} <= set(schema), schema


def test_the_examples_of_the_whole_file_parse() -> None:
    for example in root()["examples"]:
        assert parse(yaml.safe_dump(example).encode()).name == example["name"]


VERSION_TEXTS = st.from_regex(r"\A[0-9v]{1,3}(\.[0-9a]{1,3}){0,3}([-+][0-9a-z.+-]{0,8})?\Z")


@given(VERSION_TEXTS)
def test_the_pattern_of_the_version_agrees_with_semver(text: str) -> None:
    pattern = root()["properties"]["version"]["pattern"]
    assert matches(pattern, text) == semver.Version.is_valid(text)
