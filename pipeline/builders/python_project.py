"""The recipe of a Python project: uv.lock, requirements.txt, pyproject.toml or setup.py.

Source: https://docs.astral.sh/uv/concepts/projects/sync/ and the guide for images beside it.
"""

import re
from pathlib import Path
from typing import Any

from pipeline import toml
from pipeline.builders.lockfiles import Command, Recipe, UnreadableFile, present

_SYNC: Command = ("uv", "sync", "--frozen", "--no-dev")
_PIP: Command = ("uv", "pip", "install")

# A line of requirements.txt that names other files of the repository: another list, an editable
# install, a path.
_LOCAL_REQUIREMENT = re.compile(
    r"^\s*(?:-r|-c|-e|--requirement|--constraint|--editable|file:|\.{1,2}(?:/|$)|\S+\s*@\s*file:)",
    re.MULTILINE,
)


def python_recipe(folder: Path) -> Recipe:
    """How to install the Python project in `folder`.

    Raises:
        UnreadableFile: when pyproject.toml or uv.lock is not TOML.
    """
    project = _toml(folder, "pyproject.toml")
    if project is not None and (folder / "uv.lock").is_file():
        return _locked(folder)
    if (folder / "requirements.txt").is_file():
        return _requirements(folder, project or {})
    if project is not None and ("project" in project or "build-system" in project):
        return _declared(project)
    if (folder / "setup.py").is_file():
        return Recipe(found="setup.py", finish=((*_PIP, "."),))
    return Recipe(found="no list of dependencies")


def _locked(folder: Path) -> Recipe:
    lock = _toml(folder, "uv.lock") or {}
    return Recipe(
        found="uv.lock",
        manifests=present(folder, ("pyproject.toml", "uv.lock")),
        install=((*_SYNC, "--no-install-project"),),
        finish=(_SYNC,),
        whole_tree=any(_is_elsewhere(package) for package in lock.get("package", [])),
    )


def _is_elsewhere(package: dict[str, Any]) -> bool:
    """Whether a locked package is a folder of the repository other than the project itself."""
    source = package.get("source", {})
    kinds = ("editable", "virtual", "directory", "path")
    return any(source.get(kind, ".") != "." for kind in kinds)


def _requirements(folder: Path, project: dict[str, Any]) -> Recipe:
    text = (folder / "requirements.txt").read_text(errors="replace")
    is_package = "build-system" in project or (folder / "setup.py").is_file()
    return Recipe(
        found="requirements.txt",
        manifests=("requirements.txt",),
        install=((*_PIP, "-r", "requirements.txt"),),
        finish=((*_PIP, "--no-deps", "."),) if is_package else (),
        whole_tree=_LOCAL_REQUIREMENT.search(text) is not None,
    )


def _declared(project: dict[str, Any]) -> Recipe:
    table = project.get("project", {})
    # Without a build system the project is not installed, only its dependencies, as uv does it.
    finish = ((*_PIP, "."),) if "build-system" in project else ()
    if not table or "dependencies" in table.get("dynamic", ()):
        return Recipe(found="pyproject.toml", finish=((*_PIP, "."),))
    sources = project.get("tool", {}).get("uv", {}).get("sources", {}).values()
    local = any(isinstance(source, dict) and "path" in source for source in sources)
    return Recipe(
        found="pyproject.toml",
        manifests=("pyproject.toml",),
        install=((*_PIP, "-r", "pyproject.toml"),),
        finish=finish,
        whole_tree=local,
    )


def _toml(folder: Path, name: str) -> dict[str, Any] | None:
    try:
        return toml.loads((folder / name).read_text())
    except FileNotFoundError:
        return None
    except (toml.TomlError, UnicodeDecodeError) as error:
        raise UnreadableFile(name, str(error)) from error
