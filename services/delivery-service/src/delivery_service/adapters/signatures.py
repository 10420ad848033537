"""Signatures of Standard Webhooks: `v1` (HMAC) and `v1a` (ed25519)."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from secrets import token_bytes

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.core.signatures import hmac_signature, signed_content
from delivery_service.domain.errors import SecretRefusedError
from delivery_service.domain.signing import PUBLIC_KEY_PREFIX, Algorithm, Secret, secret_bytes

SECRET_BYTES = 32


def generate_secret(algorithm: Algorithm = Algorithm.HMAC_SHA256) -> str:
    """A new secret: the algorithm's prefix and 32 random bytes in base64."""
    return algorithm.prefix + b64encode(token_bytes(SECRET_BYTES)).decode()


def public_key(secret: str) -> str:
    """What verifies the signatures of an ed25519 secret: ``whpk_`` and the key in base64.

    Raises:
        SecretRefusedError: the secret brings a public key, but not its own.
    """
    content = secret_bytes(secret)
    public = Ed25519PrivateKey.from_private_bytes(content[:32]).public_key().public_bytes_raw()
    if content[32:] not in (b"", public):
        raise SecretRefusedError("its second half must be the public key of its first")
    return PUBLIC_KEY_PREFIX + b64encode(public).decode()


def sign(secrets: Sequence[str], webhook_id: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``: one signature for each secret."""
    content = signed_content(webhook_id, timestamp, body)
    return " ".join(_signer(secret)(content) for secret in secrets)


@lru_cache(maxsize=4096)
def _signer(secret: str) -> Callable[[bytes], str]:
    key = secret_bytes(secret)
    if Secret(secret).algorithm is Algorithm.ED25519:
        private = Ed25519PrivateKey.from_private_bytes(key[:32])
        return lambda content: f"v1a,{b64encode(private.sign(content)).decode()}"
    return partial(hmac_signature, key)
