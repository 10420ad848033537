"""A due event: one message on the topic of its type, on its way to delivery (docs/architecture.md#contracts)."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field, JsonValue, ValidationError

from contracts.attributes import check_attributes
from contracts.errors import ContractError
from contracts.messages.user import Contact
from contracts.send_hours import DueWindow
from contracts.trace import trace_fields
from contracts.vocabulary import EventType, Priority
from contracts.wire import Text, UtcInstant, WireModel


class DueMetadata(WireModel):
    """The attempt rises only with a retry of the whole event; nothing is delivered after expiry.

    ``external_id`` is what the client's own system calls the user; left out where there is none.

    ``send_window`` is that which the event keeps to, if any. ``original_target_timestamp_utc`` is when it was to be
    sent before it waited for an opening of that window; both are left out where they say nothing.
    """

    user_id: UUID
    external_id: Annotated[Text | None, Field(exclude_if=lambda value: value is None)] = None
    attempt: Annotated[int, Field(ge=1)]
    occurrence: Text
    priority: Priority
    late: bool
    expires_at: UtcInstant
    target_timestamp_utc: UtcInstant
    target_timestamp_local: AwareDatetime
    target_timezone: Text
    tags: list[str]
    contact: Contact
    delivery_payload: dict[str, JsonValue]
    original_target_timestamp_utc: UtcInstant | None = Field(default=None, exclude_if=lambda value: value is None)
    send_window: DueWindow | None = Field(default=None, exclude_if=lambda value: value is None)


class DueEvent(WireModel):
    event_id: UUID
    event_type: EventType
    idempotency_key: Text
    metadata: DueMetadata

    def attributes(self, traceparent: str | None = None, tracestate: str | None = None) -> dict[str, str]:
        """Message attributes; ``priority`` is what routes it to its queue. Raises ContractError (check_attributes)."""
        attributes = {
            "eventId": str(self.event_id),
            "userId": str(self.metadata.user_id),
            "eventType": self.event_type.value,
            "priority": self.metadata.priority.name,
            **trace_fields(traceparent, tracestate),
        }
        check_attributes(attributes)
        return attributes


def parse_due_event(body: str | bytes) -> DueEvent:
    """Parse a due event. Raises ContractError with the reason."""
    try:
        return DueEvent.model_validate_json(body, by_alias=True, by_name=False)
    except ValidationError as error:
        raise ContractError.from_validation(error) from None
