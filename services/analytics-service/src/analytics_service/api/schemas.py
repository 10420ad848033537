"""Replies."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from pydantic import Field

from analytics_service.domain.facts import Kind, Measure
from analytics_service.domain.grains import Grain
from analytics_service.domain.overview import Overview
from analytics_service.domain.records import Missing
from analytics_service.domain.series import SUCCEEDED, CountPoint, EndpointSummary, LatencyPoint
from chassis.api.wire import WireModel
from contracts.vocabulary import Channel, EventType, Priority


class MissingBody(WireModel):
    """A service that did not say its part, and why."""

    service: str
    reason: str

    @classmethod
    def of(cls, missing: Missing) -> "MissingBody":
        return cls(service=missing.service, reason=missing.reason)


class CountBody(WireModel):
    """How often it happened to events of one type and priority."""

    event_type: EventType
    priority: Priority
    outcome: Kind
    count: int


class PercentilesBody(WireModel):
    """In seconds, within 4.4 % (and 1 ms); null where nothing was measured."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None


class LatencyBody(PercentilesBody):
    """Percentiles of one measure."""

    measure: Measure
    priority: Priority | None = Field(description="Null: over all priorities.")


class OverviewBody(WireModel):
    """Counts and latencies of a window of time, by the instants of the events."""

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
                    **asdict(each.percentiles),
                )
                for each in overview.latencies
            ],
        )


class CountPointBody(WireModel):
    """How often something happened in the span that begins at ``start``."""

    start: datetime
    outcome: Kind
    event_type: EventType | None = Field(description="Null where not grouped by, or where it happens to no event.")
    priority: Priority | None = Field(description="As for the type.")
    count: int

    @classmethod
    def of(cls, point: CountPoint) -> "CountPointBody":
        return cls(
            start=point.start,
            outcome=point.kind,
            event_type=None if point.event_type is None else EventType(point.event_type),
            priority=None if point.priority is None else Priority(point.priority),
            count=point.count,
        )


class SeriesBody(WireModel):
    """Spans of a grain, from the first to before the last."""

    grain: Grain
    since: datetime
    until: datetime
    points: Sequence[WireModel]


class CountSeriesBody(SeriesBody):
    """Oldest first; spans in which nothing happened are left out."""

    points: Sequence[CountPointBody]


class LatencyPointBody(PercentilesBody):
    """Percentiles of the span that begins at ``start``."""

    start: datetime
    measure: Measure
    event_type: EventType | None = Field(description="Null where not grouped by.")
    priority: Priority | None = Field(description="Null where not grouped by.")

    @classmethod
    def of(cls, point: LatencyPoint) -> "LatencyPointBody":
        return cls(
            start=point.start,
            measure=point.measure,
            event_type=None if point.event_type is None else EventType(point.event_type),
            priority=None if point.priority is None else Priority(point.priority),
            **asdict(point.percentiles),
        )


class LatencySeriesBody(SeriesBody):
    """Oldest first; spans in which nothing was measured are left out."""

    points: Sequence[LatencyPointBody]


class EndpointSummaryBody(WireModel):
    """The results of the deliveries to one endpoint."""

    endpoint_id: UUID
    channel: Channel
    deliveries: int
    success_rate: float
    results: dict[str, int] = Field(description="How many ended in each way: `succeeded`, or a reason.")
    attempts: int
    latency: PercentilesBody

    @classmethod
    def of(cls, summary: EndpointSummary) -> "EndpointSummaryBody":
        return cls(
            endpoint_id=summary.endpoint_id,
            channel=Channel(summary.channel),
            deliveries=summary.deliveries,
            success_rate=summary.success_rate,
            results=summary.results,
            attempts=summary.attempts,
            latency=PercentilesBody(**asdict(summary.latency)),
        )


class EndpointRow(WireModel):
    """The same in one line."""

    endpoint_id: UUID
    channel: Channel
    deliveries: int
    succeeded: int
    success_rate: float
    attempts: int
    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, summary: EndpointSummary) -> "EndpointRow":
        return cls(
            endpoint_id=summary.endpoint_id,
            channel=Channel(summary.channel),
            deliveries=summary.deliveries,
            succeeded=summary.results.get(SUCCEEDED, 0),
            success_rate=summary.success_rate,
            attempts=summary.attempts,
            p50=summary.latency.p50,
            p95=summary.latency.p95,
            p99=summary.latency.p99,
        )


class EndpointResultsBody(WireModel):
    """The busiest endpoint first."""

    since: datetime
    until: datetime
    endpoints: list[EndpointSummaryBody]


class EngagementBody(WireModel):
    """The outcomes of one user's events: ``failed`` counts those that were missed, too."""

    user_id: UUID
    delivered: int
    failed: int
    last_at: datetime = Field(description="When the last of them ended.")


class TagEngagementBody(WireModel):
    """The outcomes of the events of users with one tag; an event counts for each of them."""

    tag: str
    delivered: int
    failed: int
    last_at: datetime = Field(description="When the last of them ended.")
