"""When an endpoint is left alone for a while, and when for good (design §5 "Per endpoint")."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from delivery_service.domain.attempts import TOO_MANY_REQUESTS, UNRELATED_FAULTS, Attempt, Fault, Verdict
from delivery_service.domain.retries import parse_retry_after


class CircuitState(StrEnum):
    """OPEN: nothing is sent until a probe may be. HALF_OPEN: one probe is under way, and decides."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(frozen=True, slots=True)
class Circuit:
    """How an endpoint stands. ``failing_since`` is None where its last attempt succeeded, ``probe_at`` where CLOSED."""

    state: CircuitState = CircuitState.CLOSED
    failures_in_row: int = 0
    failing_since: datetime | None = None
    probe_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CircuitPolicy:
    """Seconds of real time. The rate is that of failures among attempts, both halved every ``half_life_seconds``.

    The first probe comes after ``open_seconds``; each that fails doubles the time, up to ``open_cap_seconds``. An
    endpoint is switched off after ``disable_failures`` failed attempts in a row, or once all have failed for
    ``disable_seconds``.
    """

    half_life_seconds: float = 30.0
    min_attempts: int = 10
    failure_rate: float = 0.5
    open_seconds: float = 5.0
    open_cap_seconds: float = 300.0
    disable_failures: int = 1_000
    disable_seconds: float = 5 * 86_400.0


@dataclass(frozen=True, slots=True)
class Tally:
    """What a batch of attempts says about one endpoint.

    ``failures`` are those that may pass, out of ``attempts``; a refusal of one event says nothing about the next.
    ``trailing`` counts what did not succeed at the end of the batch, refusals too. ``gone``: it answered 410.
    ``pause_seconds``: for how long it asked to be left alone, with a 429; 0 where it did not.
    """

    endpoint_id: UUID
    attempts: float
    failures: int
    succeeded: bool
    trailing: int
    gone: bool
    http_status: int | None
    pause_seconds: float = 0.0


class Successes:
    """Attempts at endpoints that are well, which nobody was told of; they are forgotten as the circuits' counts are."""

    def __init__(self, half_life_seconds: float) -> None:
        self._half_life = half_life_seconds
        self._counts: dict[UUID, tuple[float, float]] = {}

    def all(self) -> dict[UUID, float]:
        now = time.monotonic()
        return {endpoint_id: self._left(count, now - at) for endpoint_id, (count, at) in self._counts.items()}

    def said(self, tallies: Iterable[Tally], told: set[UUID]) -> None:
        """Remember what these say, but for the endpoints whose circuits were ``told`` of it."""
        now = time.monotonic()
        for each in tallies:
            if each.endpoint_id in told:
                self._counts.pop(each.endpoint_id, None)
            else:
                self._counts[each.endpoint_id] = each.attempts, now

    def _left(self, count: float, seconds: float) -> float:
        return float(count * 0.5 ** (seconds / self._half_life))


def tally(
    attempts: Iterable[tuple[UUID, Attempt]], unsaid: dict[UUID, float], *, pause_cap: float = 0.0
) -> list[Tally]:
    """Add attempts up by endpoint, in their order, on top of successes that were not told before.

    Those that never reached for the endpoint say nothing about it: a person without a phone, a setting of ours.
    ``pause_cap`` is the longest pause in seconds that is granted.
    """
    by_endpoint: dict[UUID, list[Attempt]] = {}
    for endpoint_id, attempt in attempts:
        if attempt.fault not in UNRELATED_FAULTS:
            by_endpoint.setdefault(endpoint_id, []).append(attempt)
    return [
        _tally(endpoint_id, made, unsaid.get(endpoint_id, 0.0), pause_cap) for endpoint_id, made in by_endpoint.items()
    ]


def _tally(endpoint_id: UUID, made: list[Attempt], unsaid: float, pause_cap: float) -> Tally:
    trailing = 0
    for attempt in reversed(made):
        if attempt.verdict is Verdict.SUCCEEDED:
            break
        # A fault of our own opens a circuit, but must not switch endpoints off.
        trailing += attempt.fault != Fault.INTERNAL_ERROR
    return Tally(
        endpoint_id=endpoint_id,
        attempts=len(made) + unsaid,
        failures=sum(each.verdict in (Verdict.RETRY, Verdict.GONE) for each in made),
        succeeded=unsaid >= 1 or any(each.verdict is Verdict.SUCCEEDED for each in made),
        trailing=trailing,
        gone=any(each.verdict is Verdict.GONE for each in made),
        http_status=made[-1].http_status,
        pause_seconds=min(pause_cap, max((_pause(each) for each in made), default=0.0)),
    )


def _pause(attempt: Attempt) -> float:
    """What is left of the time that a receiver asked for."""
    if attempt.http_status != TOO_MANY_REQUESTS or attempt.headers is None:
        return 0.0
    answered_at = attempt.started_at + timedelta(seconds=attempt.duration_seconds)
    asked = parse_retry_after(attempt.headers.get("retry-after"), answered_at) or 0.0
    return max(0.0, asked - (datetime.now(UTC) - answered_at).total_seconds())
