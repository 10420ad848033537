"""Request and reply models of ``/v1/broadcasts``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from chassis.api.send_windows import HoursBody, SendWindowInput, window_of
from chassis.api.wire import RequestModel, WireModel, ZoneName
from contracts.vocabulary import EventStatus, Priority
from event_service.api.inputs import (
    Expiry,
    Gap,
    Grace,
    IgnoreSendWindow,
    Messages,
    Moment,
    Overlap,
    Payload,
    Raised,
    ShownLocalDateTime,
    SpreadSeconds,
    Template,
    length,
)
from event_service.domain.broadcast_times import PreviewRow
from event_service.domain.broadcasts import Audience, Broadcast, BroadcastStatus, NewBroadcast
from event_service.domain.local_time import Applied

Tag = Annotated[str, Field(min_length=1, max_length=50)]


class AudienceInput(RequestModel):
    """Who gets it: exactly one of the three."""

    timezones: Annotated[list[ZoneName], Field(min_length=1, max_length=600)] | None = Field(
        default=None, description="All users in these zones."
    )
    tags: Annotated[list[Tag], Field(min_length=1, max_length=20)] | None = Field(
        default=None, description="All users with one of these tags."
    )
    all: Literal[True] | None = Field(default=None, description="Everybody.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if len(self.model_fields_set) != 1 or None in (getattr(self, name) for name in self.model_fields_set):
            raise ValueError("give exactly one of timezones, tags, or all: true")
        return self


class CreateBroadcast(RequestModel):
    """A notification for everyone of an audience. A local time is one of each recipient's own zone."""

    audience: AudienceInput
    at: Moment
    priority: Raised = None
    message: Template | None = Field(default=None, description="By default as notifications have it.")
    payload: Payload = Field(default_factory=dict)
    gap: Gap = None
    overlap: Overlap = None
    grace_seconds: Grace = None
    expiry_seconds: Expiry = None
    messages: Messages = Field(default_factory=dict)
    send_window: SendWindowInput | None = None
    ignore_send_window: IgnoreSendWindow = False
    spread_seconds: SpreadSeconds = 0

    def new_broadcast(self) -> NewBroadcast:
        audience = Audience(
            tuple(dict.fromkeys(self.audience.timezones or ())), tuple(dict.fromkeys(self.audience.tags or ()))
        )
        return NewBroadcast(
            audience=audience,
            at=self.at,
            priority=self.priority,
            message=self.message,
            payload=self.payload,
            gap=self.gap,
            overlap=self.overlap,
            grace=length(self.grace_seconds),
            expiry=length(self.expiry_seconds),
            window=window_of(self.send_window),
            ignores_window=self.ignore_send_window,
            spread=self.spread_seconds,
            messages=self.messages,
        )


class AudienceBody(WireModel):
    """One of the three; the others are null."""

    timezones: list[str] | None
    tags: list[str] | None
    all: bool | None

    @classmethod
    def of(cls, audience: Audience) -> Self:
        everybody = not audience.timezones and not audience.tags
        return cls(timezones=list(audience.timezones) or None, tags=list(audience.tags) or None, all=everybody or None)


class BroadcastBody(WireModel):
    """A broadcast and how far it is."""

    id: UUID
    status: BroadcastStatus
    audience: AudienceBody
    local_time: ShownLocalDateTime | None = Field(description="In each recipient's zone; null of an instant.")
    target_timestamp_utc: datetime | None = Field(description="Null of a local time.")
    priority: Priority
    message: str
    payload: dict[str, object]
    grace_seconds: int
    expiry_seconds: int
    messages: dict[str, str]
    send_window: list[HoursBody] | None
    ignore_send_window: bool
    spread_seconds: int
    recipients: int = Field(description="Of the audience, who were looked at so far.")
    scheduled: int = Field(description="Recipients who have an event.")
    skipped: int = Field(description="Recipients whose time was too long ago, or is left out by their clocks.")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, broadcast: Broadcast) -> Self:
        return cls(
            id=broadcast.id,
            status=broadcast.status,
            audience=AudienceBody.of(broadcast.audience),
            local_time=broadcast.wall,
            target_timestamp_utc=broadcast.instant,
            priority=Priority(broadcast.priority),
            message=broadcast.message,
            payload=dict(broadcast.payload),
            grace_seconds=int(broadcast.grace.total_seconds()),
            expiry_seconds=int(broadcast.expiry.total_seconds()),
            messages=dict(broadcast.messages),
            send_window=HoursBody.all_of(broadcast.window),
            ignore_send_window=broadcast.ignores_window,
            spread_seconds=broadcast.spread,
            recipients=broadcast.recipients,
            scheduled=broadcast.scheduled,
            skipped=broadcast.recipients - broadcast.scheduled,
            created_at=broadcast.created_at,
            updated_at=broadcast.updated_at,
        )


class PreviewRowBody(WireModel):
    """Recipients of one zone, and when they are sent it. Null in the times: clocks there leave it out."""

    timezone: str
    recipients: int
    target_timestamp_utc: datetime | None = Field(description="When it is due there.")
    first_timestamp_utc: datetime | None = Field(description="When the first of them is sent it.")
    last_timestamp_utc: datetime | None = Field(description="When the last of them is; later where it is spread.")
    policies: list[Applied] = Field(
        description="SEND_WINDOW: waits for the next opening. SEND_WINDOW_MISSED: none comes inside the grace. SPREAD."
    )


class BroadcastPreviewBody(WireModel):
    """When a broadcast would be sent, by zone, in the order of time."""

    recipients: int
    items: list[PreviewRowBody]

    @classmethod
    def of(cls, rows: Sequence[PreviewRow]) -> Self:
        return cls(
            recipients=sum(row.recipients for row in rows),
            items=[
                PreviewRowBody(
                    timezone=row.timezone,
                    recipients=row.recipients,
                    target_timestamp_utc=row.instant,
                    first_timestamp_utc=row.first,
                    last_timestamp_utc=row.last,
                    policies=list(row.applied),
                )
                for row in rows
            ],
        )


class BroadcastDetailBody(BroadcastBody):
    """With the counts of its events by their status, some seconds old at most."""

    events: dict[EventStatus, int]

    @classmethod
    def with_counts(cls, broadcast: Broadcast, counts: Mapping[str, int]) -> Self:
        events = {status: counts.get(status, 0) for status in EventStatus}
        return cls(**BroadcastBody.of(broadcast).model_dump(by_alias=False), events=events)
