"""Secrets at rest."""

from uuid import uuid4

import pytest

from delivery_service.adapters.secret_cipher import Confidential, SecretCipher
from delivery_service.domain.errors import SecretsUnreadableError
from delivery_service.domain.signing import Secret

OLD, NEW = b"o" * 32, b"n" * 32
CONTENT = Confidential(
    (Secret("whsec_new"), Secret("whsec_old", 1000.5)), {"Authorization": "Bearer üñ"}, "https://x.y"
)


def test_encrypted_fields_are_decrypted_and_do_not_show() -> None:
    endpoint_id = uuid4()
    sealed = SecretCipher([NEW]).encrypt(endpoint_id, CONTENT)
    assert SecretCipher([NEW]).decrypt(endpoint_id, sealed) == CONTENT
    assert "whsec" not in sealed
    assert SecretCipher([NEW]).encrypt(endpoint_id, CONTENT) != sealed


def test_every_key_decrypts_and_the_first_encrypts() -> None:
    endpoint_id = uuid4()
    sealed = SecretCipher([OLD]).encrypt(endpoint_id, CONTENT)
    both = SecretCipher([NEW, OLD])
    assert both.decrypt(endpoint_id, sealed) == CONTENT
    assert not sealed.startswith(both.current_prefix)
    again = both.encrypt(endpoint_id, both.decrypt(endpoint_id, sealed))
    assert again.startswith(both.current_prefix)
    assert SecretCipher([NEW]).decrypt(endpoint_id, again) == CONTENT


def test_missing_key_is_named_and_not_shown() -> None:
    endpoint_id = uuid4()
    sealed = SecretCipher([OLD]).encrypt(endpoint_id, CONTENT)
    with pytest.raises(SecretsUnreadableError, match="not among SECRET_KEYS") as caught:
        SecretCipher([NEW]).decrypt(endpoint_id, sealed)
    assert OLD.hex() not in str(caught.value)


def test_secrets_of_one_endpoint_cannot_be_decrypted_for_another() -> None:
    cipher = SecretCipher([NEW])
    with pytest.raises(SecretsUnreadableError, match="another endpoint"):
        cipher.decrypt(uuid4(), cipher.encrypt(uuid4(), CONTENT))


def test_changed_text_cannot_be_decrypted() -> None:
    cipher, endpoint_id = SecretCipher([NEW]), uuid4()
    sealed = cipher.encrypt(endpoint_id, CONTENT)
    changed = sealed[:-8] + ("A" if sealed[-8] != "A" else "B") + sealed[-7:]
    with pytest.raises(SecretsUnreadableError):
        cipher.decrypt(endpoint_id, changed)


def test_nothing_of_it_is_in_its_representation() -> None:
    shown = repr(CONTENT)
    for secret in ("whsec", "Bearer", "x.y"):
        assert secret not in shown
