"""The body of a webhook, in the form of Standard Webhooks (docs/architecture.md#contracts)."""

from operator import attrgetter
from typing import Final
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from contracts.due import DueEvent, DueMetadata
from contracts.vocabulary import EventType, Priority
from contracts.wire import Text, UtcInstant, WireModel, wire_name


class WebhookData(WireModel):
    """What every webhook says, next to the keys of the event's own payload.

    ``external_id`` is what the client's own system calls the user; left out where there is none.
    """

    model_config = ConfigDict(extra="allow")

    event_id: UUID
    event_type: EventType
    user_id: UUID
    external_id: Text | None = Field(default=None, exclude_if=lambda value: value is None)
    occurrence: Text
    priority: Priority
    target_timestamp_utc: UtcInstant
    target_timestamp_local: AwareDatetime
    target_timezone: Text
    late: bool


class WebhookBody(WireModel):
    """The timestamp is the event's target, so that all attempts send the same bytes."""

    type: Text
    timestamp: UtcInstant
    data: WebhookData


RESERVED_KEYS: Final = frozenset(wire_name(field) for field in WebhookData.model_fields)
"""Keys of ``data`` that a payload cannot set."""

_FIELDS = tuple(field for field in WebhookData.model_fields if field in DueMetadata.model_fields)
_OF_METADATA = tuple(map(wire_name, _FIELDS))
_values = attrgetter(*_FIELDS)

WITHHELD_KEYS: Final = frozenset({"contact"})
"""Keys of a payload that never leave: a person's contacts are for the channels that need them."""


def build_webhook(due: DueEvent) -> WebhookBody:
    """The one body that all endpoints and all attempts of an event receive."""
    metadata = due.metadata
    payload = {key: value for key, value in metadata.delivery_payload.items() if key not in WITHHELD_KEYS}
    # Of a checked event there is nothing to dump and little to check.
    reserved = dict(zip(_OF_METADATA, _values(metadata), strict=True))
    data = payload | reserved | {"eventId": due.event_id, "eventType": due.event_type}
    return WebhookBody(
        type=f"event.{due.event_type.lower()}",
        timestamp=metadata.target_timestamp_utc,
        # By wire names alone: a payload key such as event_id is the payload's own.
        data=WebhookData.model_validate(data, by_alias=True, by_name=False),
    )
