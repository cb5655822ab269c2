"""A Python project: pyproject.toml (also Poetry's tables), requirements.txt, or only source."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from pipeline import toml
from pipeline.builders.dockerfile import DEFAULT_VERSIONS
from pipeline.onboarding import python_source, wording
from pipeline.onboarding.files import Files, text
from pipeline.onboarding.findings import Found, Runtime
from pipeline.onboarding.hints import found
from pipeline.onboarding.project import Commands, Project
from pipeline.onboarding.python_entry import Layout, entry, module_file
from pipeline.onboarding.source import Source
from pipeline.onboarding.sources import evidence, sources

_SDKS = {"mcp", "fastmcp", "fastapi-mcp"}
_NEWEST_MINOR = 14


@dataclass(frozen=True)
class _Metadata:
    """pyproject.toml in either form."""

    table: dict[str, Any]
    source: str
    scripts: dict[str, str]
    installed: bool
    requires_python: str
    dependencies: frozenset[str]


def python_project(files: Files, commands: Commands) -> Project | None:
    """The Python project in a folder, or None when there is none.

    Args:
        commands: How others start it.
    """
    paths = files.paths()
    if not any(path.endswith(".py") for path in paths):
        return None
    metadata = _metadata(files)
    targets = [module_file(target, paths) for target in metadata.scripts.values()]
    read = sources(
        files, (".py",), python_source.read, first=[path for path in targets if path is not None]
    )
    table, source = metadata.table, metadata.source
    names = (str(table.get("name") or ""), *metadata.scripts)
    layout = Layout(
        paths=tuple(paths),
        scripts=metadata.scripts,
        installed=metadata.installed,
        project=str(metadata.table.get("name") or ""),
        dependencies=metadata.dependencies,
        commands=commands(names),
    )
    return Project(
        runtime=_runtime(metadata),
        evidence=_evidence(files, metadata, read),
        name=found(wording.name(table.get("name")), source),
        description=found(wording.description(table.get("description")), source),
        version=_version(table, source, read),
        keywords=tuple(_list(table.get("keywords"))),
        sources=read,
        default_port=8000,
        entry=entry(layout, read),
        names=names,
    )


def _metadata(files: Files) -> _Metadata:
    document = _toml(text(files, "pyproject.toml"))
    project, poetry = _dict(document.get("project")), _poetry(document)
    table = {**poetry, **project}
    scripts = {**_dict(poetry.get("scripts")), **_dict(project.get("scripts"))}
    lines = [*_list(project.get("dependencies")), *_requirements(files)]
    uv = _dict(_dict(document.get("tool")).get("uv"))
    python = project.get("requires-python") or _dict(poetry.get("dependencies")).get("python")
    return _Metadata(
        table=table,
        source="pyproject.toml",
        scripts={k: v for k, v in scripts.items() if isinstance(v, str) and ":" in v},
        installed=("build-system" in document or "setup.py" in files.paths())
        and uv.get("package") is not False
        and poetry.get("package-mode") is not False,
        requires_python=python if isinstance(python, str) else "",
        dependencies=frozenset(_names(lines)) | {_normal(k) for k in _poetry_names(poetry)},
    )


def _poetry(document: dict[str, Any]) -> dict[str, Any]:
    return _dict(_dict(document.get("tool")).get("poetry"))


def _poetry_names(poetry: dict[str, Any]) -> Iterator[str]:
    """Source: https://python-poetry.org/docs/pyproject/#dependencies"""
    for name, wanted in _dict(poetry.get("dependencies")).items():
        yield str(name)
        for extra in _list(_dict(wanted).get("extras")):
            yield f"{name}[{extra}]"


def _requirements(files: Files) -> Iterator[str]:
    for path in ("requirements.txt", "requirements.in"):
        for line in (text(files, path) or "").splitlines():
            yield line.split(" #")[0].strip()


def _names(lines: list[object]) -> Iterator[str]:
    for line in lines:
        try:
            requirement = Requirement(str(line)[:500].split(" --hash")[0].rstrip(" \\"))
        except InvalidRequirement:
            continue
        yield _normal(requirement.name)
        for extra in requirement.extras:
            yield f"{_normal(requirement.name)}[{extra}]"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _runtime(metadata: _Metadata) -> Found[Runtime]:
    """The default version of Python is left to Sigil as long as the project takes it."""
    wanted, default = metadata.requires_python[:100], DEFAULT_VERSIONS["python"]
    try:
        specifiers = SpecifierSet(_pep440(wanted))
    except InvalidSpecifier:
        return Found(Runtime("python"), "the Python source")
    if wanted and not specifiers.contains(f"{default}.99"):
        newer_first = sorted(range(9, _NEWEST_MINOR + 1), key=lambda m: (m < _default_minor(), m))
        for minor in newer_first:
            if specifiers.contains(f"3.{minor}.99"):
                place = f"{metadata.source}, which asks for Python {wording.line(wanted)}"
                return Found(Runtime("python", f"3.{minor}"), place)
    source = metadata.source if metadata.table else "the Python source"
    return Found(Runtime("python"), source)


def _default_minor() -> int:
    return int(DEFAULT_VERSIONS["python"].split(".")[1])


def _pep440(wanted: str) -> str:
    """Poetry's caret and tilde as what they mean.

    Source: https://python-poetry.org/docs/dependency-specification/#caret-requirements
    """
    if match := re.fullmatch(r"\^\s?(\d+)\.(\d+)(?:\.\d+)?", wanted.strip()):
        return f">={match[1]}.{match[2]},<{int(match[1][:4]) + 1}"
    if match := re.fullmatch(r"~\s?(\d+)\.(\d+)(?:\.\d+)?", wanted.strip()):
        return f"=={match[1]}.{match[2]}.*"
    return wanted


def _version(table: dict[str, Any], source: str, read: tuple[Source, ...]) -> Found[str] | None:
    if stated := wording.version(table.get("version")):
        return Found(stated, source)
    for one in read:
        if one.version and (version := wording.version(one.version)):
            return Found(version, one.path, "likely")
    return None


def _evidence(files: Files, metadata: _Metadata, read: tuple[Source, ...]) -> str | None:
    if _normal(str(metadata.table.get("name") or "")) in _SDKS:
        return None
    sdk = next((name for name in sorted(_SDKS) if name in metadata.dependencies), None)
    return evidence(files, read, sdk=sdk)


def _toml(content: str | None) -> dict[str, Any]:
    try:
        return toml.loads(content or "")
    except toml.TomlError:
        return {}


def _dict(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
