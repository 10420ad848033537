"""When an endpoint's circuit opens, and when the endpoint is disabled (ADR 25)."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from typing import NamedTuple
from uuid import UUID

from delivery_service.domain.attempts import TIMEOUTS, TOO_MANY_REQUESTS, UNRELATED_FAULTS, Attempt, Fault, Verdict
from delivery_service.domain.deliveries import Dispatch, Result, Target
from delivery_service.domain.disabling import DisablePolicy
from delivery_service.domain.retries import parse_retry_after


class CircuitState(StrEnum):
    """OPEN: nothing is sent until a probe may be. HALF_OPEN: one probe is in flight and decides."""

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
    """When circuits open, in seconds of real time. Any of three conditions is enough.

    - Of at least ``min_attempts`` attempts the share ``failure_rate`` failed; both counts are halved every
      ``half_life_seconds``.
    - ``timeouts_in_row`` attempts in a row timed out. The rate alone does not open the circuit of an endpoint that
      hangs: ten attempts of 30 s do not fit into a half-life of 30 s unless they are made side by side.
    - Failed attempts in a row took ``lost_seconds`` altogether.

    The first probe goes out after ``open_seconds``; each that fails doubles the wait, up to ``open_cap_seconds``.
    ``disabling`` says when an endpoint that only fails is disabled.
    """

    half_life_seconds: float = 30.0
    min_attempts: int = 10
    failure_rate: float = 0.5
    timeouts_in_row: int = 3
    lost_seconds: float = 60.0
    open_seconds: float = 5.0
    open_cap_seconds: float = 300.0
    disabling: DisablePolicy = field(default_factory=DisablePolicy)


@dataclass(frozen=True, slots=True)
class Tally:
    """What attempts of one batch say about an endpoint.

    All were claimed at the same ``version`` of the endpoint (None: any) and the same ``generation`` of its circuit.
    Those of an earlier generation began before the circuit opened or closed, and do not count.

    Attributes:
        attempts: how many, with successes that were not reported before.
        failures: those that may pass; a refusal of one event says nothing about the next.
        succeeded: whether any succeeded.
        trailing: those that did not succeed at the end of the batch, refusals included.
        gone: whether the receiver answered 410.
        pause_seconds: the pause that it requested with a 429; 0 where it did not.
        probe: the delivery that probes a half-open circuit. It may end without an attempt that says anything
            (``attempts`` is 0): then another probe may go out at once.
        timeouts: those that timed out at the end of the batch; ``all_timeouts``: nothing else is in it.
        lost_seconds: how long the failures at the end of the batch took; ``all_failures``: nothing else is in it.
    """

    endpoint_id: UUID
    attempts: float
    failures: int
    succeeded: bool
    trailing: int
    gone: bool
    http_status: int | None
    pause_seconds: float = 0.0
    version: int | None = None
    generation: int = 0
    probe: UUID | None = None
    timeouts: int = 0
    all_timeouts: bool = False
    lost_seconds: float = 0.0
    all_failures: bool = False


class EndpointVersion(NamedTuple):
    """An endpoint as it was configured when an attempt began. Its result does not count for another version."""

    endpoint_id: UUID
    version: int | None


_FADED = 0.01
"""Attempts: so few change no rate."""


class UnreportedSuccesses:
    """Attempts at endpoints whose circuits were not written, because all is well; decays with the same half-life."""

    def __init__(self, half_life_seconds: float) -> None:
        self._half_life = half_life_seconds
        self._counts: dict[EndpointVersion, tuple[float, float]] = {}

    def counts(self) -> dict[EndpointVersion, float]:
        """Return the rest of them, by endpoint and version: a changed endpoint begins without."""
        now = time.monotonic()
        return {endpoint: self._left(count, now - at) for endpoint, (count, at) in self._counts.items()}

    def update(self, tallies: Iterable[Tally], reported: set[UUID]) -> None:
        """Remember ``tallies``, except those of endpoints whose circuits were written: these are ``reported``."""
        now = time.monotonic()
        for each in tallies:
            endpoint = EndpointVersion(each.endpoint_id, each.version)
            if each.endpoint_id in reported:
                self._counts.pop(endpoint, None)
            else:
                self._counts[endpoint] = each.attempts, now
        # Of older versions, and of endpoints that get nothing any more, nothing would be popped.
        for endpoint in [each for each, (count, at) in self._counts.items() if self._left(count, now - at) < _FADED]:
            del self._counts[endpoint]

    def _left(self, count: float, seconds: float) -> float:
        return float(count * 0.5 ** (seconds / self._half_life))


@dataclass(frozen=True, slots=True)
class _Key:
    endpoint_id: UUID
    version: int
    generation: int
    probe: UUID | None


def tally(
    results: Iterable[Result], unreported: Mapping[EndpointVersion, float], *, pause_cap: float = 0.0
) -> list[Tally]:
    """Add up results by endpoint, in their order, on top of successes that were not reported before.

    Attempts that never reached for the endpoint say nothing about it: a person without a phone, a setting of ours. A
    probe that ends so is returned. ``pause_cap`` is the longest pause in seconds that is granted.
    """
    made: dict[_Key, list[Attempt]] = {}
    returned: list[Tally] = []
    newest: dict[UUID, int] = {}
    for each in results:
        dispatch, attempt = each.dispatch, each.attempt
        if isinstance(dispatch.target, Target) and attempt is not None and attempt.fault not in UNRELATED_FAULTS:
            endpoint_id, generation = dispatch.target.endpoint_id, dispatch.generation
            probe = dispatch.delivery_id if dispatch.probe_of else None
            made.setdefault(_Key(endpoint_id, dispatch.target.version, generation, probe), []).append(attempt)
            newest[endpoint_id] = max(generation, newest.get(endpoint_id, 0))
        else:
            returned += returned_probes([dispatch])
    tallies = []
    for key, attempts in made.items():
        # Unreported results belong to the current generation, which is the newest.
        known = unreported.get(EndpointVersion(key.endpoint_id, key.version), 0.0)
        before = known if key.generation == newest[key.endpoint_id] else 0.0
        tallies.append(_tally(key, attempts, before, pause_cap))
    return tallies + returned


def returned_probes(dispatches: Iterable[Dispatch]) -> list[Tally]:
    """Return the tallies of probes that end without an attempt that says anything about their endpoints."""
    return [
        Tally(each.probe_of, 0, 0, False, 0, False, None, generation=each.generation, probe=each.delivery_id)
        for each in dispatches
        if each.probe_of is not None
    ]


def _tally(key: _Key, made: Sequence[Attempt], unreported: float, pause_cap: float) -> Tally:
    unsuccessful = _at_end(made, lambda each: each.verdict is not Verdict.SUCCEEDED)
    failed = _at_end(made, lambda each: each.verdict is Verdict.RETRY)
    timed_out = _at_end(made, lambda each: each.fault in TIMEOUTS)
    alone = unreported < 1
    return Tally(
        endpoint_id=key.endpoint_id,
        attempts=len(made) + unreported,
        failures=sum(each.verdict in (Verdict.RETRY, Verdict.GONE) for each in made),
        succeeded=len(unsuccessful) < len(made) or not alone,
        # A fault of our own opens a circuit, but must not switch endpoints off.
        trailing=sum(each.fault != Fault.INTERNAL_ERROR for each in unsuccessful),
        gone=any(each.verdict is Verdict.GONE for each in made),
        http_status=made[-1].http_status,
        pause_seconds=min(pause_cap, max((_pause(each) for each in made), default=0.0)),
        version=key.version,
        generation=key.generation,
        probe=key.probe,
        timeouts=len(timed_out),
        all_timeouts=alone and len(timed_out) == len(made),
        lost_seconds=sum(each.duration_seconds for each in failed),
        all_failures=alone and len(failed) == len(made),
    )


def _at_end(made: Sequence[Attempt], condition: Callable[[Attempt], bool]) -> list[Attempt]:
    """The attempts after the last one that does not meet ``condition``."""
    return list(takewhile(condition, reversed(made)))


def _pause(attempt: Attempt) -> float:
    """The rest of the pause that a receiver requested."""
    if attempt.http_status != TOO_MANY_REQUESTS or attempt.headers is None:
        return 0.0
    answered_at = attempt.started_at + timedelta(seconds=attempt.duration_seconds)
    asked = parse_retry_after(attempt.headers.get("retry-after"), answered_at) or 0.0
    return max(0.0, asked - (datetime.now(UTC) - answered_at).total_seconds())
