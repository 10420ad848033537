"""When to try again: exponential backoff with full jitter, and ``Retry-After`` (docs/architecture.md#delivery)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER = 64
"""Characters. A date of RFC 9110 has at most 33; a longer value is not parsed."""
SPREAD = 1.1
"""Retries of an endpoint's own schedule come up to a tenth later, so that simultaneous failures do not retry
simultaneously."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``max_tries`` in all; before the n-th retry a random time up to ``base * factor ** (n - 1)``, at most ``cap``.

    Seconds of real time. ``retry_after_cap`` is the maximum ``Retry-After`` that is honoured in full.
    """

    max_tries: int
    base: float
    factor: float
    cap: float
    retry_after_cap: float

    def ceiling(self, tries: int) -> float:
        """The longest backoff after that many tries."""
        # Sixty-four doublings are past any cap, and short of what overflows a float.
        return min(self.cap, self.base * self.factor ** min(tries - 1, 64))

    @property
    def longest(self) -> float:
        """Seconds of all waits together, if each retry comes as late as it can."""
        return sum(max(self.ceiling(tries), self.retry_after_cap) for tries in range(1, self.max_tries))

    def delay(
        self, tries: int, retry_after: float | None = None, schedule: Sequence[float] | None = None
    ) -> float | None:
        """Seconds until the next attempt after ``tries`` attempts, None if none is left.

        ``retry_after`` is a lower bound that the receiver asked for. ``schedule`` has the seconds before each retry and
        replaces the backoff.
        """
        if schedule is None:
            backoff = random.uniform(0, self.ceiling(tries)) if tries < self.max_tries else None
        else:
            backoff = schedule[tries - 1] * random.uniform(1, SPREAD) if tries <= len(schedule) else None
        return None if backoff is None else max(backoff, min(retry_after or 0.0, self.retry_after_cap))


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from ``now`` (real time) that a ``Retry-After`` asks for (RFC 9110 §10.2.3).

    None for any value that is neither a number of seconds nor a date. Never raises: the value is untrusted input.
    """
    if value is None:
        return None
    value = value.strip()
    if len(value) > MAX_RETRY_AFTER:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        instant = parsedate_to_datetime(value)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        return max(0.0, (instant - now).total_seconds())
    except (ValueError, OverflowError):
        # The parser lets years, days and offsets through that no datetime can hold.
        return None
