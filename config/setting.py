"""What the groups of settings are made of: a field with its variable, and how values are read."""

import math
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr
from pydantic.fields import FieldInfo

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class SettingsError(Exception):
    """A setting is missing or has a wrong value. The text names the variable and the fix."""


def variable(name: str, *, description: str) -> FieldInfo:
    """A field that is read from the environment variable `name`."""
    return Field(validation_alias=AliasChoices(name), description=description)  # type: ignore[no-any-return]


def is_set(value: object) -> bool:
    """Whether a setting has a value."""
    return bool(value.get_secret_value()) if isinstance(value, SecretStr) else bool(value)


_MEMORY_UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def parse_memory(text: str) -> int:
    """Bytes in a quantity such as `512Mi` or `2Gi`.

    Raises:
        ValueError: when the text is not a number followed by Ki, Mi or Gi.
    """
    number, unit = text.strip(), ""
    for suffix in ("Ki", "Mi", "Gi"):
        if number.endswith(suffix):
            number, unit = number[: -len(suffix)], suffix
    try:
        amount = float(number)
    except ValueError:
        amount = math.nan
    if not (amount > 0 and math.isfinite(amount)):
        raise ValueError("must be an amount such as 512Mi or 2Gi")
    return int(amount * _MEMORY_UNITS[unit])


def root(value: str) -> str:
    """The root of a web site, without the slash at its end.

    Raises:
        ValueError: when it is none.
    """
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return value.rstrip("/")
