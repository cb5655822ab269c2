"""Every setting of Sigil, read once from the environment.

This file is the source of the table in README.md (`make settings` prints it). A wrong value
fails at start with the variable's name; a value is never echoed, because it may be a secret.
"""

import functools
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sentry_sdk.utils import Dsn

from config.sealing import KeyRing

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class SettingsError(Exception):
    """A setting is missing or has a wrong value. The text names the variable and the fix."""


def _from(variable: str, *, description: str) -> FieldInfo:
    return Field(validation_alias=AliasChoices(variable), description=description)  # type: ignore[no-any-return]


class Settings(BaseSettings):
    """The settings of one process. Frozen; see each field's description."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    database_url: Annotated[
        SecretStr,
        _from("DATABASE_URL", description="PostgreSQL (14 or newer) to keep the truth in."),
    ] = SecretStr("")
    redis_url: Annotated[
        SecretStr,
        _from("REDIS_URL", description="Redis (6 or newer) to ring the queues' doorbell in."),
    ] = SecretStr("")
    environment: Annotated[
        Literal["development", "production"],
        _from(
            "SIGIL_ENVIRONMENT",
            description="`production` refuses the process host, which does not isolate servers.",
        ),
    ] = "development"
    public_url: Annotated[
        str,
        _from("SIGIL_PUBLIC_URL", description="Where people reach the web process; used in links."),
    ] = "http://127.0.0.1:8080"
    show_private: Annotated[
        bool,
        _from(
            "SIGIL_SHOW_PRIVATE",
            description="Show what belongs to private repositories on the pages, which have no "
            "sign-in: only for a Sigil that nobody else can reach.",
        ),
    ] = False
    web_bind: Annotated[
        str,
        _from(
            "WEB_BIND",
            description="Address that the web process listens on, such as `127.0.0.1:8080`. When "
            "it is not set: the port `PORT`, or else 8080, on all of the machine's addresses.",
        ),
    ] = ""
    web_processes: Annotated[
        int,
        Field(ge=1, le=64),
        _from("WEB_CONCURRENCY", description="Processes that answer web requests: one a core."),
    ] = 2
    web_threads: Annotated[
        int,
        Field(ge=1, le=256),
        _from(
            "WEB_THREADS",
            description="Requests that each of them answers at a time. Deliveries that wait "
            "together are stored together.",
        ),
    ] = 32
    var: Annotated[
        Path,
        _from("SIGIL_VAR", description="Folder for work trees, built servers and their logs."),
    ] = Path("var")

    github_app_id: Annotated[
        str, _from("GITHUB_APP_ID", description="The GitHub App's id (a number).")
    ] = ""
    github_private_key: Annotated[
        SecretStr,
        _from("GITHUB_PRIVATE_KEY", description="The App's private key, PEM. Wins over the file."),
    ] = SecretStr("")
    github_private_key_file: Annotated[
        Path | None,
        _from("GITHUB_PRIVATE_KEY_FILE", description="A file with the App's private key, PEM."),
    ] = None
    github_webhook_secrets: Annotated[
        tuple[SecretStr, ...],
        NoDecode,
        _from(
            "GITHUB_WEBHOOK_SECRETS",
            description="The webhook secret, at least 16 characters; two, separated by a comma, "
            "while one is being rotated.",
        ),
    ] = ()
    keys: Annotated[
        SecretStr,
        _from(
            "SIGIL_KEYS",
            description="Keys that seal the secrets kept in the database: `id:base64` of 32 bytes; "
            "the first seals, those behind it, separated by commas, still open. "
            "`python -m config.sealing` prints one.",
        ),
    ] = SecretStr("")
    setup_token: Annotated[
        SecretStr,
        _from(
            "SIGIL_SETUP_TOKEN",
            description="Lets whoever knows it set up the GitHub App at `/setup` while there is "
            "none, at least 20 characters; `flask --app webhook setup-link` does without it.",
        ),
    ] = SecretStr("")
    github_api_url: Annotated[
        str, _from("GITHUB_API_URL", description="Root of GitHub's REST API.")
    ] = "https://api.github.com"
    github_url: Annotated[str, _from("GITHUB_URL", description="Root of GitHub's web pages.")] = (
        "https://github.com"
    )
    github_timeout: Annotated[
        Seconds, _from("GITHUB_TIMEOUT", description="Seconds that one request to GitHub may take.")
    ] = 10
    github_spacing: Annotated[
        float,
        Field(ge=0, le=60),
        _from(
            "GITHUB_SPACING",
            description="Seconds between two requests of an installation that change something at "
            "GitHub, once a burst is over; GitHub asks for 1. `0`, for a GitHub Enterprise Server "
            "without limits on bursts, looks only at what is left of the hour.",
        ),
    ] = 1

    host: Annotated[
        Literal["auto", "docker", "process"],
        _from(
            "SIGIL_HOST",
            description="Where servers run. `auto` takes docker when an engine answers.",
        ),
    ] = "auto"
    namespace: Annotated[
        str,
        _from(
            "SIGIL_NAMESPACE", description="Packages are listed as `<namespace>.<owner>/<name>`."
        ),
    ] = "io.github"
    python_image: Annotated[
        str,
        _from(
            "SIGIL_PYTHON_IMAGE",
            description="Base image of Python servers; `{version}` is the version asked for.",
        ),
    ] = "python:{version}-slim"
    node_image: Annotated[
        str,
        _from(
            "SIGIL_NODE_IMAGE",
            description="Base image of Node servers; `{version}` is the version asked for.",
        ),
    ] = "node:{version}-slim"
    build_timeout: Annotated[
        Seconds, _from("SIGIL_BUILD_TIMEOUT", description="Seconds that one build may take.")
    ] = 900
    build_memory: Annotated[
        str, _from("SIGIL_BUILD_MEMORY", description="Memory that one build may use.")
    ] = "2Gi"
    build_cpus: Annotated[
        float,
        Field(gt=0, allow_inf_nan=False),
        _from("SIGIL_BUILD_CPUS", description="Processors that one build may use."),
    ] = 2.0
    source_max_bytes: Annotated[
        int,
        Field(gt=0),
        _from("SIGIL_SOURCE_MAX_BYTES", description="Size of a repository's files, unpacked."),
    ] = 256 * 1024 * 1024
    source_max_files: Annotated[
        int,
        Field(gt=0),
        _from("SIGIL_SOURCE_MAX_FILES", description="Number of files in a repository."),
    ] = 20_000

    heartbeat: Annotated[
        Seconds, _from("SIGIL_HEARTBEAT", description="Seconds between two heartbeats of a run.")
    ] = 2
    heartbeat_lost: Annotated[
        Seconds,
        _from(
            "SIGIL_HEARTBEAT_LOST",
            description="Seconds without a heartbeat until a run is handed to another worker; "
            "several times `SIGIL_HEARTBEAT`.",
        ),
    ] = 20
    sweep_interval: Annotated[
        int,
        Field(ge=1, le=3600),
        _from("SIGIL_SWEEP_INTERVAL", description="Seconds between two sweeps of what waits."),
    ] = 10
    recovery_interval: Annotated[
        int,
        Field(ge=1, le=86_400),
        _from(
            "SIGIL_RECOVERY_INTERVAL",
            description="Seconds between two looks for deliveries that GitHub could not deliver.",
        ),
    ] = 3600
    grace_days: Annotated[
        float,
        Field(ge=0, le=365),
        _from(
            "SIGIL_GRACE_DAYS",
            description="Days that servers go on after the App lost their repository (removed, "
            "deleted, uninstalled). Until then nothing is lost when it comes back.",
        ),
    ] = 3
    onboarding: Annotated[
        bool,
        _from(
            "SIGIL_ONBOARDING",
            description="Offer a repository without `mcp.yaml` a pull request that adds one, once.",
        ),
    ] = True
    database_timeout: Annotated[
        Seconds,
        _from(
            "DATABASE_TIMEOUT",
            description="Seconds to wait for a connection to PostgreSQL before giving up.",
        ),
    ] = 5
    retention_days: Annotated[
        int,
        Field(ge=4),
        _from(
            "SIGIL_RETENTION_DAYS",
            description="Days that finished deliveries and run logs are kept. At least 4, because "
            "GitHub redelivers for 3.",
        ),
    ] = 90

    sentry_dsn: Annotated[
        SecretStr, _from("SENTRY_DSN", description="Report bugs to this Sentry project.")
    ] = SecretStr("")
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        _from("LOG_LEVEL", description="Least severe level that is logged."),
    ] = "INFO"
    log_format: Annotated[
        Literal["json", "console"],
        _from("LOG_FORMAT", description="`json` for machines, `console` for people."),
    ] = "json"

    @field_validator("github_webhook_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("github_webhook_secrets")
    @classmethod
    def _strong(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if len(value) > 2:
            raise ValueError("takes at most two secrets, the old one and the new one")
        if any(len(secret.get_secret_value()) < 16 for secret in value):
            raise ValueError("needs at least 16 characters in each secret")
        return value

    @field_validator("github_app_id")
    @classmethod
    def _number(cls, value: str) -> str:
        if value and not (value.isascii() and value.isdigit()):
            raise ValueError("must be a number, which the App's settings page at GitHub shows")
        return value

    @field_validator("keys")
    @classmethod
    def _key_ring(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            KeyRing.parse(value.get_secret_value())
        return value

    @field_validator("setup_token")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and len(value.get_secret_value()) < 20:
            raise ValueError("needs at least 20 characters")
        return value

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

    @field_validator("build_memory")
    @classmethod
    def _memory(cls, value: str) -> str:
        parse_memory(value)
        return value

    @field_validator("public_url", "github_api_url", "github_url")
    @classmethod
    def _root(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("var")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _heartbeats_in_time(self) -> Self:
        if self.heartbeat_lost <= self.heartbeat:
            raise ValueError(
                "SIGIL_HEARTBEAT_LOST must be longer than SIGIL_HEARTBEAT: otherwise a run that "
                "goes well is taken from its worker between two heartbeats."
            )
        return self

    def require(self, *fields: str, app: Sequence[str] = ()) -> None:
        """Check that each named field has a value.

        Args:
            app: Fields of the GitHub App, needed unless `/setup` may store it, which takes
                SIGIL_KEYS.

        Raises:
            SettingsError: names the variables that are missing and what they are for.
        """
        stored = not self.names_app and _filled(self.keys)
        needed = [*fields, *(() if stored else app)]
        missing = [
            f"{variable_of(name)} is not set: {type(self).model_fields[name].description}"
            for name in needed
            if not _filled(getattr(self, name))
        ]
        if missing and app and not stored and not self.names_app:
            missing.append(
                "Instead of the GitHub App's variables, SIGIL_KEYS will do: then /setup creates "
                "the App. `python -m config.sealing` prints a key."
            )
        if missing:
            raise SettingsError("\n".join(missing))

    @property
    def names_app(self) -> bool:
        """Whether any variable names a GitHub App. Then its variables count, and nothing that is
        stored."""
        return any(
            _filled(value)
            for value in (
                self.github_app_id,
                self.github_private_key,
                self.github_private_key_file,
                self.github_webhook_secrets,
            )
        )

    def key_ring(self) -> KeyRing:
        """The keys that seal what is secret in the database.

        Raises:
            SettingsError: when SIGIL_KEYS is not set.
        """
        if not _filled(self.keys):
            raise SettingsError(
                "SIGIL_KEYS is not set: it seals the secrets in the database. "
                "`python -m config.sealing` prints a key."
            )
        return KeyRing.parse(self.keys.get_secret_value())

    def private_key(self) -> str:
        """The App's private key as PEM text.

        Raises:
            SettingsError: when neither variable is set or the file cannot be read.
        """
        if self.github_private_key.get_secret_value():
            # Some platforms keep a variable on one line, with the line ends written as \n.
            return self.github_private_key.get_secret_value().replace("\\n", "\n")
        if self.github_private_key_file is None:
            raise SettingsError(
                "GITHUB_PRIVATE_KEY or GITHUB_PRIVATE_KEY_FILE is not set: Sigil signs its "
                "requests to GitHub with the App's private key."
            )
        try:
            return self.github_private_key_file.read_text()
        except OSError as error:
            raise SettingsError(
                f"GITHUB_PRIVATE_KEY_FILE cannot be read: {error.strerror}."
            ) from None


def _filled(value: object) -> bool:
    return bool(value.get_secret_value()) if isinstance(value, SecretStr) else bool(value)


def variable_of(field: str) -> str:
    """The environment variable that a field of `Settings` is read from."""
    alias = Settings.model_fields[field].validation_alias
    assert isinstance(alias, AliasChoices)
    return str(alias.choices[0])


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
