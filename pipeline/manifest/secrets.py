"""Finds secrets written into `mcp.yaml`, and never repeats one.

A net for accidents, not a scanner: it knows the tokens of common services, private keys,
passwords in URLs, and environment variables that are named like secrets.
"""

import re
from collections.abc import Iterator
from typing import Any

from pipeline.manifest.document import Document, Path, quoted, show
from pipeline.manifest.model import Problem

# Repetitions are bounded, so that no text makes a search slow.
_TOKENS = {
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{16,}",
    "an API key": r"\bsk-[A-Za-z0-9_-]{20,}|\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
    "an AWS key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a Slack token": r"\bxox[a-z]-[A-Za-z0-9-]{10,}",
    "a Google API key": r"\bAIza[A-Za-z0-9_-]{30,}",
    "an npm token": r"\bnpm_[A-Za-z0-9]{30,}",
    "a PyPI token": r"\bpypi-[A-Za-z0-9_-]{40,}",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "a signed token (JWT)": r"\beyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a URL with a password": r"\b[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@]{0,200}:[^\s/@]{1,500}@",
}

_NAMES = re.compile(
    r"SECRET|PASSWORD|PASSPHRASE|(?:^|_)(?:API_?)?(?:KEYS?|TOKENS?|PASSWD|PWD|CREDENTIALS?)$",
    re.IGNORECASE,
)

_ADVICE = (
    "Everyone who can read the repository can read it. Remove it here and in the history, "
    "and revoke it at the service; Sigil cannot pass secrets to a server yet."
)


def kind_of(text: str) -> str | None:
    """What kind of secret a text holds, such as `an API key`; None when it seems to hold none."""
    return next((kind for kind, pattern in _TOKENS.items() if re.search(pattern, text)), None)


def named_like_one(variable: str) -> bool:
    """Whether an environment variable is named like a secret."""
    return _NAMES.search(variable) is not None


def find(document: Document) -> Iterator[Problem]:
    """Every value that is, or is named like, a secret."""
    for path, text in _texts(document.value, ()):
        if kind := kind_of(text):
            message = f"{quoted(show(path))} holds {kind}. {_ADVICE}"
            yield document.at_value(path, message)
        elif len(path) == 2 and path[0] == "env" and text and named_like_one(str(path[1])):
            message = f"{quoted(show(path))} is named like a secret and has a value. {_ADVICE}"
            yield document.at_value(path, message)


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str | int | float):
        yield path, str(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))
