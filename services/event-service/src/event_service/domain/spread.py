"""Spreads: what many have at one wall time is sent over some seconds, so that a receiver is not hit at once.

The share of each is derived from its id and so is the same in every process and every year (compare the jitter of a
Temporal schedule, which is derived from the schedule's and the occurrence's names).
"""

from datetime import timedelta
from hashlib import sha256
from uuid import UUID

LONGEST_SPREAD = timedelta(days=1)

SHARE_BITS = 32
"""Of a SHA-256: shares are uniform, so of a million over 600 s each second has 1,667, give or take 2.5%."""

SHARE_SQL = (
    f"CAST(CAST('x' || substr(encode(sha256(uuid_send({{}})), 'hex'), 1, {SHARE_BITS // 4}) AS bit(32)) AS bigint)"
)
"""The expression of :func:`share_of` in PostgreSQL, of an expression for the id. Tested to agree."""


def share_of(owner: UUID) -> int:
    """Return which part of a spread falls to ``owner``, a schedule or an event without one: 0 to 2³² - 1."""
    return int.from_bytes(sha256(owner.bytes).digest()[: SHARE_BITS // 8])


def offset(share: int, spread: timedelta) -> timedelta:
    """Return how long after the first of a spread this share comes: whole seconds, less than ``spread``."""
    return timedelta(seconds=(share * int(spread.total_seconds())) >> SHARE_BITS)
