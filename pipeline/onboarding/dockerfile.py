"""Reads a Dockerfile: what the image listens on, what it starts, and what it installs."""

import json
import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.manifest.schema import field, matches
from pipeline.manifest.secrets import named_like_one
from pipeline.onboarding import wording
from pipeline.onboarding.files import Files, text
from pipeline.onboarding.findings import Variable
from pipeline.onboarding.source import is_choice, is_setting

_CONTINUED = re.compile(r"\\[ \t]*\n(?:[ \t]*#[^\n]*\n)*")
_APT = re.compile(r"\bapt(?:-get)?\b[^&|;]{0,200}?\binstall\b([^&|;]{1,2000})")

# Needed to build or to fetch, or in the base image already.
_NOT_FOR_RUNNING = {
    *("curl", "wget", "git", "build-essential", "gcc", "g++", "make", "ca-certificates", "gnupg"),
    *("python3", "python3-pip", "python3-venv", "python3-dev", "nodejs", "npm", "apt-utils"),
    *("procps", "vim", "nano", "unzip", "zip", "software-properties-common", "pkg-config"),
    *("apt-transport-https", "lsb-release", "sudo", "less", "htop", "dumb-init", "tini"),
}

_PLACES = ("Dockerfile", "docker/Dockerfile", ".docker/Dockerfile")


@dataclass(frozen=True)
class Dockerfile:
    """What a Dockerfile's last stage says, and what all of it installs.

    Attributes:
        path: Relative to the folder that was looked at.
        command: What the image starts, when it is written as a list or as a plain command.
        packages: Debian packages that the server may need when it runs.
    """

    path: str
    port: int | None
    command: tuple[str, ...]
    variables: tuple[Variable, ...]
    packages: tuple[str, ...]


def dockerfile(files: Files) -> Dockerfile | None:
    """The Dockerfile of the root, or of a folder that is named after docker."""
    names = [path for path in files.paths() if posixpath.basename(path) == "Dockerfile"]
    path = next((path for path in _PLACES if path in names), None)
    content = text(files, path) if path else None
    if path is None or content is None:
        return None
    instructions = list(_instructions(content))
    starts = [index for index, (name, _) in enumerate(instructions) if name == "FROM"]
    if not starts:
        return None
    last = instructions[starts[-1] :]
    return Dockerfile(
        path=path,
        port=_port(last),
        command=_command(last),
        variables=tuple(_variables(last, path)),
        packages=tuple(dict.fromkeys(_packages(instructions))),
    )


def _instructions(content: str) -> Iterator[tuple[str, str]]:
    for line in _CONTINUED.sub(" ", content.replace("\r\n", "\n")).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name and not name.startswith("#"):
            yield name.upper(), rest.strip()


def _port(instructions: list[tuple[str, str]]) -> int | None:
    for name, rest in instructions:
        for word in rest.split() if name == "EXPOSE" else ():
            number = word.split("/")[0]
            if number.isascii() and number.isdigit() and 1 <= int(number[:6]) <= 65535:
                return int(number)
    values = dict(_environment(instructions))
    number = values.get("PORT", "")
    valid = number.isascii() and number.isdigit() and len(number) < 6
    return int(number) if valid and 1 <= int(number) <= 65535 else None


def _environment(instructions: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Source: https://docs.docker.com/reference/dockerfile/#env"""
    for name, rest in instructions:
        if name != "ENV":
            continue
        first, _, value = rest.partition(" ")
        if "=" not in first:
            yield first, value.strip()
            continue
        for part in _words(rest):
            key, equals, value = part.partition("=")
            if equals:
                yield key, value


def _variables(instructions: list[tuple[str, str]], path: str) -> Iterator[Variable]:
    for name, value in _environment(instructions):
        valid = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name)
        # One with a value has its default in the image, and one without is to be filled in.
        if valid and is_setting(name) and not is_choice(name) and not value:
            yield Variable(name, path, secret=named_like_one(name))


def _command(instructions: list[tuple[str, str]]) -> tuple[str, ...]:
    entrypoint = command = ""
    for name, rest in instructions:
        if name == "ENTRYPOINT":
            entrypoint, command = rest, ""
        elif name == "CMD":
            command = rest
    parts = (*_arguments(entrypoint), *_arguments(command))
    return wording.arguments(parts) or ()


def _arguments(written: str) -> tuple[str, ...]:
    if written.startswith("["):
        try:
            value = json.loads(written)
        except (ValueError, RecursionError):
            return ()
        return tuple(str(part) for part in value) if isinstance(value, list) else ()
    words = tuple(_words(written))
    # A shell would have to read these.
    return () if any(re.search(r"[$&|;<>`*]", word) for word in words) else words


def _words(written: str) -> list[str]:
    try:
        return shlex.split(written)
    except ValueError:
        return []


def _packages(instructions: list[tuple[str, str]]) -> Iterator[str]:
    pattern = field("build", "system_packages")["items"]["pattern"]
    for name, rest in instructions:
        for installed in _APT.findall(rest) if name == "RUN" else ():
            for word in installed.split():
                package = word.split("=")[0]
                fit = matches(pattern, package) and len(package) <= 100
                if fit and not package.endswith("-dev") and package not in _NOT_FOR_RUNNING:
                    yield package
