"""Sealing: what opens, what does not, and what is said about it."""

import base64
import subprocess
import sys

import pytest

from config.sealing import KeyRing, Sealed, SealingError, new_key
from config.settings import SettingsError, load

OLD, NEW = b"o" * 32, b"n" * 32


def test_what_is_sealed_opens_for_its_purpose_only() -> None:
    ring = KeyRing({"a": OLD})
    sealed = ring.seal(b"s3ntinel", "github_app:1")
    assert b"s3ntinel" not in sealed.data
    assert ring.open(sealed, "github_app:1") == b"s3ntinel"
    with pytest.raises(SealingError, match="github_app:2 does not open"):
        ring.open(sealed, "github_app:2")


def test_the_same_secret_is_never_sealed_the_same_way() -> None:
    ring = KeyRing({"a": OLD})
    assert len({ring.seal(b"x", "p").data for _ in range(50)}) == 50


def test_every_changed_bit_is_noticed() -> None:
    ring = KeyRing({"a": OLD})
    sealed = ring.seal(b"x", "p")
    for position in range(len(sealed.data)):
        changed = bytearray(sealed.data)
        changed[position] ^= 1
        with pytest.raises(SealingError):
            ring.open(Sealed("a", bytes(changed)), "p")
    for length in range(len(sealed.data)):
        with pytest.raises(SealingError):
            ring.open(Sealed("a", sealed.data[:length]), "p")


def test_after_a_rotation_old_and_new_open_and_the_new_key_seals() -> None:
    old = KeyRing({"old": OLD}).seal(b"x", "p")
    ring = KeyRing({"new": NEW, "old": OLD})
    assert ring.open(old, "p") == b"x"
    assert ring.seal(b"x", "p").key_id == "new"


def test_a_missing_and_a_wrong_key_are_told_apart() -> None:
    sealed = KeyRing({"old": OLD}).seal(b"x", "p")
    with pytest.raises(SealingError, match="the key old, which SIGIL_KEYS does not hold"):
        KeyRing({"new": NEW}).open(sealed, "p")
    with pytest.raises(SealingError, match="another key under that id"):
        KeyRing({"old": NEW}).open(sealed, "p")


def test_derived_keys_differ_by_purpose_and_key() -> None:
    ring = KeyRing({"new": NEW, "old": OLD})
    derived = [*ring.derived("a"), *ring.derived("b"), NEW, OLD]
    assert len(set(derived)) == 6
    assert ring.derived("a")[1:] == KeyRing({"x": OLD}).derived("a")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "s3ntinel",
        "a:s3ntinel",
        "a:" + base64.b64encode(b"s3ntinel").decode(),
        "a b:" + base64.b64encode(OLD).decode(),
        ",".join(["a:" + base64.b64encode(OLD).decode()] * 2),
    ],
)
def test_a_wrong_key_ring_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|needs|names") as caught:
        KeyRing.parse(text)
    assert "s3ntinel" not in str(caught.value)
    if text:
        with pytest.raises(SettingsError, match=r"^SIGIL_KEYS: ") as refused:
            load({"SIGIL_KEYS": text})
        assert "s3ntinel" not in str(refused.value)


def test_keys_do_not_show_when_they_are_printed() -> None:
    text = f"a:{base64.b64encode(OLD).decode()}"
    settings = load({"SIGIL_KEYS": text})
    for printed in (repr(KeyRing.parse(text)), repr(settings), repr(settings.key_ring())):
        assert text not in printed
        assert "ooo" not in printed


def test_the_command_prints_a_key_that_the_setting_takes() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "config.sealing"], capture_output=True, text=True, check=True
    ).stdout
    sealed = load({"SIGIL_KEYS": printed.strip()}).key_ring().seal(b"x", "p")
    assert sealed.key_id == printed.partition(":")[0]
    assert new_key() != new_key()


def test_without_keys_the_variable_and_the_command_are_named() -> None:
    with pytest.raises(SettingsError, match=r"SIGIL_KEYS is not set.*python -m config.sealing"):
        load({}).key_ring()
