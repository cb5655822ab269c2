"""Looks, before a worker begins, whether its settings let it do its jobs. Asks no service but the
docker engine: PostgreSQL, Redis and GitHub may be away for a while.

Without an App's variables it begins when there are keys: the App that `/setup` creates is read from
the database when a job needs it, and until there is one no delivery is accepted, so no job comes.
"""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from config.settings import Settings, SettingsError
from pipeline.engine import forget_engine
from pipeline.hosts.choose import choose_host


def check(settings: Settings) -> None:
    """Look whether a worker with these settings can do its jobs.

    Raises:
        SettingsError: names the variables that are missing or wrong, and says what to do.
    """
    settings.require("database_url", "redis_url", app=["github_app_id"])
    if settings.names_app:
        _check_private_key(settings)
    choose_host(settings)
    # The processes that are forked from here on must not share this one's connection.
    forget_engine()


def _check_private_key(settings: Settings) -> None:
    variable = (
        "GITHUB_PRIVATE_KEY"
        if settings.github_private_key.get_secret_value()
        else "GITHUB_PRIVATE_KEY_FILE"
    )
    try:
        key = load_pem_private_key(settings.private_key().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The parser's message may repeat parts of the key.
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise SettingsError(
            f"{variable} does not hold an RSA private key in PEM form without a passphrase. "
            "Generate one on the App's settings page at GitHub."
        )
