"""analytics-service's own API: the console asks it like any other reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from analytics_service.console.clients.http import Answer, Api
from analytics_service.console.clients.status import ServiceStatus
from contracts.vocabulary import EventType, Priority


class Count(Answer):
    """How often something happened to events of one type and priority."""

    event_type: EventType
    priority: Priority
    outcome: str
    count: int


class Latency(Answer):
    """Percentiles of one measure in seconds; of all priorities where ``priority`` is None."""

    measure: str
    priority: Priority | None = None
    count: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Overview(Answer):
    """Counts and latencies of a window of time."""

    since: datetime
    until: datetime
    success_rate: float | None = None
    totals: Mapping[str, int]
    counts: tuple[Count, ...]
    latencies: tuple[Latency, ...]


class CountPoint(Answer):
    """How often something happened in the span that begins at ``start``."""

    start: datetime
    outcome: str
    event_type: EventType | None = None
    priority: Priority | None = None
    count: int


class CountSeries(Answer):
    """Spans of a grain; those in which nothing happened are left out."""

    grain: str
    since: datetime
    until: datetime
    points: tuple[CountPoint, ...]


class LatencyPoint(Answer):
    """Percentiles in seconds of one measure, over all types, in the span that begins at ``start``."""

    start: datetime
    measure: str
    count: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class LatencySeries(Answer):
    """Spans of a grain; those in which nothing was measured are left out."""

    since: datetime
    until: datetime
    points: tuple[LatencyPoint, ...]


class Span(Answer):
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


class Trace(Answer):
    """A trace that the event is in, and its page in Jaeger where there is one."""

    trace_id: str
    url: str | None = None


class Missing(Answer):
    """A service that did not answer, and why."""

    service: str
    reason: str


class Timeline(Answer):
    """Everything that is known of one event, oldest first."""

    event_id: UUID
    spans: tuple[Span, ...]
    traces: tuple[Trace, ...] = ()
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True)
class AnalyticsClient:
    """Asks analytics-service. Everything raises ServiceError."""

    api: Api

    async def overview(self, minutes: int) -> Overview:
        return await self.api.get("/v1/metrics/overview", Overview, minutes=minutes)

    async def timeline(self, event_id: UUID) -> Timeline:
        return await self.api.get(f"/v1/events/{event_id}/timeline", Timeline)

    async def counts(
        self, grain: str, *outcomes: str, since: datetime | None = None, by: str | None = None
    ) -> CountSeries:
        """How often ``outcomes`` happened by ``minute``, ``hour`` or ``day``: of the last 60, or from ``since`` on.

        ``by`` groups by ``priority`` or ``eventType``.
        """
        return await self.api.get(
            "/v1/metrics/timeseries",
            CountSeries,
            grain=grain,
            outcome=outcomes,
            groupBy=by,
            **{"from": None if since is None else since.isoformat()},
        )

    async def latency(self, grain: str, measure: str, since: datetime) -> LatencySeries:
        """Percentiles of a measure over all types, from ``since`` on."""
        asked = {"grain": grain, "measure": measure, "from": since.isoformat()}
        return await self.api.get("/v1/metrics/latency", LatencySeries, **asked)

    async def status(self) -> ServiceStatus:
        return await self.api.get("/v1/status", ServiceStatus)
