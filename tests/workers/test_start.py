"""Real worker processes with settings that they could not work with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from config.sealing import new_key


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
# Nothing answers at these addresses, and nothing is asked before the settings are found right.
COMPLETE = {
    "DATABASE_URL": "postgresql://127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1",
    "GITHUB_APP_ID": "1",
    "GITHUB_PRIVATE_KEY": _pem(_RSA),
    "SIGIL_HOST": "process",
}


def refusal(**changes: str) -> str:
    """What a worker says that has the complete settings but for `changes`, and does not start."""
    ended = subprocess.run(
        [sys.executable, "-m", "workers.worker", "runs"],
        env=os.environ | COMPLETE | changes,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("The worker does not start:\n"), ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_all_that_is_missing_is_named_at_once() -> None:
    said = refusal(DATABASE_URL="", REDIS_URL="", GITHUB_APP_ID="")
    assert [line.split()[0] for line in said.splitlines()[1:]] == [
        "DATABASE_URL",
        "REDIS_URL",
        "GITHUB_APP_ID",
    ]


def test_a_wrong_setting_is_named() -> None:
    assert "SIGIL_HOST: " in refusal(SIGIL_HOST="cloud")


def test_a_private_key_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = refusal(GITHUB_PRIVATE_KEY="", GITHUB_PRIVATE_KEY_FILE=str(tmp_path / "none"))
    assert "GITHUB_PRIVATE_KEY_FILE cannot be read" in missing
    assert "GITHUB_PRIVATE_KEY or GITHUB_PRIVATE_KEY_FILE is not set" in refusal(
        GITHUB_PRIVATE_KEY="", GITHUB_PRIVATE_KEY_FILE=""
    )


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN RSA PRIVATE KEY-----\ns3ntinel\n-----END RSA PRIVATE KEY-----",
        _RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        _pem(ec.generate_private_key(ec.SECP256R1())),
    ],
    ids=["broken", "public", "of another kind"],
)
def test_what_is_no_rsa_private_key_is_refused_and_not_repeated(key: str) -> None:
    said = refusal(GITHUB_PRIVATE_KEY=key)
    assert "GITHUB_PRIVATE_KEY does not hold an RSA private key" in said
    assert key.splitlines()[1] not in said


def test_a_file_that_is_no_text_is_no_private_key(tmp_path: Path) -> None:
    file = tmp_path / "key.der"
    file.write_bytes(_RSA.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    said = refusal(GITHUB_PRIVATE_KEY="", GITHUB_PRIVATE_KEY_FILE=str(file))
    assert "GITHUB_PRIVATE_KEY_FILE does not hold an RSA private key" in said


@pytest.mark.parametrize(
    ("host", "why"), [("process", "SIGIL_HOST is process"), ("auto", "no docker engine answers")]
)
def test_production_without_isolation_is_refused(host: str, why: str, tmp_path: Path) -> None:
    said = refusal(
        SIGIL_ENVIRONMENT="production",
        SIGIL_HOST=host,
        DOCKER_HOST=f"unix://{tmp_path}/no.sock",
    )
    assert why in said
    assert "SIGIL_HOST" in said


def test_without_an_app_a_worker_needs_the_keys_that_open_a_stored_one() -> None:
    said = refusal(GITHUB_APP_ID="", GITHUB_PRIVATE_KEY="", SIGIL_KEYS="")
    assert "GITHUB_APP_ID is not set" in said
    assert "SIGIL_KEYS will do: then /setup creates" in said
    # With keys it does not stop at the App: the next thing that is wrong is named instead.
    keys = {"SIGIL_KEYS": new_key(), "SIGIL_ENVIRONMENT": "production"}
    said = refusal(GITHUB_APP_ID="", GITHUB_PRIVATE_KEY="", **keys)
    assert "SIGIL_HOST is process" in said
    assert "GITHUB_APP_ID" not in said
