"""Replies about one event."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from analytics_service.api.schemas import MissingBody
from analytics_service.application.timelines import Timeline
from analytics_service.domain.facts import Kind
from analytics_service.domain.records import EventRecord
from analytics_service.domain.waterfall import Span, SpanKind, SpanStatus
from chassis.api.wire import WireModel
from contracts.vocabulary import EventStatus, EventType, Priority


class TimelineEntryBody(WireModel):
    """One fact about the event, reported by ``source``."""

    at: datetime
    kind: Kind
    source: str
    trace_id: str | None
    item_id: UUID
    data: dict[str, Any]


class TransitionBody(WireModel):
    """One step of the event's way: when, to which state, why."""

    at: datetime
    status: EventStatus
    cause: str


class TimelineEventBody(WireModel):
    """The event as it stands."""

    event_type: EventType
    status: EventStatus
    priority: Priority
    user_id: UUID
    occurrence: str
    attempt: int
    target_timestamp_utc: datetime
    target_timezone: str
    expires_at: datetime
    published_at: datetime | None
    finished_at: datetime | None
    reason: str | None
    history: list[TransitionBody]

    @classmethod
    def of(cls, event: EventRecord) -> Self:
        return cls(
            event_type=EventType(event.event_type),
            status=EventStatus(event.status),
            priority=Priority(event.priority),
            user_id=event.user_id,
            occurrence=event.occurrence,
            attempt=event.attempt,
            target_timestamp_utc=event.target,
            target_timezone=event.timezone,
            expires_at=event.expires_at,
            published_at=event.published_at,
            finished_at=event.finished_at,
            reason=event.reason,
            history=[
                TransitionBody(at=step.at, status=EventStatus(step.status), cause=step.cause) for step in event.history
            ],
        )


class SpanBody(WireModel):
    """A bar of the waterfall; of no length where it is a `step`."""

    id: str
    parent_id: str | None = Field(description="The span that holds this one, as a delivery its attempts.")
    kind: SpanKind
    name: str
    service: str
    start: datetime
    end: datetime | None = Field(description="Null while it is open.")
    duration_seconds: float | None = Field(description="Null while it is open.")
    status: SpanStatus
    trace_id: str | None
    attributes: dict[str, Any] = Field(description="Of an attempt: `httpStatus`, `error`, `excerpt`, `headers`.")

    @classmethod
    def of(cls, span: Span) -> Self:
        return cls(
            id=span.id,
            parent_id=span.parent,
            kind=span.kind,
            name=span.name,
            service=span.service,
            start=span.start,
            end=span.end,
            duration_seconds=None if span.end is None else (span.end - span.start).total_seconds(),
            status=span.status,
            trace_id=span.trace_id,
            attributes=dict(span.attributes),
        )


class TraceBody(WireModel):
    """A trace that something of the event is in."""

    trace_id: str
    url: str | None = Field(description="Its page in Jaeger, where one is configured.")


class TimelineBody(WireModel):
    """Everything that is known of one event: facts and spans, oldest first."""

    event_id: UUID
    event: TimelineEventBody | None = Field(description="Null where event-service does not know it, or is missing.")
    entries: list[TimelineEntryBody]
    spans: list[SpanBody]
    traces: list[TraceBody]
    missing: list[MissingBody]

    @classmethod
    def of(cls, event_id: UUID, timeline: Timeline, jaeger_url: str | None) -> Self:
        return cls(
            event_id=event_id,
            event=None if timeline.event is None else TimelineEventBody.of(timeline.event),
            entries=[TimelineEntryBody.model_validate(each, from_attributes=True) for each in timeline.entries],
            spans=[SpanBody.of(each) for each in timeline.spans],
            traces=[
                TraceBody(trace_id=id, url=f"{jaeger_url}/trace/{id}" if jaeger_url else None)
                for id in timeline.trace_ids
            ],
            missing=[MissingBody.of(each) for each in timeline.missing],
        )
