"""Which images a repository's own Dockerfile begins with or copies from, and whether it may.

The engine takes any image that it has, by a tag or by the beginning of an id: what was built of
other repositories, private ones too, and each step of that. Only images that somebody has given the
engine under a name may be used, and none that Sigil has built for others.
"""

import re
from collections.abc import Iterator
from typing import NoReturn

import docker.errors

from pipeline.engine import engine, engine_errors
from pipeline.stages.base import StageError

REPOSITORY_LABEL = "sigil.repository"
"""Every image that Sigil has finished carries the `owner/name` that it was built of."""

# Two backslashes at the end of a line continue nothing.
_CONTINUED = re.compile(r"(?<!\\)\\[ \t]*\Z")
_ESCAPE = re.compile(r"\A(?:\s*#[^\n]*\n)*?\s*#\s*escape\s*=\s*[^\\\s]", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^${}]*))?\})")
_UNCLEAR = re.compile(r"[\"'\\$]")
_QUOTED = re.compile(r"[\"'\\]")


def check_images(dockerfile: str, *, repository: str) -> None:
    """See that a Dockerfile uses no image of another repository.

    Raises:
        StageError: `yours`, when it does, or when that cannot be told.
    """
    for reference in images_of(dockerfile):
        with engine_errors():
            try:
                image = engine().images.get(reference)
            except docker.errors.ImageNotFound:
                continue  # The engine asks a registry for it.
            except docker.errors.APIError as error:
                if error.status_code == 400:
                    continue  # It is no name of an image, which the build will say.
                raise
        owner = (image.labels or {}).get(REPOSITORY_LABEL, repository)
        names = {*image.tags, *(image.attrs.get("RepoDigests") or ())}
        if owner.lower() != repository.lower() or not _is_named(reference, names):
            _refuse(reference, "is no image of a registry. Begin with one that is.")


def _is_named(reference: str, names: set[str]) -> bool:
    short = re.sub(r"\A(?:docker\.io/)?(?:library/)?", "", reference)
    name, _, digest = short.partition("@")
    if digest:
        return any(known.endswith(f"@{digest}") for known in names)
    return bool({short, reference, f"{name}:latest", f"{reference}:latest"} & names)


def images_of(dockerfile: str) -> set[str]:
    """The images that a Dockerfile names, other than its own stages.

    Source: https://docs.docker.com/reference/dockerfile/

    Raises:
        StageError: `yours`, when it writes them in a way that cannot be followed.
    """
    if _ESCAPE.match(dockerfile):
        _refuse("# escape", "is not supported: continue lines with a backslash.")
    found: set[str] = set()
    stages: list[str] = []
    arguments: dict[str, str] = {}
    for certain, (word, *rest) in _instructions(dockerfile):
        if word.upper() == "FROM":
            parts = [part for part in rest if not part.startswith("--")]
            reference = _expanded(parts[0], arguments) if parts else ""
            found |= {reference} - {"", "scratch"} if reference.lower() not in stages else set()
            if certain:
                # A stage without a name has one that no image can have.
                stages.append(parts[2].lower() if len(parts) > 2 else "/")
        elif word.upper() == "ARG" and certain and not stages:
            arguments |= _defaults(rest, arguments)
        else:
            own = {*stages, *map(str, range(len(stages)))}
            found |= {one for one in _copied([word, *rest]) if one.lower() not in own}
    return found


def _instructions(dockerfile: str) -> Iterator[tuple[bool, list[str]]]:
    """The words of each instruction, and whether it certainly is one.

    Engines differ in what ends a line that is continued, so each line in between could be one.
    """
    joined = ""
    for line in (raw.removesuffix("\r") for raw in dockerfile.split("\n")):
        if not line.strip():
            continue
        if joined:
            yield False, line.lstrip("# \t").split() or ["#"]
        if line.lstrip().startswith("#"):
            continue
        joined += _CONTINUED.sub("", line)
        if not _CONTINUED.search(line):
            yield True, joined.split()
            joined = ""
    if joined.strip():
        yield True, joined.split()


def _defaults(words: list[str], known: dict[str, str]) -> dict[str, str]:
    values = dict(known)
    for word in words:
        name, _, value = word.partition("=")
        quoted = re.fullmatch(r"\"(.*)\"|'(.*)'", value)
        plain = (quoted[1] or quoted[2] or "") if quoted else value
        values[name] = _VARIABLE.sub(lambda hit: _value(hit, values), plain)
    return values


def _value(hit: re.Match[str], values: dict[str, str]) -> str:
    return values.get(hit[1] or hit[2]) or hit[3] or ""


def _expanded(word: str, arguments: dict[str, str]) -> str:
    reference = _VARIABLE.sub(lambda hit: _value(hit, arguments), word)
    if _UNCLEAR.search(reference) or _UNCLEAR.search(_VARIABLE.sub("", word)):
        _refuse(word, "is too intricate. Write the image's name, or `${NAME}` of an ARG above it.")
    return reference


def _copied(words: list[str]) -> Iterator[str]:
    """The values of `--from`, which stands before all else; behind ONBUILD it counts, too."""
    behind = words[1:] if words[0].upper() == "ONBUILD" else words
    if not behind or behind[0].upper() not in ("COPY", "ADD"):
        return
    for word in behind[1:]:
        if not word.startswith("--"):
            return
        name, _, value = word.partition("=")
        is_from = name.lower() == "--from"
        if _QUOTED.search(word) or (is_from and "$" in value):
            _refuse(word, "is too intricate. Write it without quotes and variables.")
        if is_from:
            yield value


def _refuse(what: str, why: str) -> NoReturn:
    shown = " ".join(what.split()).replace("`", "'")[:120]
    raise StageError(
        title="The Dockerfile uses an image that it may not",
        detail=f"`{shown}` {why}",
    )
