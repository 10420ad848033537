"""Replies."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from analytics_service.domain.facts import Kind, Measure
from analytics_service.domain.overview import Overview
from chassis.api.wire import WireModel
from contracts.vocabulary import EventType, Priority


class CountBody(WireModel):
    """How often it happened to events of one type and priority."""

    event_type: EventType
    priority: Priority
    outcome: Kind
    count: int


class LatencyBody(WireModel):
    """Percentiles in seconds, within 4.4 % (and 1 ms); null where nothing was measured."""

    measure: Measure
    priority: Priority | None = Field(description="Null: over all priorities.")
    count: int
    p50: float | None
    p95: float | None
    p99: float | None


class OverviewBody(WireModel):
    """What happened in a window of time, by the instants at which it happened."""

    since: datetime = Field(description="The first minute that is counted.")
    until: datetime = Field(description="The service's clock now.")
    success_rate: float | None = Field(description="completed / (completed + failed + missed).")
    totals: dict[Kind, int]
    counts: list[CountBody]
    latencies: list[LatencyBody]

    @classmethod
    def of(cls, overview: Overview) -> "OverviewBody":
        return cls(
            since=overview.since,
            until=overview.until,
            success_rate=overview.success_rate,
            totals=dict(overview.totals),
            counts=[
                CountBody(
                    event_type=EventType(each.event_type),
                    priority=Priority(each.priority),
                    outcome=each.kind,
                    count=each.count,
                )
                for each in overview.counts
                if each.event_type is not None and each.priority is not None
            ],
            latencies=[
                LatencyBody(
                    measure=each.measure,
                    priority=None if each.priority is None else Priority(each.priority),
                    count=each.count,
                    p50=each.p50,
                    p95=each.p95,
                    p99=each.p99,
                )
                for each in overview.latencies
            ],
        )


class TimelineEntryBody(WireModel):
    """One thing that happened to the event, told by ``source``."""

    at: datetime
    kind: Kind
    source: str
    trace_id: str | None
    item_id: UUID
    data: dict[str, Any]


class TimelineBody(WireModel):
    """Everything that is known of one event, oldest first."""

    event_id: UUID
    entries: list[TimelineEntryBody]
