"""What alerts are judged by: everything that was known at one moment. Unknown values are None, never 0."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from analytics_service.domain.overview import Overview


class Absence(StrEnum):
    """Why a service reported nothing."""

    SILENT = "silent"
    """Its address does not answer, not in time, or with an unexpected response."""
    UNAVAILABLE = "unavailable"
    """It answers that it cannot: its database is unreachable."""


@dataclass(frozen=True, slots=True)
class QueueReading:
    """A queue as the service that works on it sees it; what is None the bus did not tell."""

    name: str
    priority: str | None = None
    depth: int | None = 0
    dead: int | None = 0
    oldest_age_seconds: float | None = 0.0
    warn_depth: int = 5_000
    page_depth: int = 10_000


@dataclass(frozen=True, slots=True)
class ServiceReading:
    """The fields that every service reports."""

    connections_used: int = 0
    connections_max: int = 100
    replica_lag_seconds: float | None = None
    outbox_age_seconds: float = 0.0
    bus_error: str | None = None
    queues: Sequence[QueueReading] = ()


@dataclass(frozen=True, slots=True)
class EventsReading:
    """Events of a priority: see event-service's status."""

    priority: str
    overdue: int = 0
    oldest_due_age_seconds: float | None = None
    claims_expired: int = 0
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class DeliveriesReading:
    """Deliveries of a priority: see delivery-service's status."""

    priority: str
    in_flight: int = 0
    abandoned: int = 0
    concurrency: int = 100


@dataclass(frozen=True, slots=True)
class CircuitReading:
    """An endpoint with an open circuit."""

    endpoint_id: str
    description: str | None = None
    failures_in_row: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryReading:
    """Further fields of delivery-service. Attempts are those of the last minutes."""

    deliveries: Sequence[DeliveriesReading] = ()
    circuits: Sequence[CircuitReading] = ()
    attempts: int = 0
    attempts_succeeded: int = 0
    attempts_timed_out: int = 0
    dead_letters_open: int = 0


def _nothing() -> Overview:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return Overview(start, start, (), ())


@dataclass(frozen=True, slots=True)
class Observations:
    """All of it. ``services`` has those whose address is known; ``events`` and ``delivery`` are None if not reported.

    ``recent`` are the counts of the last minutes; ``announced`` counts dead letters of that time, by reason.
    """

    services: Mapping[str, ServiceReading | Absence] = field(default_factory=dict)
    events: Sequence[EventsReading] | None = None
    delivery: DeliveryReading | None = None
    recent: Overview = field(default_factory=_nothing)
    announced: Mapping[str, int] = field(default_factory=dict)
