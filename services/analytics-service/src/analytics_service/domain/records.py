"""What the other services know when they are asked: what no fact carries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Missing:
    """A service that did not say its part, and why."""

    service: str
    reason: str


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of an event's way, as event-service keeps it."""

    at: datetime
    status: str
    cause: str


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event as it stands. Nothing personal: its payload stays where it is."""

    id: UUID
    event_type: str
    status: str
    priority: int
    user_id: UUID
    occurrence: str
    attempt: int
    target: datetime
    timezone: str
    expires_at: datetime
    published_at: datetime | None
    finished_at: datetime | None
    reason: str | None
    history: Sequence[Transition]


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One request to an endpoint and its result."""

    verdict: str
    http_status: int | None
    error: str | None
    headers: Mapping[str, str] | None
    excerpt: str | None
    started_at: datetime
    duration_seconds: float
    trace_id: str | None

    @property
    def ended_at(self) -> datetime:
        return self.started_at + timedelta(seconds=self.duration_seconds)


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """The event on its way to one endpoint; None where no endpoint wanted it."""

    id: UUID
    endpoint_id: UUID | None
    status: str
    reason: str | None
    created_at: datetime
    finished_at: datetime | None
    next_attempt_at: datetime | None
    attempts: Sequence[AttemptRecord]
    """Oldest first."""
