"""The signature check, against GitHub's own example and against what is no signature."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.signature import is_signed, sign

# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
SECRET = b"It's a Secret to Everybody"
BODY = b"Hello, World!"
SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_githubs_own_example_is_accepted() -> None:
    assert is_signed(BODY, SIGNATURE, [SECRET])
    assert sign(BODY, SECRET) == SIGNATURE


def test_either_of_two_secrets_is_accepted_while_one_is_rotated() -> None:
    assert is_signed(BODY, SIGNATURE, [b"the-new-one", SECRET])
    assert is_signed(BODY, SIGNATURE, [SECRET, b"the-new-one"])
    assert not is_signed(BODY, SIGNATURE, [b"the-new-one", b"another"])


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        SIGNATURE.upper(),
        SIGNATURE + "\n",
        SIGNATURE[:-1],
        SIGNATURE.removeprefix("sha256="),
        "sha1=" + SIGNATURE[7:47],
        "sha256=" + "ä" * 64,
    ],
)
def test_what_is_not_the_signature_is_refused(signature: str) -> None:
    assert not is_signed(BODY, signature, [SECRET])


def test_without_a_secret_nothing_is_accepted() -> None:
    assert not is_signed(BODY, SIGNATURE, [])


@given(st.binary(), st.binary(min_size=1), st.integers(0))
def test_one_changed_bit_is_refused(body: bytes, secret: bytes, position: int) -> None:
    changed = bytearray(body + b"\0")
    changed[position % len(changed)] ^= 1 << position % 8
    assert is_signed(body, sign(body, secret), [secret])
    assert not is_signed(bytes(changed), sign(body, secret), [secret])
