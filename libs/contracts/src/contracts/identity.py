"""One identity per occurrence: an id that anyone can derive again (docs/architecture.md#contracts)."""

from hashlib import sha256
from typing import Final
from uuid import UUID


def derive_id(owner: UUID | str, key: str) -> UUID:
    """The UUIDv8 (RFC 9562 §5.8) of one occurrence.

    ``owner`` is the schedule, broadcast or request; ``key`` the local year (YEARLY), the local ISO start
    (RRULE, ONCE) or the user id (broadcast). The same pair gives the same id, here and in ``DERIVE_ID_SQL``.
    """
    value = int.from_bytes(sha256(f"{owner}/{key}".encode()).digest()[:16])
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def idempotency_key(event_id: UUID) -> str:
    """What receivers deduplicate by: the event's id as text, stable over retries and redrives."""
    return str(event_id)


# Bits of a bytea count from the least significant of each byte: 52..55 are the version, 70..71 the variant.
# PL/pgSQL, because convert_to is only STABLE: an SQL function would not be inlined and costs twice as much.
DERIVE_ID_SQL: Final = """\
CREATE OR REPLACE FUNCTION derive_id(owner text, key text) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN encode(
        set_bit(set_bit(set_bit(set_bit(set_bit(set_bit(
            substring(sha256(convert_to(owner || '/' || key, 'UTF8')) FROM 1 FOR 16),
            55, 1), 54, 0), 53, 0), 52, 0), 71, 1), 70, 0),
        'hex')::uuid;
END
$$
"""
"""``derive_id`` for PostgreSQL 11 or newer, without extensions. An owner that is a uuid is cast to text."""

GOLDEN_VECTOR: Final = ("0192f1c4-5a7e-7c3b-9d2e-8f4a6b1c0d3e", "2026", "fd8615cc-660b-84e9-96a9-0cdf4f423ac7")
"""Owner, key and the id that every implementation has to derive from them."""
