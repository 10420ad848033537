"""Sealing what must not be read in the database: secrets, custom headers, addresses that are secrets themselves.

AES-256-GCM. A sealed text names its key, so that several can be in use while they are rotated, and is bound to its
endpoint, so that it opens in no other row.
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

from delivery_service.domain.errors import SealedError
from delivery_service.domain.signing import Secret

_NONCE_BYTES = 12
_MIN_SPOKEN = 8
"""Characters: less is no secret, and would be found in any text."""


@dataclass(frozen=True, slots=True)
class Confidential:
    """What of an endpoint is sealed. ``url`` is here for a channel whose URL is a secret."""

    secrets: tuple[Secret, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str | None = field(default=None, repr=False)

    @property
    def spoken(self) -> list[str]:
        """What must not be kept where a receiver repeats it: a header too, and its words, as what follows `Bearer`."""
        values = [*self.headers.values(), *(word for value in self.headers.values() for word in value.split())]
        return [*(each.value for each in self.secrets), *(each for each in values if len(each) >= _MIN_SPOKEN)]


class Vault:
    """Seals with the first of ``keys`` (32 bytes each) and opens with any.

    What was opened lately is remembered: an endpoint costs one decryption, not one for each event.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self.current_prefix = f"1.{_key_id(keys[0])}."
        self.open = lru_cache(maxsize=4096)(self._open)

    def seal(self, endpoint_id: UUID, content: Confidential) -> str:
        plain = json.dumps(
            {
                "secrets": [[each.value, each.until] for each in content.secrets],
                "headers": dict(content.headers),
                "url": content.url,
            }
        )
        _, key_id, _ = self.current_prefix.split(".")
        nonce = token_bytes(_NONCE_BYTES)
        sealed = nonce + self._ciphers[key_id].encrypt(nonce, plain.encode(), endpoint_id.bytes)
        return self.current_prefix + b64encode(sealed).decode()

    def _open(self, endpoint_id: UUID, sealed: str) -> Confidential:
        """Raises SealedError: its key is not among ours, or it is not what was sealed for this endpoint."""
        _, key_id, encoded = sealed.split(".")
        if key_id not in self._ciphers:
            raise SealedError(f"endpoint {endpoint_id} is sealed with a key that is not among SECRET_KEYS: {key_id}")
        content = b64decode(encoded)
        try:
            plain = self._ciphers[key_id].decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], endpoint_id.bytes)
        except InvalidTag:
            raise SealedError(f"what is sealed at endpoint {endpoint_id} is not its own") from None
        fields = json.loads(plain)
        return Confidential(
            tuple(Secret(value, until) for value, until in fields["secrets"]), fields["headers"], fields["url"]
        )


def _key_id(key: bytes) -> str:
    # A name for the key that says nothing of it, and stays the same wherever it stands in the list.
    return hashlib.sha256(b"almanac key id" + key).hexdigest()[:8]
