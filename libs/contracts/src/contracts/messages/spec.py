"""What a message type is: its name, who publishes it, on which bus, and the shape of its items."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from pydantic import Field

from contracts.trace import trace_id
from contracts.vocabulary import Service
from contracts.wire import WireModel


class Bus(StrEnum):
    """The topics that carry messages with items (the name after the topology's prefix)."""

    DOMAIN = "domain-events"
    DEAD_LETTERS = "dlq-events"


class MessageType(StrEnum):
    """The type of the envelope, and the eventType attribute that subscriptions filter on."""

    USER_CREATED = "UserCreated"
    USER_BIRTHDAY_CHANGED = "UserBirthdayChanged"
    USER_TIMEZONE_CHANGED = "UserTimezoneChanged"
    USER_RENAMED = "UserRenamed"
    USER_DELIVERY_TIME_CHANGED = "UserDeliveryTimeChanged"
    USER_CONTACT_CHANGED = "UserContactChanged"
    ANNIVERSARY_ADDED = "AnniversaryAdded"
    ANNIVERSARY_CHANGED = "AnniversaryChanged"
    ANNIVERSARY_REMOVED = "AnniversaryRemoved"
    USER_DELETED = "UserDeleted"

    EVENT_SCHEDULED = "EventScheduled"
    EVENT_RESCHEDULED = "EventRescheduled"
    EVENT_PUBLISHED = "EventPublished"
    EVENT_CANCELLED = "EventCancelled"
    EVENT_COMPLETED = "EventCompleted"
    EVENT_FAILED = "EventFailed"
    EVENT_MISSED = "EventMissed"

    DELIVERY_SUCCEEDED = "DeliverySucceeded"
    DELIVERY_FAILED = "DeliveryFailed"
    ENDPOINT_DISABLED = "EndpointDisabled"
    DEAD_LETTERED = "DeadLettered"

    EVENT_DATA_ERASED = "EventDataErased"
    DELIVERY_DATA_ERASED = "DeliveryDataErased"
    ANALYTICS_DATA_ERASED = "AnalyticsDataErased"


class Item(WireModel):
    """One fact in a message. Consumers deduplicate by its id, whatever message brings it."""

    item_id: UUID
    traceparent: str | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def trace_id(self) -> str | None:
        """The trace in which this fact came about."""
        return trace_id(self.traceparent)


ItemClass: TypeAlias = type[Item]


@dataclass(frozen=True, slots=True)
class MessageSpec:
    """One published version of one message type. It is never edited: a change is another spec, with a new version."""

    type: MessageType
    source: Service
    item: ItemClass
    summary: str
    bus: Bus = Bus.DOMAIN
    dataversion: str = "1.0"
