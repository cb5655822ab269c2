"""Signs what a browser keeps for this Sigil or brings back to it, with keys from SIGIL_KEYS."""

import hashlib

from itsdangerous import BadData, URLSafeTimedSerializer

from config.settings import settings


def is_possible() -> bool:
    """Whether there are keys to sign with."""
    return bool(settings().keys.get_secret_value())


def sign(purpose: str, value: dict[str, str]) -> str:
    """The value and its signature, as a cookie or an address may hold it. Not secret.

    Args:
        purpose: What is signed for one is not taken for another.

    Raises:
        SettingsError: SIGIL_KEYS is not set.
    """
    signed = _serializer(purpose).dumps(value)
    return signed if isinstance(signed, str) else signed.decode()


def read(purpose: str, text: str, *, seconds: int) -> dict[str, str]:
    """What was signed; empty when this Sigil did not sign it for that purpose so lately."""
    if not is_possible():
        return {}  # Nothing was ever signed.
    try:
        found = _serializer(purpose).loads(text, max_age=seconds)
    except BadData:
        return {}
    assert isinstance(found, dict)
    return found


def _serializer(purpose: str) -> URLSafeTimedSerializer:
    keys = settings().key_ring().derived(purpose)
    # The last one signs, all are accepted.
    return URLSafeTimedSerializer(
        keys[::-1], salt=purpose, signer_kwargs={"digest_method": hashlib.sha256}
    )
