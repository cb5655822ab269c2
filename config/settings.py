"""Every setting of Sigil, read once from the environment.

Most fields are in the groups beside this file. They are the source of the table in README.md
(`make settings` prints it). A wrong value fails at start with the variable's name; a value is
never echoed, because it may be a secret.
"""

import functools
import os
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AliasChoices, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sentry_sdk.utils import Dsn

from config.setting import SettingsError, is_set, parse_memory, variable
from config.settings_github import GitHubSettings
from config.settings_processes import ProcessSettings
from config.settings_servers import ServerSettings
from config.settings_times import TimeSettings

__all__ = ["Settings", "SettingsError", "load", "parse_memory", "settings", "variable_of"]


class Settings(TimeSettings, ServerSettings, GitHubSettings, ProcessSettings, BaseSettings):
    """The settings of one process. Frozen; see each field's description."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    sentry_dsn: Annotated[
        SecretStr, variable("SENTRY_DSN", description="Report bugs to this Sentry project.")
    ] = SecretStr("")
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        variable("LOG_LEVEL", description="Least severe level that is logged."),
    ] = "INFO"
    log_format: Annotated[
        Literal["json", "console"],
        variable("LOG_FORMAT", description="`json` for machines, `console` for people."),
    ] = "json"

    @field_validator("sentry_dsn")
    @classmethod
    def _dsn(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            try:
                Dsn(value.get_secret_value())
            except ValueError:
                # The parser's own message repeats parts of the value.
                raise ValueError("must look like https://<key>@<host>/<project number>") from None
        return value

    def require(self, *fields: str, app: Sequence[str] = ()) -> None:
        """Check that each named field has a value.

        Args:
            app: Fields of the GitHub App, needed unless `/setup` may store it, which takes
                SIGIL_KEYS.

        Raises:
            SettingsError: names the variables that are missing and what they are for.
        """
        stored = not self.names_app and is_set(self.keys)
        needed = [*fields, *(() if stored else app)]
        missing = [
            f"{variable_of(name)} is not set: {type(self).model_fields[name].description}"
            for name in needed
            if not is_set(getattr(self, name))
        ]
        if missing and app and not stored and not self.names_app:
            missing.append(
                "Instead of the GitHub App's variables, SIGIL_KEYS will do: then /setup creates "
                "the App. `python -m config.sealing` prints a key."
            )
        if missing:
            raise SettingsError("\n".join(missing))


def variable_of(field: str) -> str:
    """The environment variable that a field of `Settings` is read from."""
    alias = Settings.model_fields[field].validation_alias
    assert isinstance(alias, AliasChoices)
    return str(alias.choices[0])


def load(environ: dict[str, str] | None = None) -> Settings:
    """Read the settings from `environ`, or from the process's environment.

    Raises:
        SettingsError: one line for each wrong variable, without its value.
    """
    try:
        if environ is None:
            return Settings()
        known = {variable_of(name) for name in Settings.model_fields}
        return Settings.model_validate(
            {name: value for name, value in environ.items() if name in known and value}
        )
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_input=False, include_url=False):
            text = problem["msg"].removeprefix("Value error, ")
            # What is wrong with several settings together has no place of its own, and names them.
            lines.append(f"{problem['loc'][0]}: {text}" if problem["loc"] else text)
        raise SettingsError("\n".join(lines)) from None


@functools.cache
def settings() -> Settings:
    """The settings of this process, read on first use.

    Raises:
        SettingsError: as `load` does.
    """
    return load()


def document() -> str:
    """The settings as a Markdown table, for the README."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        shown = "" if default in ("", None, ()) else f"`{default}`"
        rows.append(f"| `{variable_of(name)}` | {shown} | {field.description} |")
    return "\n".join(rows) + os.linesep


if __name__ == "__main__":
    print(document(), end="")
