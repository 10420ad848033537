"""Facts: what the other services say has happened, reduced to what is counted and shown."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from analytics_service.domain.histogram import bucket_of


class Kind(StrEnum):
    """What happened: to an event, to its delivery, to an endpoint, to a user."""

    SCHEDULED = "scheduled"
    RESCHEDULED = "rescheduled"
    PUBLISHED = "published"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    FAILED = "failed"
    MISSED = "missed"
    DELIVERY_SUCCEEDED = "delivery_succeeded"
    DELIVERY_FAILED = "delivery_failed"
    DEAD_LETTERED = "dead_lettered"
    ENDPOINT_DISABLED = "endpoint_disabled"
    USER_CREATED = "user_created"
    USER_CHANGED = "user_changed"
    USER_DELETED = "user_deleted"


class Measure(StrEnum):
    """What a latency measures."""

    LATENESS = "lateness"
    """From the target to the publication."""
    QUEUE = "queue"
    """From the publication to the receipt by a worker."""
    WEBHOOK = "webhook"
    """The last attempt at a webhook endpoint."""
    END_TO_END = "end_to_end"
    """From the target to the last delivery's end, for events that completed: what failed never arrived."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened, at an instant of the (maybe simulated) clock. Nothing personal is in it."""

    item_id: UUID
    kind: Kind
    at: datetime
    source: str
    event_id: UUID | None = None
    event_type: str | None = None
    priority: int | None = None
    trace_id: str | None = None
    latencies: tuple[tuple[Measure, float], ...] = ()
    data: str = "{}"
    """What else the publisher said, as JSON."""


CountKey: TypeAlias = tuple[datetime, Kind, str | None, int | None]
"""Minute, kind, event type, priority."""
LatencyKey: TypeAlias = tuple[datetime, Measure, str | None, int | None, int]
"""Minute, measure, event type, priority, bucket of the histogram."""


@dataclass(frozen=True, slots=True)
class Rollup:
    """Facts counted by the minute in which they happened."""

    counts: Counter[CountKey] = field(default_factory=Counter)
    latencies: Counter[LatencyKey] = field(default_factory=Counter)

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> "Rollup":
        rollup = cls()
        for fact in facts:
            minute = fact.at.replace(second=0, microsecond=0)
            rollup.counts[minute, fact.kind, fact.event_type, fact.priority] += 1
            for measure, seconds in fact.latencies:
                rollup.latencies[minute, measure, fact.event_type, fact.priority, bucket_of(seconds)] += 1
        return rollup
