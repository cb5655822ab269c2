"""Which files of a Node repository decide about its dependencies."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.builders.lockfiles import UnreadableFile
from pipeline.builders.node_project import node_recipe
from tests.servers import write_tree


def _tree(folder: Path, package: dict[str, Any], **files: str) -> Path:
    names = {name.replace("__", "-").replace("_", "."): text for name, text in files.items()}
    return write_tree(folder, {"package.json": json.dumps(package), **names})


def test_a_package_lock_is_installed_as_it_is(tmp_path: Path) -> None:
    recipe = node_recipe(_tree(tmp_path, {}, package__lock_json="{}"))

    assert recipe.found == "package-lock.json"
    assert recipe.manifests == ("package.json", "package-lock.json")
    assert recipe.install[0][:2] == ("npm", "ci")
    assert "--omit=dev" in recipe.install_production[0]
    assert "--omit=dev" not in recipe.install[0]
    assert recipe.tool_package is None


def test_install_scripts_of_the_project_wait_for_its_source(tmp_path: Path) -> None:
    package = {"scripts": {"prepare": "tsc", "build": "tsc", "start": "node ."}}

    recipe = node_recipe(_tree(tmp_path, package, package__lock_json="{}"))

    hide = ("npm", "pkg", "delete", "scripts.prepare")
    assert recipe.install[0] == recipe.install_production[0] == hide
    assert recipe.finish == (("npm", "run", "build"),)


def test_without_a_build_script_prepare_builds(tmp_path: Path) -> None:
    recipe = node_recipe(_tree(tmp_path, {"scripts": {"prepare": "tsc"}}, package__lock_json="{}"))

    assert recipe.finish == (("npm", "run", "prepare"),)


def test_a_build_script_runs_once_the_source_is_there(tmp_path: Path) -> None:
    recipe = node_recipe(_tree(tmp_path, {"scripts": {"build": "tsc"}}, package__lock_json="{}"))

    assert recipe.finish == (("npm", "run", "build"),)


@pytest.mark.parametrize(
    ("asked", "package"),
    [
        (None, "pnpm@10.34.9"),
        ("pnpm@9.12.3", "pnpm@9.12.3"),
        ("pnpm@9.12.3+sha512.abc", "pnpm@9.12.3"),
        ("pnpm@latest", "pnpm@10.34.9"),
        ("pnpm@9.12.3; curl example.org", "pnpm@10.34.9"),
        ("yarn@4.0.0", "pnpm@10.34.9"),
    ],
)
def test_pnpm_comes_in_the_version_that_the_project_asks_for(
    tmp_path: Path, asked: str | None, package: str
) -> None:
    described = {"packageManager": asked} if asked else {}

    recipe = node_recipe(_tree(tmp_path, described, pnpm__lock_yaml="lockfileVersion: '9.0'"))

    assert recipe.tool_package == package
    assert recipe.install[0][:3] == ("pnpm", "install", "--frozen-lockfile")


def test_the_two_yarns_are_told_apart_by_their_locks(tmp_path: Path) -> None:
    classic = node_recipe(_tree(tmp_path / "1", {}, yarn_lock="# yarn lockfile v1\n"))
    berry = node_recipe(_tree(tmp_path / "2", {}, yarn_lock="__metadata:\n  version: 8\n"))

    assert classic.tool_package == "yarn@1.22.22"
    assert classic.install[0][:3] == ("yarn", "install", "--frozen-lockfile")
    assert berry.tool_package == "@yarnpkg/cli-dist@4.18.1"
    assert berry.install[0] == ("yarn", "install", "--immutable")


def test_without_a_lock_the_newest_that_fits_is_installed(tmp_path: Path) -> None:
    recipe = node_recipe(_tree(tmp_path, {"dependencies": {"zod": "^4"}}))

    assert recipe.found == "package.json"
    assert recipe.install[0][:2] == ("npm", "install")


@pytest.mark.parametrize(
    ("package", "whole"),
    [
        ({"dependencies": {"zod": "^4"}}, False),
        ({"dependencies": {"part": "file:part"}}, True),
        ({"devDependencies": {"part": "workspace:*"}}, True),
        ({"workspaces": ["part"]}, True),
    ],
)
def test_packages_in_the_repository_need_the_whole_tree(
    tmp_path: Path, package: dict[str, Any], whole: bool
) -> None:
    assert node_recipe(_tree(tmp_path, package)).whole_tree is whole


def test_a_project_without_a_package_has_no_dependencies(tmp_path: Path) -> None:
    recipe = node_recipe(tmp_path)

    assert (recipe.install, recipe.install_production, recipe.finish) == ((), (), ())


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_package_names_itself(tmp_path: Path, text: str) -> None:
    write_tree(tmp_path, {"package.json": text})

    with pytest.raises(UnreadableFile, match=r"package\.json"):
        node_recipe(tmp_path)
