"""The words that services share: kinds of event, priorities, statuses."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class Service(StrEnum):
    """The four services; also the source of what they publish."""

    USER = "user-service"
    EVENT = "event-service"
    DELIVERY = "delivery-service"
    ANALYTICS = "analytics-service"


class EventType(StrEnum):
    BIRTHDAY = "BIRTHDAY"
    ANNIVERSARY = "ANNIVERSARY"
    REMINDER = "REMINDER"
    NOTIFICATION = "NOTIFICATION"


class Priority(IntEnum):
    """Smaller is more urgent. A number in databases (smallint), its name on the wire and in APIs."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3

    @classmethod
    def _from_wire(cls, value: Any) -> "Priority":
        # Once for every item of every message: `__members__` would make a new view each time.
        if isinstance(value, str) and (named := _BY_NAME.get(value)) is not None:
            return named
        if isinstance(value, cls):
            return value
        raise PydanticCustomError("priority", "Input should be one of {names}", {"names": ", ".join(cls.__members__)})

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._from_wire,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda priority: priority.name, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "enum": list(cls.__members__), "title": "Priority"}


_BY_NAME: Mapping[str, Priority] = dict(Priority.__members__)


class EventStatus(StrEnum):
    """The state of an event."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    MISSED = "MISSED"


class OutcomeStatus(StrEnum):
    """How a delivery ended, at one endpoint or over all of an event's endpoints."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class FailureReason(StrEnum):
    """Why a delivery failed or a message became a dead letter. Reasons on the wire are open text: more may come."""

    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    REJECTED = "rejected"
    GONE = "gone"
    NO_CONTACT = "no_contact"
    NO_ENDPOINT = "no_endpoint"
    DISABLED = "disabled"
    """Its endpoint was disabled while it waited; once that is enabled again, a redrive can send it."""
    CANCELLED = "cancelled"
    """A client cancelled it, or its endpoint or its user was deleted."""
    POISON = "poison"


class Channel(StrEnum):
    """How an endpoint is reached."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    SMS = "sms"
    SLACK = "slack"


PRIORITY_FLOORS: Mapping[EventType, Priority] = MappingProxyType(
    {
        EventType.BIRTHDAY: Priority.CRITICAL,
        EventType.ANNIVERSARY: Priority.HIGH,
        EventType.REMINDER: Priority.NORMAL,
        EventType.NOTIFICATION: Priority.LOW,
    }
)
"""The least urgent that a type can be."""

IMPORTANT_FLOORS: Mapping[EventType, Priority] = MappingProxyType(
    {**PRIORITY_FLOORS, EventType.ANNIVERSARY: Priority.CRITICAL, EventType.REMINDER: Priority.HIGH}
)
"""The same for important anniversaries and urgent reminders."""


def raise_priority(event_type: EventType, requested: Priority | None = None, *, important: bool = False) -> Priority:
    """The priority an event gets: its type's floor, or what was requested where that is more urgent."""
    floor = (IMPORTANT_FLOORS if important else PRIORITY_FLOORS)[event_type]
    return floor if requested is None else min(floor, requested)
