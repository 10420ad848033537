"""analytics-service's own API: the console asks it like any other reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from analytics_service.console.clients.http import Answer, Api
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
    """What happened in a window of time."""

    since: datetime
    until: datetime
    success_rate: float | None = None
    totals: Mapping[str, int]
    counts: tuple[Count, ...]
    latencies: tuple[Latency, ...]


class TimelineEntry(Answer):
    """One thing that happened to an event, told by ``source``."""

    at: datetime
    kind: str
    source: str
    trace_id: str | None = None
    data: Mapping[str, Any] = MappingProxyType({})


class Timeline(Answer):
    """Everything that is known of one event, oldest first."""

    event_id: UUID
    entries: tuple[TimelineEntry, ...]


@dataclass(frozen=True)
class AnalyticsClient:
    """Asks analytics-service. Everything raises ServiceError."""

    api: Api

    async def overview(self, minutes: int) -> Overview:
        return await self.api.get("/v1/metrics/overview", Overview, minutes=minutes)

    async def timeline(self, event_id: UUID) -> Timeline:
        return await self.api.get(f"/v1/events/{event_id}/timeline", Timeline)
