"""Reads TOML that a stranger wrote."""

import re
import tomllib
from typing import Any

_LONG_KEY = re.compile(r"""(?:[\w"'-]{1,60}[ \t]{0,5}\.[ \t]{0,5}){40}""")


class TomlError(Exception):
    """The text is not TOML, or could keep its reader busy for minutes."""


def loads(text: str) -> dict[str, Any]:
    """The values of a TOML text.

    Raises:
        TomlError: it is not TOML, is nested too deep, or has a dotted key of 40 parts or more, of
            whose length `tomllib` takes the square; no real key is long.
    """
    if _LONG_KEY.search(text):
        raise TomlError("a dotted key has 40 parts or more")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise TomlError(str(error)) from error
