"""Request and reply models of dead letters; they never leave this room."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from chassis.api.pages import decode_cursor
from chassis.api.wire import Instant, PlainText, RequestModel, WireModel
from contracts.vocabulary import EventType, Priority
from delivery_service.api.schemas import PageQuery, check_range
from delivery_service.domain.dead_letters import DeadLetter, DeadLetterStatus, Redrive, Selection

Reason = Annotated[str, Field(min_length=1, max_length=50, pattern="^[a-z_]+$")]
From = Annotated[Instant | None, Field(alias="from", description="Given up at this instant or later.")]
To = Annotated[Instant | None, Field(alias="to", description="Given up before this instant.")]


class DeadLetterQuery(PageQuery):
    """Which dead letters to list: those that meet every filter given."""

    event_type: EventType | None = None
    event_id: UUID | None = None
    endpoint_id: UUID | None = None
    reason: Reason | None = None
    status: DeadLetterStatus | None = None
    from_at: From = None
    to_at: To = None

    def selection(self) -> Selection:
        """Raises InvalidParameterError."""
        check_range(self.from_at, self.to_at)
        return Selection(
            event_type=self.event_type,
            event_id=self.event_id,
            endpoint_id=self.endpoint_id,
            reason=self.reason,
            status=self.status,
            from_at=self.from_at,
            to_at=self.to_at,
        )

    def before(self) -> UUID | None:
        position = decode_cursor(self.cursor)
        return position[1] if position else None


class DeadLetterFilter(RequestModel):
    """Which open dead letters are meant: those that meet every filter given. One at least must be."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
                for name in ("eventType", "eventId", "endpointId", "reason", "from", "to")
            ]
        }
    )

    event_type: EventType | None = None
    event_id: UUID | None = None
    endpoint_id: UUID | None = None
    reason: Reason | None = None
    from_at: From = None
    to_at: To = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not any(value is not None for name, value in self if name in DeadLetterFilter.model_fields):
            raise ValueError("give at least one filter; to mean all, a `from` of long ago")
        return self

    def selection(self) -> Selection:
        """Raises InvalidParameterError."""
        check_range(self.from_at, self.to_at)
        return Selection(
            event_type=self.event_type,
            event_id=self.event_id,
            endpoint_id=self.endpoint_id,
            reason=self.reason,
            from_at=self.from_at,
            to_at=self.to_at,
        )


Note = Annotated[PlainText, Field(min_length=1, max_length=200, description="Why they are let go.")]


class Discard(RequestModel):
    """Letting one go."""

    note: Note


class DiscardMany(DeadLetterFilter):
    """Letting many go."""

    note: Note


class DiscardedBody(WireModel):
    """What was let go."""

    discarded: int


class DeadLetterBody(WireModel):
    """A delivery, event or message that was given up, as it is listed."""

    id: UUID
    status: Annotated[DeadLetterStatus, Field(description="`REDRIVEN`: how it went, its delivery says.")]
    reason: Annotated[
        str,
        Field(
            description="`exhausted`, `expired`, `rejected`, `gone`, `disabled`, `no_contact`, `no_endpoint`, `poison`"
            " or `not_applied`."
        ),
    ]
    detail: Annotated[str | None, Field(description="What the last attempt met, or why the message was refused.")]
    delivery_id: Annotated[UUID | None, Field(description="Null where no endpoint wanted the event.")]
    event_id: Annotated[UUID | None, Field(description="Null for a message that does not say it.")]
    user_id: UUID | None
    event_type: Annotated[str | None, Field(description="Or an operational event, as `endpoint.disabled`.")]
    priority: Priority | None
    endpoint_id: UUID | None
    attempts: int
    http_status: int | None
    trace_id: str | None
    queue: Annotated[str | None, Field(description="Where a message came from that could not be read.")]
    created_at: datetime
    resolved_at: Annotated[datetime | None, Field(description="When it was redriven or discarded.")]
    note: Annotated[str | None, Field(description="Why it was discarded.")]

    @classmethod
    def of(cls, letter: DeadLetter) -> Self:
        priority = None if letter.priority is None else Priority(letter.priority)
        return cls.model_validate({**asdict(letter), "priority": priority})


class DeadLetterDetailBody(DeadLetterBody):
    """A dead letter with the message's body."""

    payload: str


class RedriveBody(WireModel):
    """A redrive of many, and how far it has come."""

    id: UUID
    total: Annotated[int, Field(description="Open dead letters that met the filter when it began.")]
    redriven: int
    skipped: Annotated[int, Field(description="Could not be redriven, and are open still.")]
    created_at: datetime
    finished_at: datetime | None
    cancelled: Annotated[bool, Field(description="It was stopped; what it had not come to is open as before.")]

    @classmethod
    def of(cls, redrive: Redrive) -> Self:
        return cls.model_validate(redrive, from_attributes=True)
