"""Secrets at rest."""

from uuid import uuid4

import pytest

from delivery_service.adapters.vault import Confidential, Vault
from delivery_service.domain.errors import SealedError
from delivery_service.domain.signing import Secret

OLD, NEW = b"o" * 32, b"n" * 32
CONTENT = Confidential(
    (Secret("whsec_new"), Secret("whsec_old", 1000.5)), {"Authorization": "Bearer üñ"}, "https://x.y"
)


def test_what_is_sealed_opens_to_what_it_was_and_shows_nothing() -> None:
    endpoint_id = uuid4()
    sealed = Vault([NEW]).seal(endpoint_id, CONTENT)
    assert Vault([NEW]).open(endpoint_id, sealed) == CONTENT
    assert "whsec" not in sealed
    assert Vault([NEW]).seal(endpoint_id, CONTENT) != sealed


def test_every_key_opens_and_the_first_seals() -> None:
    endpoint_id = uuid4()
    sealed = Vault([OLD]).seal(endpoint_id, CONTENT)
    both = Vault([NEW, OLD])
    assert both.open(endpoint_id, sealed) == CONTENT
    assert not sealed.startswith(both.current_prefix)
    again = both.seal(endpoint_id, both.open(endpoint_id, sealed))
    assert again.startswith(both.current_prefix)
    assert Vault([NEW]).open(endpoint_id, again) == CONTENT


def test_a_missing_key_is_said_and_not_shown() -> None:
    endpoint_id = uuid4()
    sealed = Vault([OLD]).seal(endpoint_id, CONTENT)
    with pytest.raises(SealedError, match="not among SECRET_KEYS") as caught:
        Vault([NEW]).open(endpoint_id, sealed)
    assert OLD.hex() not in str(caught.value)


def test_it_opens_for_its_own_endpoint_alone() -> None:
    vault = Vault([NEW])
    with pytest.raises(SealedError, match="not its own"):
        vault.open(uuid4(), vault.seal(uuid4(), CONTENT))


def test_a_changed_text_does_not_open() -> None:
    vault, endpoint_id = Vault([NEW]), uuid4()
    sealed = vault.seal(endpoint_id, CONTENT)
    changed = sealed[:-8] + ("A" if sealed[-8] != "A" else "B") + sealed[-7:]
    with pytest.raises(SealedError):
        vault.open(endpoint_id, changed)


def test_nothing_of_it_is_in_its_representation() -> None:
    shown = repr(CONTENT)
    for secret in ("whsec", "Bearer", "x.y"):
        assert secret not in shown
