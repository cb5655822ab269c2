"""The sandbox's own secrets: the App's private key and the webhook secret, in files, made once."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True)
class SecretFiles:
    """Files that only their owner may read."""

    private_key: Path
    webhook_secret: Path


def make_secrets(folder: Path) -> SecretFiles:
    """The secret files in `folder`; missing ones are made."""
    files = SecretFiles(folder / "private-key.pem", folder / "webhook-secret")
    if not files.private_key.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        # The form in which GitHub hands out an App's key.
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        _write(files.private_key, pem)
    if not files.webhook_secret.exists():
        _write(files.webhook_secret, secrets.token_hex(32).encode())
    return files


def _write(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    unfinished.replace(path)
