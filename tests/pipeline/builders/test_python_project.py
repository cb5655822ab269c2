"""Which files of a Python repository decide about its dependencies."""

import os
import subprocess
from pathlib import Path

import pytest
from uv import find_uv_bin

from pipeline.builders.lockfiles import UnreadableFile
from pipeline.builders.python_project import python_recipe
from tests.servers import write_tree

_PROJECT = """\
    [project]
    name = "probe"
    version = "1.0.0"
    dependencies = []
"""
_SYSTEM = """\
    [build-system]
    requires = ["setuptools"]
    build-backend = "setuptools.build_meta"
"""


def _lock(folder: Path) -> None:
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    subprocess.run([find_uv_bin(), "lock", "--quiet"], cwd=folder, check=True, env=environment)


def test_a_lock_file_wins_over_a_list(tmp_path: Path) -> None:
    files = {"pyproject.toml": _PROJECT, "requirements.txt": "idna\n"}
    _lock(write_tree(tmp_path, files))

    recipe = python_recipe(tmp_path)

    assert recipe.found == "uv.lock"
    assert recipe.manifests == ("pyproject.toml", "uv.lock")
    assert recipe.install == (("uv", "sync", "--frozen", "--no-dev", "--no-install-project"),)
    assert recipe.finish == (("uv", "sync", "--frozen", "--no-dev"),)
    assert not recipe.whole_tree


def test_a_locked_workspace_needs_the_whole_tree(tmp_path: Path) -> None:
    root = _PROJECT.replace("[]", '["part"]') + (
        "    [tool.uv.sources]\n    part = {workspace = true}\n"
        '    [tool.uv.workspace]\n    members = ["part"]\n'
    )
    part = _PROJECT.replace("probe", "part") + _SYSTEM
    _lock(write_tree(tmp_path, {"pyproject.toml": root, "part/pyproject.toml": part}))

    assert python_recipe(tmp_path).whole_tree


def test_a_list_alone_installs_no_project(tmp_path: Path) -> None:
    write_tree(tmp_path, {"requirements.txt": "mcp==2.3.0\n"})

    recipe = python_recipe(tmp_path)

    assert recipe.install == (("uv", "pip", "install", "-r", "requirements.txt"),)
    assert recipe.finish == ()


@pytest.mark.parametrize(
    ("line", "local"),
    [
        ("mcp==2.3.0", False),
        ("mcp[cli]>=2 ; python_version >= '3.11'", False),
        ("# -e .", False),
        ("-r base.txt", True),
        ("-c limits.txt", True),
        ("-e .", True),
        (".", True),
        ("./wheels/x.whl", True),
        ("../lib", True),
        ("lib @ file:lib", True),
        ("--editable=lib", True),
    ],
)
def test_a_list_that_names_files_needs_the_whole_tree(
    tmp_path: Path, line: str, local: bool
) -> None:
    write_tree(tmp_path, {"requirements.txt": f"idna\n{line}\n"})

    assert python_recipe(tmp_path).whole_tree is local


def test_a_list_beside_a_package_installs_the_package_without_its_dependencies(
    tmp_path: Path,
) -> None:
    files = {"requirements.txt": "idna\n", "pyproject.toml": _PROJECT + _SYSTEM}
    write_tree(tmp_path, files)

    assert python_recipe(tmp_path).finish == (("uv", "pip", "install", "--no-deps", "."),)


def test_declared_dependencies_come_before_the_project(tmp_path: Path) -> None:
    write_tree(tmp_path, {"pyproject.toml": _PROJECT + _SYSTEM})

    recipe = python_recipe(tmp_path)

    assert recipe.manifests == ("pyproject.toml",)
    assert recipe.install == (("uv", "pip", "install", "-r", "pyproject.toml"),)
    assert recipe.finish == (("uv", "pip", "install", "."),)


def test_a_project_without_a_build_system_is_not_installed(tmp_path: Path) -> None:
    write_tree(tmp_path, {"pyproject.toml": _PROJECT})

    assert python_recipe(tmp_path).finish == ()


def test_dynamic_dependencies_are_known_only_with_the_source(tmp_path: Path) -> None:
    project = '[project]\nname = "probe"\nversion = "1"\ndynamic = ["dependencies"]\n'
    write_tree(tmp_path, {"pyproject.toml": project})

    recipe = python_recipe(tmp_path)

    assert recipe.install == ()
    assert recipe.finish == (("uv", "pip", "install", "."),)


def test_settings_of_tools_are_no_project(tmp_path: Path) -> None:
    write_tree(tmp_path, {"pyproject.toml": "[tool.ruff]\n"})

    recipe = python_recipe(tmp_path)

    assert (recipe.install, recipe.finish) == ((), ())


def test_an_old_setup_script_is_installed(tmp_path: Path) -> None:
    write_tree(tmp_path, {"setup.py": ""})

    assert python_recipe(tmp_path).finish == (("uv", "pip", "install", "."),)


def test_a_broken_pyproject_names_itself(tmp_path: Path) -> None:
    write_tree(tmp_path, {"pyproject.toml": "[project\n"})

    with pytest.raises(UnreadableFile, match=r"pyproject\.toml") as caught:
        python_recipe(tmp_path)
    assert "line 1" in caught.value.reason


def test_a_key_that_would_keep_the_reader_busy_is_refused(tmp_path: Path) -> None:
    long = ".".join(["a"] * 100_000)
    with pytest.raises(UnreadableFile, match="40 parts"):
        python_recipe(write_tree(tmp_path, {"pyproject.toml": f"{long} = 1\n"}))
