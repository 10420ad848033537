"""How an endpoint has done lately."""

from dataclasses import dataclass

from delivery_service.domain.attempts import Attempt
from delivery_service.domain.circuits import Circuit

WINDOW_SECONDS = 86_400
SAMPLE = 1_000
"""Deliveries that are looked at, the newest ones: a figure that a person reads must not cost more."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Of attempts, in seconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class EndpointStats:
    """Of the newest deliveries. ``success_rate`` is of those that ended; None where there are none.

    ``last_error`` is the newest attempt that did not succeed; the circuit is as it is now.
    """

    circuit: Circuit

    deliveries: int
    pending: int
    succeeded: int
    failed: int
    attempts: int
    latency: Latency | None
    last_error: Attempt | None

    @property
    def success_rate(self) -> float | None:
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else None
