"""How deliveries, endpoints and dead letters stand as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DeliveriesOfPriority:
    """Pending deliveries of a priority.

    ``waiting`` for a retry's time, ``due`` and not begun, ``in_flight`` at a worker, ``abandoned`` by one: its lease
    ended without a result. ``oldest_seconds``: how long the first of those due has been; None where none is.
    """

    priority: int
    waiting: int
    due: int
    in_flight: int
    abandoned: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class OpenCircuit:
    """An endpoint with an open circuit; times are real."""

    endpoint_id: UUID
    description: str | None
    state: str
    failing_since: datetime | None
    failures_in_row: int


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """Endpoints by how they stand. ``open`` and ``half_open`` are enabled; ``circuits`` are the first of those."""

    enabled: int
    disabled: int
    open: int
    half_open: int
    circuits: Sequence[OpenCircuit]


@dataclass(frozen=True, slots=True)
class RecentAttempts:
    """Attempts of the last ``window_seconds``, or the newest of them."""

    window_seconds: float
    made: int
    succeeded: int
    timed_out: int


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Open dead letters by reason, and all new ones of the last hour of Almanac's time."""

    open: Mapping[str, int]
    new: int


@dataclass(frozen=True, slots=True)
class ServiceStats:
    """All of it."""

    deliveries: Sequence[DeliveriesOfPriority]
    endpoints: EndpointHealth
    recent_attempts: RecentAttempts
    dead_letters: DeadLetters
