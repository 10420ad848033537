"""Reply models."""

from datetime import datetime
from uuid import UUID

from chassis.api.wire import WireModel
from contracts.vocabulary import EventStatus, EventType, Priority


class EventBody(WireModel):
    """One event as it stands."""

    id: UUID
    event_type: EventType
    status: EventStatus
    priority: Priority
    user_id: UUID
    schedule_id: UUID | None
    occurrence: str
    attempt: int
    target_timestamp_utc: datetime
    target_timestamp_local: datetime
    target_timezone: str
    grace_until: datetime
    published_at: datetime | None
    finished_at: datetime | None
    reason: str | None
    payload: dict[str, object]


class TransitionBody(WireModel):
    """One step of an event's way: when, to which state, why."""

    at: datetime
    status: EventStatus
    cause: str


class EventDetailBody(EventBody):
    """One event with its history, oldest step first."""

    history: list[TransitionBody]


class SummaryBody(WireModel):
    """How many recipients are known, and how many events wait (``pending``) or are in hand (``processing``)."""

    recipients: int
    pending: int
    processing: int
