"""Encrypts what must not be read in the database: secrets, custom headers, URLs that are secrets themselves (ADR 0012).

AES-256-GCM. An encrypted text names its key, so that several can be in use during a rotation, and is bound to its
endpoint, so that it cannot be decrypted in another row.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from secrets import token_bytes
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from delivery_service.domain.errors import SecretsUnreadableError
from delivery_service.domain.redactions import Redactions, parts_of
from delivery_service.domain.signing import Secret

_VERSION = "1"
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Confidential:
    """The encrypted fields of an endpoint. ``url`` is one for a channel whose URL is a secret."""

    secrets: tuple[Secret, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str | None = field(default=None, repr=False)
    redactions: Redactions = field(init=False, repr=False, compare=False)
    """What must not be kept where a receiver repeats it."""

    def __post_init__(self) -> None:
        confidential = parts_of([each.value for each in self.secrets], self.headers, self.url)
        object.__setattr__(self, "redactions", Redactions(confidential))


class SecretCipher:
    """Encrypts with the first of ``keys`` (32 bytes each) and decrypts with any of them.

    What was decrypted lately is remembered: an endpoint costs one decryption, not one for each event.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self.current_prefix = f"{_VERSION}.{_key_id(keys[0])}."
        self.decrypt = lru_cache(maxsize=4096)(self._decrypt)

    def encrypt(self, endpoint_id: UUID, content: Confidential) -> str:
        """Encrypt for one endpoint, as ``1.<key id>.<nonce, ciphertext and tag in base64>``."""
        plain = json.dumps(
            {
                "secrets": [[each.value, each.until] for each in content.secrets],
                "headers": dict(content.headers),
                "url": content.url,
            }
        )
        _, key_id, _ = self.current_prefix.split(".")
        nonce = token_bytes(_NONCE_BYTES)
        encrypted = nonce + self._ciphers[key_id].encrypt(nonce, plain.encode(), endpoint_id.bytes)
        return self.current_prefix + b64encode(encrypted).decode()

    def _decrypt(self, endpoint_id: UUID, encrypted: str) -> Confidential:
        """Decrypt what was encrypted for this endpoint.

        Raises:
            SecretsUnreadableError: its key is not among ours, it belongs to another endpoint, or it is damaged.
        """
        version, _, rest = encrypted.partition(".")
        key_id, _, encoded = rest.partition(".")
        if version == _VERSION and key_id not in self._ciphers:
            raise SecretsUnreadableError(
                f"the secrets of endpoint {endpoint_id} are encrypted with key {key_id}, which is not among SECRET_KEYS"
            )
        try:
            content = b64decode(encoded, validate=True)
            plain = self._ciphers[key_id].decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], endpoint_id.bytes)
        except (InvalidTag, KeyError, ValueError):
            raise SecretsUnreadableError(
                f"the secrets of endpoint {endpoint_id} are damaged, or were encrypted for another endpoint"
            ) from None
        fields = json.loads(plain)
        return Confidential(
            tuple(Secret(value, until) for value, until in fields["secrets"]), fields["headers"], fields["url"]
        )


def _key_id(key: bytes) -> str:
    # A name for the key that says nothing of it, and stays the same wherever it stands in the list.
    return hashlib.sha256(b"almanac key id" + key).hexdigest()[:8]
