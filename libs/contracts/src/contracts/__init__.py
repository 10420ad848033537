"""Vocabulary, identity, messages, due events, webhooks and topology (docs/architecture.md#contracts)."""

from contracts.attributes import MAX_ATTRIBUTES, check_attributes, message_attributes
from contracts.due import DueEvent, DueMetadata, parse_due_event
from contracts.errors import ContractError
from contracts.identity import DERIVE_ID_SQL, GOLDEN_VECTOR, derive_id, idempotency_key
from contracts.messages.delivery import DeadLetteredItem, DeliveryOutcomeItem, EndpointDisabledItem, EndpointOutcome
from contracts.messages.envelope import (
    MAX_ITEM_BYTES,
    MAX_ITEMS,
    MAX_MESSAGE_BYTES,
    DomainMessage,
    encode_envelope,
    encode_item,
    pack_items,
)
from contracts.messages.event import (
    EventCancelledItem,
    EventCompletedItem,
    EventFailedItem,
    EventItem,
    EventMissedItem,
    EventPublishedItem,
    EventRescheduledItem,
    EventScheduledItem,
)
from contracts.messages.parsing import parse_message
from contracts.messages.registry import MESSAGES, find_spec
from contracts.messages.spec import Bus, Item, MessageSpec, MessageType
from contracts.messages.user import Anniversary, Contact, UserDeletedItem, UserItem
from contracts.topology import (
    DeadLetterQueue,
    Queue,
    Subscription,
    Topic,
    Topology,
    build_topology,
    queue_arn,
    topic_arn,
)
from contracts.trace import trace_fields, trace_id
from contracts.vocabulary import (
    IMPORTANT_FLOORS,
    PRIORITY_FLOORS,
    Channel,
    EventStatus,
    EventType,
    FailureReason,
    OutcomeStatus,
    Priority,
    Service,
    raise_priority,
)
from contracts.webhook import RESERVED_KEYS, WITHHELD_KEYS, WebhookBody, WebhookData, build_webhook

__all__ = [
    "DERIVE_ID_SQL",
    "GOLDEN_VECTOR",
    "IMPORTANT_FLOORS",
    "MAX_ATTRIBUTES",
    "MAX_ITEMS",
    "MAX_ITEM_BYTES",
    "MAX_MESSAGE_BYTES",
    "MESSAGES",
    "PRIORITY_FLOORS",
    "RESERVED_KEYS",
    "WITHHELD_KEYS",
    "Anniversary",
    "Bus",
    "Channel",
    "Contact",
    "ContractError",
    "DeadLetterQueue",
    "DeadLetteredItem",
    "DeliveryOutcomeItem",
    "DomainMessage",
    "DueEvent",
    "DueMetadata",
    "EndpointDisabledItem",
    "EndpointOutcome",
    "EventCancelledItem",
    "EventCompletedItem",
    "EventFailedItem",
    "EventItem",
    "EventMissedItem",
    "EventPublishedItem",
    "EventRescheduledItem",
    "EventScheduledItem",
    "EventStatus",
    "EventType",
    "FailureReason",
    "Item",
    "MessageSpec",
    "MessageType",
    "OutcomeStatus",
    "Priority",
    "Queue",
    "Service",
    "Subscription",
    "Topic",
    "Topology",
    "UserDeletedItem",
    "UserItem",
    "WebhookBody",
    "WebhookData",
    "build_topology",
    "build_webhook",
    "check_attributes",
    "derive_id",
    "encode_envelope",
    "encode_item",
    "find_spec",
    "idempotency_key",
    "message_attributes",
    "pack_items",
    "parse_due_event",
    "parse_message",
    "queue_arn",
    "raise_priority",
    "topic_arn",
    "trace_fields",
    "trace_id",
]
