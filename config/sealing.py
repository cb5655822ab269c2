"""Seals small secrets for keeping in the database, and opens them again. Pure: bytes in, bytes out.

AES-256-GCM with a random nonce. What is sealed is bound to its purpose and to its key, so that a
row cannot pass for another one. `python -m config.sealing` prints a new key for SIGIL_KEYS.
"""

import base64
import binascii
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_BYTES = 32
# https://csrc.nist.gov/pubs/sp/800/38/d/final, 8.2.2: random nonces of 96 bits serve for 2^32
# messages with one key.
_NONCE_BYTES = 12
_VERSION = b"\x01"
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_FORM = "must be <id>:<base64 of 32 bytes>, several separated by commas"


class SealingError(Exception):
    """What is sealed cannot be opened. The text names the key and the purpose, never a secret."""


@dataclass(frozen=True)
class Sealed:
    """A sealed secret, as it may lie in the database.

    Attributes:
        key_id: Which key it was sealed with.
        data: A version byte, the nonce, and the ciphertext with its tag.
    """

    key_id: str
    data: bytes


class KeyRing:
    """Keys by their id: the first seals, all open. Never empty, and printed without the keys."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """
        Raises:
            ValueError: there is no key, or one has a wrong id or length.
        """
        if not keys:
            raise ValueError(_FORM)
        for key_id, key in keys.items():
            if not _ID.fullmatch(key_id):
                raise ValueError("needs ids of 1 to 40 letters, digits, _ and -")
            if len(key) != _KEY_BYTES:
                raise ValueError(f"needs exactly {_KEY_BYTES} bytes in the key {key_id}")
        self._keys = dict(keys)
        self.current = next(iter(keys))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key ring that `id:base64,id:base64` describes.

        Raises:
            ValueError: says what is wrong, without repeating a key.
        """
        keys: dict[str, bytes] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            key_id, colon, encoded = part.partition(":")
            if not colon:
                raise ValueError(_FORM)
            if key_id in keys:
                raise ValueError("names two keys with the same id")
            try:
                keys[key_id] = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                raise ValueError(_FORM) from None
        return cls(keys)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._keys)})"

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._keys

    def seal(self, secret: bytes, purpose: str) -> Sealed:
        """Seal `secret` with the first key, so that it opens for the same `purpose` only."""
        nonce = os.urandom(_NONCE_BYTES)
        box = AESGCM(self._keys[self.current])
        sealed = box.encrypt(nonce, secret, _associated(self.current, purpose))
        return Sealed(self.current, _VERSION + nonce + sealed)

    def open(self, sealed: Sealed, purpose: str) -> bytes:
        """What was sealed.

        Raises:
            SealingError: its key is not here, it was sealed for another purpose, or it was changed.
        """
        if sealed.key_id not in self._keys:
            raise SealingError(
                f"{purpose} is sealed with the key {sealed.key_id}, which SIGIL_KEYS does not "
                "hold. Add that key behind the others."
            )
        version, nonce = sealed.data[:1], sealed.data[1 : 1 + _NONCE_BYTES]
        try:
            if version != _VERSION or len(nonce) != _NONCE_BYTES:
                raise InvalidTag
            box = AESGCM(self._keys[sealed.key_id])
            rest = sealed.data[1 + _NONCE_BYTES :]
            return box.decrypt(nonce, rest, _associated(sealed.key_id, purpose))
        except InvalidTag:
            raise SealingError(
                f"{purpose} does not open with the key {sealed.key_id}: SIGIL_KEYS holds another "
                "key under that id than the one it was sealed with, or what is stored was changed."
            ) from None

    def derived(self, purpose: str) -> list[bytes]:
        """A key of 32 bytes from each key, the current one first, for another use than sealing,
        such as signing a cookie."""
        return [
            HKDF(SHA256(), _KEY_BYTES, salt=None, info=f"sigil derived:{purpose}".encode()).derive(
                key
            )
            for key in self._keys.values()
        ]


def _associated(key_id: str, purpose: str) -> bytes:
    # An id holds no colon, so that no two pairs look the same.
    return f"sigil sealed:{key_id}:{purpose}".encode()


def new_key() -> str:
    """A new key as SIGIL_KEYS takes it, named after the day."""
    return f"k{datetime.now(UTC):%Y%m%d}:{base64.b64encode(os.urandom(_KEY_BYTES)).decode()}"


if __name__ == "__main__":
    print(new_key())
    if sys.stdout.isatty():
        print(
            "Put it in front of SIGIL_KEYS; keep older keys behind it, separated by a comma.",
            file=sys.stderr,
        )
