"""The recipe of a Node project: package-lock.json, pnpm-lock.yaml, yarn.lock or package.json.

Scripts that a package manager runs on install (`prepare` often builds) would run before the
project's source is there, and without what it takes to build where only production is installed.
So those of the project are hidden from the install, which runs those of the dependencies; after
it runs `build`, or `prepare` when there is no `build`.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.builders.lockfiles import Command, Recipe, UnreadableFile, present

# Used when package.json has no `packageManager`; each reads the lock files of its major version.
_PNPM = "pnpm@10.34.9"
_YARN_CLASSIC = "yarn@1.22.22"
_YARN_BERRY = "@yarnpkg/cli-dist@4.18.1"

_QUIET = ("--no-fund", "--no-audit", "--no-update-notifier")
_ON_INSTALL = ("preinstall", "install", "postinstall", "prepublish", "prepare")
_CONFIGURATION = ("package.json", ".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml")
_LOCAL = ("file:", "link:", "portal:", "workspace:", "./", "../")


@dataclass(frozen=True)
class _Manager:
    """A package manager: the program, where to get it, and its commands."""

    program: str
    lock: str | None
    package: str | None
    install: Command
    production: Command


def node_recipe(folder: Path) -> Recipe:
    """How to install the Node project in `folder`.

    Raises:
        UnreadableFile: when package.json is not a JSON object.
    """
    package = _package(folder)
    if package is None:
        return Recipe(found="no package.json")
    manager = _manager(folder, package)
    scripts = package.get("scripts")
    named = set(scripts) if isinstance(scripts, dict) else set()
    build = next((name for name in ("build", "prepare") if name in named), None)
    hidden = tuple(f"scripts.{name}" for name in _ON_INSTALL if name in named)
    hide = (("npm", "pkg", "delete", *hidden),) if hidden else ()
    return Recipe(
        found=manager.lock or "package.json",
        manifests=present(folder, (*_CONFIGURATION, *((manager.lock,) if manager.lock else ()))),
        install=(*hide, manager.install),
        install_production=(*hide, manager.production),
        finish=((manager.program, "run", build),) if build else (),
        whole_tree=_has_local_packages(folder, package),
        tool_package=manager.package,
    )


def _manager(folder: Path, package: dict[str, Any]) -> _Manager:
    for lock in ("package-lock.json", "npm-shrinkwrap.json"):
        if (folder / lock).is_file():
            return _npm("ci", lock=lock)
    if (folder / "pnpm-lock.yaml").is_file():
        return _pnpm(package)
    if (folder / "yarn.lock").is_file():
        berry = "__metadata:" in (folder / "yarn.lock").read_text(errors="replace")
        return _yarn_berry(package) if berry else _yarn_classic(package)
    return _npm("install", lock=None)


def _npm(verb: str, *, lock: str | None) -> _Manager:
    return _Manager(
        program="npm",
        lock=lock,
        package=None,
        install=("npm", verb, *_QUIET),
        production=("npm", verb, "--omit=dev", *_QUIET),
    )


def _pnpm(package: dict[str, Any]) -> _Manager:
    install = ("pnpm", "install", "--frozen-lockfile")
    return _Manager(
        program="pnpm",
        lock="pnpm-lock.yaml",
        package=_asked_for(package, "pnpm") or _PNPM,
        install=install,
        production=(*install, "--prod"),
    )


def _yarn_classic(package: dict[str, Any]) -> _Manager:
    asked = _asked_for(package, "yarn")
    return _Manager(
        program="yarn",
        lock="yarn.lock",
        package=asked if asked and asked.startswith("yarn@1.") else _YARN_CLASSIC,
        install=("yarn", "install", "--frozen-lockfile", "--non-interactive"),
        production=("yarn", "install", "--frozen-lockfile", "--non-interactive", "--production"),
    )


def _yarn_berry(package: dict[str, Any]) -> _Manager:
    asked = _asked_for(package, "yarn")
    version = asked.removeprefix("yarn@") if asked else ""
    known = version and not version.startswith("1.")
    return _Manager(
        program="yarn",
        lock="yarn.lock",
        package=f"@yarnpkg/cli-dist@{version}" if known else _YARN_BERRY,
        install=("yarn", "install", "--immutable"),
        production=("yarn", "workspaces", "focus", "--all", "--production"),
    )


def _asked_for(package: dict[str, Any], name: str) -> str | None:
    """`name@version` when package.json's `packageManager` asks for that program.

    Source: https://nodejs.org/api/packages.html#packagemanager
    """
    match = re.match(rf"({name}@\d+\.\d+\.\d+)(?:$|[+-])", str(package.get("packageManager", "")))
    return match.group(1) if match else None


def _has_local_packages(folder: Path, package: dict[str, Any]) -> bool:
    if "workspaces" in package or (folder / ".yarn").is_dir():
        return True
    workspace = folder / "pnpm-workspace.yaml"
    if workspace.is_file() and "packages:" in workspace.read_text(errors="replace"):
        return True
    kinds = ("dependencies", "devDependencies", "optionalDependencies")
    tables = [package[kind] for kind in kinds if isinstance(package.get(kind), dict)]
    return any(str(spec).startswith(_LOCAL) for table in tables for spec in table.values())


def _package(folder: Path) -> dict[str, Any] | None:
    try:
        package = json.loads((folder / "package.json").read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UnreadableFile("package.json", str(error)) from error
    if not isinstance(package, dict):
        raise UnreadableFile("package.json", "it holds no object")
    return package
