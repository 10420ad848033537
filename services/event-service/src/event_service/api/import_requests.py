"""Lines of imports: the same models as the API's own requests, with the keys of the other system."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from chassis.api.wire import Instant, PathText, PlainText, RequestModel, ZoneName
from contracts.vocabulary import EventStatus, EventType
from event_service.api.event_requests import EventFields
from event_service.api.inputs import Raised, StoredPayload
from event_service.api.schedule_schemas import ScheduleFields
from event_service.domain.imported import MAX_EXTERNAL_KEY, MAX_IDEMPOTENCY_KEY, Imported, NewHistory
from event_service.domain.one_offs import NewEvent
from event_service.domain.schedule_requests import NewSchedule

NOBODY = UUID(int=0)
"""Stands for the user until the line's is looked up."""

ExternalKey = Annotated[
    PathText,
    Field(
        min_length=1,
        max_length=MAX_EXTERNAL_KEY,
        description="What the other system calls it. A line with a key that was imported before changes what it made.",
    ),
]
UserExternalId = Annotated[PlainText, Field(min_length=1, max_length=200, description="The user's `externalId`.")]
OwnIdempotencyKey = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=MAX_IDEMPOTENCY_KEY,
        pattern=r"^[\x20-\x7e]+$",
        description="The event's `webhook-id`, so that a receiver that remembers it does not take it twice. By default"
        " the event's id.",
    ),
]


class _Line(RequestModel):
    external_key: ExternalKey
    user_id: UUID | None = None
    user_external_id: UserExternalId | None = None

    @model_validator(mode="after")
    def _for_one_user(self) -> Self:
        if (self.user_id is None) == (self.user_external_id is None):
            raise ValueError("must name a user, either by userId or by userExternalId")
        return self


class ImportedSchedule(_Line, ScheduleFields):
    """A schedule of the other system."""

    def line(self) -> Imported[NewSchedule]:
        return Imported(self.external_key, self.for_user(NOBODY), self.user_id, self.user_external_id)


class ImportedEvent(_Line, EventFields):
    """A one-off event of the other system that is yet to come."""

    idempotency_key: OwnIdempotencyKey = None

    @model_validator(mode="after")
    def _at_a_time(self) -> Self:
        if self.at is None:
            raise ValueError("at must be an instant or a local time: `now` would be another one in each import")
        return self

    def line(self) -> Imported[NewEvent]:
        return Imported(
            self.external_key, self.for_user(NOBODY), self.user_id, self.user_external_id, self.idempotency_key
        )


class ImportedHistory(_Line):
    """An event that the other system has fired, or has given up."""

    event_type: EventType
    status: Literal[EventStatus.COMPLETED, EventStatus.FAILED, EventStatus.MISSED, EventStatus.CANCELLED]
    target_timestamp_utc: Instant
    finished_at: Annotated[Instant | None, Field(description="By default the target.")] = None
    reason: Annotated[PlainText, Field(min_length=1, max_length=500)] | None = None
    timezone: Annotated[ZoneName | None, Field(description="By default the user's.")] = None
    occurrence: Annotated[PlainText, Field(min_length=1, max_length=100)] | None = None
    priority: Raised = None
    payload: StoredPayload = Field(default_factory=dict)
    idempotency_key: OwnIdempotencyKey = None

    def line(self) -> Imported[NewHistory]:
        target: datetime = self.target_timestamp_utc
        history = NewHistory(
            event_type=self.event_type,
            status=self.status,
            target=target,
            finished_at=self.finished_at or target,
            reason=self.reason,
            timezone=self.timezone,
            occurrence=self.occurrence,
            priority=self.priority,
            payload=self.payload,
        )
        return Imported(self.external_key, history, self.user_id, self.user_external_id, self.idempotency_key)
