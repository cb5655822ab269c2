"""Checks GitHub's signature of a delivery. Pure: bytes in, yes or no out."""

import hmac
import re
from collections.abc import Iterable

_FORM = re.compile(r"sha256=([0-9a-f]{64})")


def is_signed(body: bytes, signature: str, secrets: Iterable[bytes]) -> bool:
    """Whether `signature` was made over exactly these bytes with one of the secrets.

    The time it takes does not depend on how much of the signature is right.
    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries

    Args:
        body: The request's body as it came over the wire.
        signature: The header `X-Hub-Signature-256`.
        secrets: The secret, or the old and the new one while it is being rotated.
    """
    given = _FORM.fullmatch(signature)
    if given is None:
        return False
    digest = bytes.fromhex(given[1])
    return any(
        hmac.compare_digest(hmac.digest(secret, body, "sha256"), digest) for secret in secrets
    )


def sign(body: bytes, secret: bytes) -> str:
    """The header that GitHub would send with this body."""
    return f"sha256={hmac.digest(secret, body, 'sha256').hex()}"
