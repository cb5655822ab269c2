"""The settings that make Sigil a GitHub App, and how it speaks to GitHub."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from config.sealing import KeyRing
from config.setting import Seconds, SettingsError, is_set, root, variable


class GitHubSettings(BaseModel):
    """The App's credentials, and GitHub's addresses and limits."""

    github_app_id: Annotated[
        str, variable("GITHUB_APP_ID", description="The GitHub App's id (a number).")
    ] = ""
    github_private_key: Annotated[
        SecretStr,
        variable(
            "GITHUB_PRIVATE_KEY", description="The App's private key, PEM. Wins over the file."
        ),
    ] = SecretStr("")
    github_private_key_file: Annotated[
        Path | None,
        variable("GITHUB_PRIVATE_KEY_FILE", description="A file with the App's private key, PEM."),
    ] = None
    github_webhook_secrets: Annotated[
        tuple[SecretStr, ...],
        NoDecode,
        variable(
            "GITHUB_WEBHOOK_SECRETS",
            description="The webhook secret, at least 16 characters; two, separated by a comma, "
            "while one is being rotated.",
        ),
    ] = ()
    keys: Annotated[
        SecretStr,
        variable(
            "SIGIL_KEYS",
            description="Keys that seal the secrets kept in the database: `id:base64` of 32 bytes; "
            "the first seals, those behind it, separated by commas, still open. "
            "`python -m config.sealing` prints one.",
        ),
    ] = SecretStr("")
    setup_token: Annotated[
        SecretStr,
        variable(
            "SIGIL_SETUP_TOKEN",
            description="Lets whoever knows it set up the GitHub App at `/setup` while there is "
            "none, at least 20 characters; `flask --app webhook setup-link` does without it.",
        ),
    ] = SecretStr("")
    github_api_url: Annotated[
        str, variable("GITHUB_API_URL", description="Root of GitHub's REST API.")
    ] = "https://api.github.com"
    github_url: Annotated[
        str, variable("GITHUB_URL", description="Root of GitHub's web pages.")
    ] = "https://github.com"
    github_timeout: Annotated[
        Seconds,
        variable("GITHUB_TIMEOUT", description="Seconds that one request to GitHub may take."),
    ] = 10
    github_spacing: Annotated[
        float,
        Field(ge=0, le=60),
        variable(
            "GITHUB_SPACING",
            description="Seconds between two requests of an installation that change something at "
            "GitHub, once a burst is over; GitHub asks for 1. `0`, for a GitHub Enterprise Server "
            "without limits on bursts, looks only at what is left of the hour.",
        ),
    ] = 1

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

    @field_validator("github_api_url", "github_url")
    @classmethod
    def _github_root(cls, value: str) -> str:
        return root(value)

    @property
    def names_app(self) -> bool:
        """Whether any variable names a GitHub App. Then its variables count, and nothing that is
        stored."""
        return any(
            is_set(value)
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
        if not is_set(self.keys):
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
