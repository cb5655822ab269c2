"""The `deploy:` block: which push, release or file deploys what."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.manifest import BranchRule, DeploySettings, read_deploy_settings
from pipeline.manifest.deploying import settings_of

DEFAULTS = DeploySettings()
FILE = """\
schema: 1
name: weather
description: Forecasts for any place
version: 1.4.0
runtime: python
entrypoint: ["python", "-m", "weather"]
"""
BLOCK = """\
deploy:
  on:
    push: {"release/*": staging, "**": development, main: production}
    prerelease: beta
    pull_request: none
  paths: ["src/**", "mcp.yaml", "!src/**/*.md"]
  breaking: block
"""


def pushing(**rules: str) -> DeploySettings:
    return DeploySettings(
        push=tuple(BranchRule(branch, environment) for branch, environment in rules.items())
    )


# Branches and releases


def test_without_a_block_the_default_branch_deploys_production() -> None:
    assert settings_of({}) == DEFAULTS
    assert DEFAULTS.environment_of_branch("trunk", "trunk") == "production"
    assert DEFAULTS.environment_of_branch("main", "trunk") is None
    assert DEFAULTS.environment_of_release(prerelease=False) == "production"
    assert DEFAULTS.environment_of_release(prerelease=True) == "staging"
    assert (DEFAULTS.pull_request, DEFAULTS.breaking) == ("preview", "warn")


def test_what_the_block_leaves_out_keeps_its_default() -> None:
    settings = settings_of({"on": {"release": "live"}})
    assert settings.environment_of_branch("main", "main") == "production"
    assert settings.environment_of_release(prerelease=False) == "live"
    assert settings.environment_of_release(prerelease=True) == "staging"


def test_an_empty_list_of_pushes_deploys_none() -> None:
    assert settings_of({"on": {"push": {}}}).environment_of_branch("main", "main") is None


def test_only_the_named_branches_deploy() -> None:
    settings = pushing(develop="staging")
    assert settings.environment_of_branch("develop", "main") == "staging"
    assert settings.environment_of_branch("main", "main") is None
    assert settings.environment_of_branch("develop2", "main") is None


def test_a_branch_s_own_name_goes_before_globs_and_then_the_first_glob_wins() -> None:
    settings = read_deploy_settings((FILE + BLOCK).encode())
    assert settings.environment_of_branch("main", "main") == "production"
    assert settings.environment_of_branch("release/1", "main") == "staging"
    assert settings.environment_of_branch("release/1/fix", "main") == "development"


def test_a_branch_with_the_characters_of_a_glob_is_itself() -> None:
    assert pushing(**{"fix[1]": "staging"}).environment_of_branch("fix[1]", "main") == "staging"


# Files


@pytest.mark.parametrize(
    ("glob", "fits", "not_"),
    [
        ("*", ["a.py", ".env"], ["a/b.py"]),
        ("**", ["a.py", "a/b/.c"], []),
        ("*.py", ["a.py"], ["a.pyc", "a/b.py"]),
        ("**/*.py", ["a.py", "a/b.py", "a/b/c.py"], ["a.js", "a.py/b"]),
        ("src/**", ["src/a", "src/a/b"], ["src2/a", "lib/src/a"]),
        ("src/*", ["src/a"], ["src/a/b"]),
        ("**/src/**", ["src/a", "lib/src/a/b"], ["lib/a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/bc", "a/b/c"]),
        ("a/**/**/b", ["a/b", "a/x/b"], ["b"]),
        ("v?.txt", ["v1.txt"], ["v10.txt", "v/.txt"]),
        ("v[0-9].txt", ["v1.txt"], ["va.txt"]),
        ("README.md", ["README.md"], ["readme.md", "docs/README.md"]),
        ("a+(b).py", ["a+(b).py"], ["aab.py"]),
    ],
)
def test_globs_fit_whole_paths(glob: str, fits: list[str], not_: list[str]) -> None:
    settings = DeploySettings(paths=(glob,))
    assert [path for path in fits if not settings.touches([path])] == []
    assert [path for path in not_ if settings.touches([path])] == []


def test_one_file_that_matters_is_enough() -> None:
    settings = DeploySettings(paths=("src/**", "mcp.yaml"))
    assert settings.touches(["README.md", "src/a.py"])
    assert not settings.touches(["README.md", "docs/a.md"])


def test_the_last_glob_that_fits_a_file_decides() -> None:
    settings = DeploySettings(paths=("src/**", "!src/**/*.md", "src/PROMPT.md"))
    assert settings.touches(["src/a.py"])
    assert not settings.touches(["src/a.md", "src/b/c.md"])
    assert settings.touches(["src/PROMPT.md"])


def test_an_unknown_list_of_files_deploys() -> None:
    assert DeploySettings(paths=("src/**",)).touches([])
    assert DEFAULTS.touches(["anything"])


def test_a_glob_that_backtracking_would_never_finish_is_decided() -> None:
    many = DeploySettings(paths=("*a" * 60 + "b", "**/" * 60 + "*a" * 9 + "c"))
    assert not many.touches(["a" * 4_000, "a/" * 2_000 + "b"])


SEGMENT = st.text("ab", min_size=1, max_size=3)


@given(st.lists(SEGMENT, min_size=1, max_size=5), st.data())
def test_a_glob_made_from_a_path_fits_it(parts: list[str], data: st.DataObject) -> None:
    glob = list(parts)
    start = data.draw(st.integers(0, len(parts)))
    end = data.draw(st.integers(start, len(parts)))
    glob[start:end] = ["**"]
    glob = [data.draw(st.sampled_from([p, "*", f"{p[0]}*"])) if p != "**" else p for p in glob]
    assert DeploySettings(paths=("/".join(glob),)).touches(["/".join(parts)])


# Reading and storing


def test_a_block_is_read_from_a_file() -> None:
    assert read_deploy_settings((FILE + BLOCK).encode()) == DeploySettings(
        push=(
            BranchRule("release/*", "staging"),
            BranchRule("**", "development"),
            BranchRule("main", "production"),
        ),
        prerelease="beta",
        pull_request="none",
        paths=("src/**", "mcp.yaml", "!src/**/*.md"),
        breaking="block",
    )


def test_a_valid_block_counts_in_a_file_with_other_problems() -> None:
    text = "name: Not A Name\ncolour: red\n" + BLOCK
    assert read_deploy_settings(text.encode()).breaking == "block"


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"",
        b"\xff\xfe",
        b"just text",
        b"- deploy",
        b"a: [",
        FILE.encode(),
        b"deploy:\n",
        b"deploy: [main]\n",
        b"deploy: {breaking: block, path: [src]}\n",
        b"deploy: {breaking: block, breaking: warn}\n",
        b"deploy: {breaking: block}\ndeploy: {breaking: block}\n",
        b"deploy: {breaking: block, on: {release: preview}}\n",
        b"deploy: {breaking: block, on: {push: {1: production}}}\n",
        b"deploy: {breaking: block, paths: ['!docs/**']}\n",
    ],
)
def test_what_is_no_valid_block_gives_the_defaults(raw: bytes | None) -> None:
    assert read_deploy_settings(raw) == DEFAULTS


@given(st.binary(max_size=100) | st.text("on: pushmai{}[]*!\n ,'", max_size=60).map(str.encode))
def test_no_file_keeps_the_settings_from_being_read(raw: bytes) -> None:
    assert isinstance(read_deploy_settings(b"deploy: " + raw), DeploySettings)


NAMES = st.text("abc-/*", min_size=1, max_size=9)
RULES = st.none() | st.lists(st.builds(BranchRule, NAMES, NAMES), max_size=4).map(tuple)


@given(st.builds(DeploySettings, push=RULES, paths=st.lists(NAMES, max_size=4).map(tuple)))
def test_settings_survive_being_stored(settings: DeploySettings) -> None:
    stored: Any = json.loads(json.dumps(settings.to_json(), sort_keys=True))
    assert DeploySettings.from_json(stored) == settings
    assert DeploySettings.from_json({**stored, "of_a_later_release": 1}) == settings


def test_nothing_stored_means_the_defaults() -> None:
    assert DeploySettings.from_json(None) == DEFAULTS
