"""Published by event-service: what happens to an event, for timelines and rollups. Nothing personal."""

from uuid import UUID

from pydantic import Field

from contracts.messages.erasure import PersonalDataErasedItem
from contracts.messages.spec import Item, MessageSpec, MessageType
from contracts.vocabulary import EventType, Priority, Service
from contracts.wire import Text, UtcInstant


class EventItem(Item):
    """The event, and when its transition was made, by the database's clock."""

    event_id: UUID
    user_id: UUID
    event_type: EventType
    priority: Priority
    occurrence: Text
    attempt: int = Field(ge=1)
    target_timestamp_utc: UtcInstant
    target_timezone: Text
    occurred_at: UtcInstant


class EventScheduledItem(EventItem):
    """Comes from a schedule or a broadcast; from neither where it was requested alone."""

    schedule_id: UUID | None
    broadcast_id: UUID | None


class EventRescheduledItem(EventItem):
    previous_target_timestamp_utc: UtcInstant
    reason: Text


class EventPublishedItem(EventItem):
    """Lateness runs from target to publication, and is negative where that was a little ahead."""

    claimed_at: UtcInstant
    expires_at: UtcInstant
    late: bool
    lateness_seconds: float


class EventCancelledItem(EventItem):
    reason: Text


class EventEndedItem(EventItem):
    """Tags are the user's, as the event had them; left out where there are none, and by publishers before them."""

    tags: list[str] = Field(default=[], exclude_if=lambda value: not value)


class EventCompletedItem(EventEndedItem):
    """Finished is when the last delivery ended, and lateness runs from target to there."""

    finished_at: UtcInstant
    late: bool
    lateness_seconds: float


class EventFailedItem(EventEndedItem):
    """As EventCompletedItem, with the outcome's reason."""

    finished_at: UtcInstant
    late: bool
    lateness_seconds: float
    reason: Text


class EventMissedItem(EventEndedItem):
    """Nothing fired while its grace lasted; lateness is how long after the target that was found.

    The reason is left out where it is only that, and by publishers before it.
    """

    grace_until: UtcInstant
    lateness_seconds: float
    reason: Text | None = Field(default=None, exclude_if=lambda value: value is None)


MESSAGES = tuple(
    MessageSpec(type, Service.EVENT, item, summary)
    for type, item, summary in (
        (MessageType.EVENT_SCHEDULED, EventScheduledItem, "An occurrence has its instant."),
        (MessageType.EVENT_RESCHEDULED, EventRescheduledItem, "An occurrence moved to another instant."),
        (MessageType.EVENT_PUBLISHED, EventPublishedItem, "A due event was put on its topic."),
        (MessageType.EVENT_CANCELLED, EventCancelledItem, "An event was cancelled before it fired."),
        (MessageType.EVENT_COMPLETED, EventCompletedItem, "An event was delivered to all its endpoints."),
        (MessageType.EVENT_FAILED, EventFailedItem, "An event could not be delivered to all its endpoints."),
        (MessageType.EVENT_MISSED, EventMissedItem, "An event's grace ended before it could be fired."),
        (MessageType.EVENT_DATA_ERASED, PersonalDataErasedItem, "event-service has erased a deleted user."),
    )
)
