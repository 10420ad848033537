"""Secrets, their forms, their rotation, and what is signed with them."""

import time
from base64 import b64decode, b64encode
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from delivery_service.adapters.signatures import generate_secret, public_key, sign
from delivery_service.domain.errors import SecretRefusedError, TooManySecretsError
from delivery_service.domain.signing import (
    Algorithm,
    Secret,
    check_secret,
    overlap_until,
    rotated,
    secret_bytes,
    signing,
)

BODY = b'{"type":"event.birthday"}'
# The private and public keys of RFC 8032, 7.1, TEST 1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def encoded(prefix: str, content: bytes) -> str:
    return prefix + b64encode(content).decode()


@given(st.binary(min_size=24, max_size=64), st.binary(max_size=200))
def test_a_symmetric_signature_is_what_the_public_library_makes(key: bytes, body: bytes) -> None:
    secret = encoded("whsec_", key)
    text = body.decode(errors="replace")
    at = datetime.fromtimestamp(1_790_000_000, UTC)
    assert sign([secret], "msg_1", 1_790_000_000, text.encode()) == Webhook(secret).sign("msg_1", at, text)


def test_an_asymmetric_signature_is_verified_by_the_public_key_that_is_shown() -> None:
    secret = generate_secret(Algorithm.ED25519)
    version, signature = sign([secret], "msg_1", 1_790_000_000, BODY).split(",")
    assert version == "v1a"
    public = Ed25519PublicKey.from_public_bytes(b64decode(public_key(secret).removeprefix("whpk_")))
    public.verify(b64decode(signature), b"msg_1.1790000000." + BODY)


@pytest.mark.parametrize("content", [SEED, SEED + PUBLIC])
def test_a_seed_alone_or_with_its_public_key_gives_that_public_key(content: bytes) -> None:
    assert public_key(encoded("whsk_", content)) == encoded("whpk_", PUBLIC)


def test_a_seed_with_another_public_key_is_refused() -> None:
    with pytest.raises(SecretRefusedError, match="public key of its first"):
        public_key(encoded("whsk_", SEED + SEED))


def test_every_secret_signs_and_a_receiver_with_any_of_them_verifies() -> None:
    secrets = [generate_secret() for _ in range(3)]
    now = int(time.time())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(now),
        "webhook-signature": sign(secrets, "msg_1", now, BODY),
    }
    for secret in secrets:
        assert Webhook(secret).verify(BODY, headers) == {"type": "event.birthday"}


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        (encoded("whsec_", bytes(24)), Algorithm.HMAC_SHA256),
        (encoded("whsec_", bytes(64)), Algorithm.HMAC_SHA256),
        (encoded("whsec_", bytes(32)).rstrip("="), Algorithm.HMAC_SHA256),
        (encoded("whsk_", bytes(32)), Algorithm.ED25519),
        (encoded("whsk_", bytes(64)), Algorithm.ED25519),
    ],
)
def test_a_secret_of_the_right_form_is_taken_as_it_is(text: str, algorithm: Algorithm) -> None:
    assert check_secret(text, algorithm) == text
    assert Secret(text).algorithm is algorithm


@pytest.mark.parametrize(
    ("text", "algorithm", "rule"),
    [
        ("", Algorithm.HMAC_SHA256, "begins with whsec_"),
        (b64encode(bytes(32)).decode(), Algorithm.HMAC_SHA256, "begins with whsec_"),
        (encoded("whsk_", bytes(32)), Algorithm.HMAC_SHA256, "begins with whsec_"),
        (encoded("whsec_", bytes(32)), Algorithm.ED25519, "begins with whsk_"),
        (encoded("whsec_", bytes(23)), Algorithm.HMAC_SHA256, "24 to 64 bytes"),
        (encoded("whsec_", bytes(65)), Algorithm.HMAC_SHA256, "24 to 64 bytes"),
        (encoded("whsk_", bytes(33)), Algorithm.ED25519, "32 bytes"),
        ("whsec_" + "ä" * 40, Algorithm.HMAC_SHA256, "base64"),
        ("whsec_" + "_" * 40, Algorithm.HMAC_SHA256, "base64"),
        ("whsec_A", Algorithm.HMAC_SHA256, "base64"),
    ],
)
def test_another_form_is_refused_with_its_rule(text: str, algorithm: Algorithm, rule: str) -> None:
    with pytest.raises(SecretRefusedError, match=rule):
        check_secret(text, algorithm)


@given(st.text())
def test_no_text_is_more_than_refused(text: str) -> None:
    for prefix in ("", "whsec_", "whsk_"):
        for algorithm in Algorithm:
            try:
                assert secret_bytes(check_secret(prefix + text, algorithm))
            except SecretRefusedError as error:
                assert text not in str(error) or len(text) < 10


def test_secrets_of_before_sign_until_the_overlap_has_passed_and_no_longer_than_they_were_to() -> None:
    first, second, third = (generate_secret() for _ in range(3))
    secrets = rotated((Secret(first),), second, overlap_seconds=100, now=1000)
    assert signing(secrets, 1000) == [second, first]
    secrets = rotated(secrets, third, overlap_seconds=500, now=1050)
    assert signing(secrets, 1099) == [third, second, first]
    assert signing(secrets, 1101) == [third, second]
    assert overlap_until(secrets, 1101) == 1550
    assert signing(secrets, 1551) == [third]
    assert overlap_until(secrets, 1551) is None


def test_without_an_overlap_the_old_secret_signs_no_more() -> None:
    first, second = generate_secret(), generate_secret()
    assert rotated((Secret(first),), second, overlap_seconds=0, now=1000) == (Secret(second),)


def test_number_of_signing_secrets_is_limited() -> None:
    secrets: tuple[Secret, ...] = (Secret(generate_secret()),)
    for _ in range(4):
        secrets = rotated(secrets, generate_secret(), overlap_seconds=100, now=1000)
    with pytest.raises(TooManySecretsError):
        rotated(secrets, generate_secret(), overlap_seconds=100, now=1000)
    assert len(rotated(secrets, generate_secret(), overlap_seconds=0, now=1000)) == 1


def test_the_same_secret_again_is_refused() -> None:
    secret = generate_secret()
    with pytest.raises(SecretRefusedError, match="another one"):
        rotated((Secret(secret),), secret, overlap_seconds=0, now=1000)
