"""Published by delivery-service: outcomes, disabled endpoints, dead letters. No personal data, URLs or payloads."""

from uuid import UUID

from pydantic import Field

from contracts.messages.erasure import PersonalDataErasedItem
from contracts.messages.spec import Bus, Item, MessageSpec, MessageType
from contracts.vocabulary import Channel, EventType, OutcomeStatus, Priority, Service
from contracts.wire import Text, UtcInstant, WireModel


class EndpointOutcome(WireModel):
    """How it ended at one endpoint. Latency and HTTP status are the last attempt's, if there was one."""

    endpoint_id: UUID
    channel: Channel
    status: OutcomeStatus
    reason: str | None
    attempts: int = Field(ge=0)
    http_status: int | None
    latency_seconds: float | None


class DeliveryOutcomeItem(Item):
    """How an event's attempt ended over all its endpoints: succeeded only if all of them did.

    Queue seconds run from publication to receipt, where known; lateness from target to finish.
    """

    event_id: UUID
    user_id: UUID
    event_type: EventType
    priority: Priority
    attempt: int = Field(ge=1)
    target_timestamp_utc: UtcInstant
    status: OutcomeStatus
    reason: str | None
    endpoints: list[EndpointOutcome]
    received_at: UtcInstant
    finished_at: UtcInstant
    late: bool
    queue_seconds: float | None
    lateness_seconds: float


class EndpointDisabledItem(Item):
    """Failures are the failed attempts in a row that led to it."""

    endpoint_id: UUID
    channel: Channel
    reason: Text
    failures: int = Field(ge=0)
    http_status: int | None
    occurred_at: UtcInstant


class DeadLetteredItem(Item):
    """A dead letter, to be looked up by its id. What could not be parsed may have no event."""

    dead_letter_id: UUID
    reason: Text
    detail: str | None
    event_id: UUID | None
    user_id: UUID | None
    event_type: EventType | None
    priority: Priority | None
    endpoint_id: UUID | None
    attempts: int = Field(ge=0)
    occurred_at: UtcInstant


MESSAGES = (
    MessageSpec(
        MessageType.DELIVERY_SUCCEEDED, Service.DELIVERY, DeliveryOutcomeItem, "Every endpoint took the event."
    ),
    MessageSpec(
        MessageType.DELIVERY_FAILED, Service.DELIVERY, DeliveryOutcomeItem, "Some endpoint did not take the event."
    ),
    MessageSpec(MessageType.ENDPOINT_DISABLED, Service.DELIVERY, EndpointDisabledItem, "An endpoint was switched off."),
    MessageSpec(
        MessageType.DEAD_LETTERED,
        Service.DELIVERY,
        DeadLetteredItem,
        "Something was given up, and waits for a redrive.",
        bus=Bus.DEAD_LETTERS,
    ),
    MessageSpec(
        MessageType.DELIVERY_DATA_ERASED,
        Service.DELIVERY,
        PersonalDataErasedItem,
        "delivery-service has erased a deleted user.",
    ),
)
