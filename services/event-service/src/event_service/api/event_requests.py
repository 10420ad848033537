"""Request models of ``/v1/events``."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator

from chassis.api.wire import RequestModel
from contracts.vocabulary import EventType
from event_service.api.inputs import (
    Expiry,
    Gap,
    Grace,
    IgnoreSendWindow,
    Label,
    Moment,
    Overlap,
    OwnZone,
    Payload,
    Raised,
    Template,
    length,
    with_local_time_only,
)
from event_service.domain.one_offs import NewEvent, When

MOST_ITEMS = 1000
ZONE = "Of a local time. Without it, it is the user's own, and moves with the user to another zone."


class _Timed(RequestModel):
    at: Moment
    timezone: Annotated[OwnZone, Field(description=ZONE)] = None

    @field_validator("timezone", mode="after")
    @classmethod
    def _of_a_local_time(cls, value: str | None, info: ValidationInfo) -> str | None:
        return with_local_time_only(value, info.data.get("at"), given="at" in info.data)

    def when(self) -> When:
        return When(self.at, self.timezone)


class EventFields(_Timed):
    """An event without its recipient."""

    event_type: Literal[EventType.NOTIFICATION, EventType.REMINDER] = EventType.NOTIFICATION
    priority: Raised = None
    message: Template | None = Field(default=None, description="By default as its type has it.")
    label: Label | None = None
    payload: Payload = Field(default_factory=dict)
    gap: Gap = None
    overlap: Overlap = None
    grace_seconds: Grace = None
    expiry_seconds: Expiry = None
    ignore_send_window: IgnoreSendWindow = False

    def for_user(self, user_id: UUID) -> NewEvent:
        return NewEvent(
            user_id=user_id,
            event_type=self.event_type,
            when=self.when(),
            priority=self.priority,
            message=self.message,
            label=self.label,
            payload=self.payload,
            gap=self.gap,
            overlap=self.overlap,
            grace=length(self.grace_seconds),
            expiry=length(self.expiry_seconds),
            ignores_window=self.ignore_send_window,
        )


class CreateEvent(EventFields):
    """One event for one user, now or later."""

    user_id: UUID

    def new_event(self) -> NewEvent:
        return self.for_user(self.user_id)


class CreateEvents(RequestModel):
    """Up to 1,000 events, of which all are made or none."""

    items: Annotated[list[CreateEvent], Field(min_length=1, max_length=MOST_ITEMS)]


class RescheduleEvent(_Timed):
    """Another time for an event."""
