"""Counts, latencies, timelines and costs (analytics-service)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from contracts.http.model import HttpModel, Missing
from contracts.vocabulary import EventType, Priority


class Count(HttpModel):
    """How often an outcome occurred for events of one type and priority."""

    event_type: EventType
    priority: Priority
    outcome: str
    count: int


class Latency(HttpModel):
    """Percentiles of one measure in seconds; over all priorities where ``priority`` is None."""

    measure: str
    priority: Priority | None = None
    count: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Overview(HttpModel):
    """Counts and latencies of a time window, by the instants of the events."""

    since: datetime
    until: datetime
    success_rate: float | None = None
    totals: Mapping[str, int]
    counts: tuple[Count, ...]
    latencies: tuple[Latency, ...]


class CountPoint(HttpModel):
    """How often an outcome occurred in the span that begins at ``start``."""

    start: datetime
    outcome: str
    event_type: EventType | None = None
    priority: Priority | None = None
    count: int


class CountSeries(HttpModel):
    """Spans of a grain, oldest first; spans without events are omitted."""

    grain: str
    since: datetime
    until: datetime
    points: tuple[CountPoint, ...]


class LatencyPoint(HttpModel):
    """Percentiles of one measure, in seconds, in the span that begins at ``start``."""

    start: datetime
    measure: str
    count: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class LatencySeries(HttpModel):
    """Spans of a grain, oldest first; spans without a measurement are omitted."""

    since: datetime
    until: datetime
    points: tuple[LatencyPoint, ...]


class Span(HttpModel):
    """A bar of an event's waterfall; still open where it has no end."""

    id: str
    parent_id: str | None = None
    kind: str
    name: str
    service: str
    start: datetime
    end: datetime | None = None
    duration_seconds: float | None = None
    status: str
    trace_id: str | None = None
    attributes: Mapping[str, Any] = Field(default_factory=dict)


class Trace(HttpModel):
    """A trace that the event is in, and its page in Jaeger if one is configured."""

    trace_id: str
    url: str | None = None


class Timeline(HttpModel):
    """The history of one event in all services, oldest first. ``missing`` are services that did not answer."""

    event_id: UUID
    spans: tuple[Span, ...]
    traces: tuple[Trace, ...] = ()
    missing: tuple[Missing, ...] = ()


class CostLine(HttpModel):
    """What one thing cost in the observed time, and at that rate in a day and in a month, in US dollars.

    Day and month are None where less than an hour was observed.
    """

    category: str
    name: str
    quantity: float
    unit: str
    amount: float
    daily: float | None
    monthly: float | None


class CategoryCost(HttpModel):
    """A category's monthly cost, and that of the reference architecture."""

    category: str
    monthly: float | None
    source_monthly: float


class Saving(HttpModel):
    """A possible saving a month; None where usage does not show it."""

    name: str
    monthly_min: float | None
    monthly_max: float | None
    source_monthly_min: float
    source_monthly_max: float


class ReferenceCosts(HttpModel):
    """The estimate of the reference architecture."""

    events_per_month: int
    users: int
    monthly: float
    monthly_after_savings: float
    per_event: float


class Costs(HttpModel):
    """The costs of a time window, in US dollars."""

    since: datetime
    until: datetime
    observed_seconds: float
    projected: bool = True
    events: int
    amount: float
    daily: float | None
    monthly: float | None
    per_event: float | None
    bus_per_event: float | None
    calls_per_event: float | None
    lines: tuple[CostLine, ...]
    categories: tuple[CategoryCost, ...]
    savings: tuple[Saving, ...]
    source: ReferenceCosts
    missing: tuple[Missing, ...]
