"""The secrets that webhooks are signed with, in the forms of Standard Webhooks."""

from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from enum import StrEnum

from delivery_service.domain.errors import SecretRefusedError, TooManySecretsError

KEY_BYTES = 32
"""Length of a key that encrypts secrets."""
OVERLAP_SECONDS = 86_400
MAX_OVERLAP_SECONDS = 7 * 86_400
MAX_SECRET = 128
"""Characters, more than any form has."""
MAX_SECRETS = 5
"""With which one endpoint's webhooks are signed at a time: each has its place in a header."""
_SYMMETRIC_BYTES = range(24, 65)
_ED25519_BYTES = (32, 64)


class Algorithm(StrEnum):
    """How webhooks are signed: `v1` with a secret that both sides know, `v1a` with a key of which they have half."""

    HMAC_SHA256 = "hmac-sha256"
    ED25519 = "ed25519"

    @property
    def prefix(self) -> str:
        """What the text of a secret begins with."""
        return "whsec_" if self is Algorithm.HMAC_SHA256 else "whsk_"


PUBLIC_KEY_PREFIX = "whpk_"


@dataclass(frozen=True, slots=True)
class Secret:
    """``until`` is the time (seconds since the epoch, real time) at which it signs no more; None for the current."""

    value: str = field(repr=False)
    until: float | None = None

    @property
    def algorithm(self) -> Algorithm:
        return next(each for each in Algorithm if self.value.startswith(each.prefix))


def check_secret(text: str, algorithm: Algorithm) -> str:
    """Return a client's own secret if it has the form that the algorithm wants. Raises SecretRefusedError."""
    if not text.startswith(algorithm.prefix):
        raise SecretRefusedError(f"a secret for {algorithm} begins with {algorithm.prefix}")
    size = len(secret_bytes(text))
    if algorithm is Algorithm.HMAC_SHA256 and size not in _SYMMETRIC_BYTES:
        raise SecretRefusedError("must be 24 to 64 bytes in base64 after whsec_")
    if algorithm is Algorithm.ED25519 and size not in _ED25519_BYTES:
        raise SecretRefusedError("must be 32 bytes (a seed) or 64 (a seed and its public key) in base64 after whsk_")
    return text


def secret_bytes(text: str) -> bytes:
    """The base64 value after the prefix, with or without padding. Raises SecretRefusedError."""
    encoded = text.partition("_")[2].rstrip("=")
    try:
        return b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (Base64Error, ValueError):
        raise SecretRefusedError("must be base64 after its prefix") from None


def rotated(secrets: tuple[Secret, ...], new: str, *, overlap_seconds: float, now: float) -> tuple[Secret, ...]:
    """The new secret first; those of before sign too until the overlap has passed, or their own earlier end.

    Raises:
        SecretRefusedError: the new one is one of them.
        TooManySecretsError: too many would sign at a time.
    """
    until = now + overlap_seconds
    kept = [Secret(each.value, until if each.until is None else min(each.until, until)) for each in secrets]
    kept = [each for each in kept if each.until is not None and each.until > now]
    if any(each.value == new for each in secrets):
        raise SecretRefusedError("must be another one than before")
    if len(kept) >= MAX_SECRETS:
        raise TooManySecretsError(f"{MAX_SECRETS} secrets sign already: wait until the overlap of one has passed")
    return (Secret(new), *kept)


def signing(secrets: tuple[Secret, ...], now: float) -> list[str]:
    """The secrets that sign at this time, the current one first."""
    return [each.value for each in secrets if each.until is None or each.until > now]


def overlap_until(secrets: tuple[Secret, ...], now: float) -> float | None:
    """Until when an earlier secret signs too, None where there is none."""
    return max((each.until for each in secrets if each.until is not None and each.until > now), default=None)
