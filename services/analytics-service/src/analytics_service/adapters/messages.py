"""Facts from the items of messages, and from what the timeline keeps of them."""

import json
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from uuid import UUID

from analytics_service.domain.facts import EndpointResult, Fact, Kind, Measure
from analytics_service.domain.replacements import ENDS
from analytics_service.domain.series import SUCCEEDED
from analytics_service.domain.timeline import TimelineEntry
from chassis.messaging.domain import ReceivedItem
from contracts.messages.delivery import DeadLetteredItem, DeliveryOutcomeItem, EndpointDisabledItem, EndpointOutcome
from contracts.messages.event import EventCompletedItem, EventEndedItem, EventItem, EventPublishedItem
from contracts.messages.registry import find_spec
from contracts.messages.spec import Item, MessageType
from contracts.messages.user import UserDeletedItem, UserItem
from contracts.vocabulary import Channel, OutcomeStatus

KINDS: Mapping[MessageType, Kind] = MappingProxyType(
    {
        MessageType.EVENT_SCHEDULED: Kind.SCHEDULED,
        MessageType.EVENT_RESCHEDULED: Kind.RESCHEDULED,
        MessageType.EVENT_PUBLISHED: Kind.PUBLISHED,
        MessageType.EVENT_CANCELLED: Kind.CANCELLED,
        MessageType.EVENT_COMPLETED: Kind.COMPLETED,
        MessageType.EVENT_FAILED: Kind.FAILED,
        MessageType.EVENT_MISSED: Kind.MISSED,
        MessageType.DELIVERY_SUCCEEDED: Kind.DELIVERY_SUCCEEDED,
        MessageType.DELIVERY_FAILED: Kind.DELIVERY_FAILED,
        MessageType.DEAD_LETTERED: Kind.DEAD_LETTERED,
        MessageType.ENDPOINT_DISABLED: Kind.ENDPOINT_DISABLED,
        MessageType.USER_CREATED: Kind.USER_CREATED,
        MessageType.USER_BIRTHDAY_CHANGED: Kind.USER_CHANGED,
        MessageType.USER_TIMEZONE_CHANGED: Kind.USER_CHANGED,
        MessageType.USER_RENAMED: Kind.USER_CHANGED,
        MessageType.USER_DELIVERY_TIME_CHANGED: Kind.USER_CHANGED,
        MessageType.USER_CONTACT_CHANGED: Kind.USER_CHANGED,
        MessageType.ANNIVERSARY_ADDED: Kind.USER_CHANGED,
        MessageType.ANNIVERSARY_CHANGED: Kind.USER_CHANGED,
        MessageType.ANNIVERSARY_REMOVED: Kind.USER_CHANGED,
        MessageType.USER_DELETED: Kind.USER_DELETED,
    }
)
_SOURCES = {type: find_spec(type).source.value for type in MessageType}
_TYPES = {kind: type for type, kind in KINDS.items() if kind in ENDS}
# Columns of their own have these already; tags are the user's, and are counted alone.
_ELSEWHERE = {"item_id", "traceparent", "event_id", "occurred_at", "tags"}


def fact_of(received: ReceivedItem) -> Fact:
    """Raises TypeError for an item of an unknown kind."""
    item = received.item
    fact = partial(Fact, item.item_id, KINDS[received.type], source=_SOURCES[received.type], trace_id=item.trace_id)
    match item:
        case EventItem():
            return fact(
                at=item.occurred_at,
                event_id=item.event_id,
                event_type=item.event_type.value,
                priority=item.priority.value,
                attempt=item.attempt,
                user_id=item.user_id,
                tags=tuple(item.tags) if isinstance(item, EventEndedItem) else (),
                latencies=_event_latencies(item),
                data=_data(item),
            )
        case DeliveryOutcomeItem():
            return fact(
                at=item.finished_at,
                event_id=item.event_id,
                event_type=item.event_type.value,
                priority=item.priority.value,
                attempt=item.attempt,
                latencies=_delivery_latencies(item),
                endpoints=tuple(map(_result, item.endpoints)),
                data=_data(item),
            )
        case DeadLetteredItem():
            return fact(
                at=item.occurred_at,
                event_id=item.event_id,
                event_type=item.event_type and item.event_type.value,
                priority=None if item.priority is None else item.priority.value,
                data=_data(item),
            )
        case EndpointDisabledItem():
            return fact(at=item.occurred_at)
        # Items of users carry no instant.
        case UserDeletedItem():
            return fact(at=received.sent_at, user_id=item.user_id)
        case UserItem():
            # Counted and nothing else: who it was stays with user-service.
            return fact(at=received.sent_at)
        case _:
            raise TypeError(f"no fact is known for {type(item).__name__}")


def fact_of_entry(event_id: UUID, entry: TimelineEntry, tags: tuple[str, ...]) -> Fact:
    """The fact that ``entry`` of an event's timeline was made of. Timelines keep no tags: the event's are given."""
    type = _TYPES[Kind(entry.kind)]
    elsewhere = {
        "itemId": str(entry.item_id),
        "eventId": str(event_id),
        "occurredAt": entry.at.isoformat(),
        "tags": tags,
    }
    item = find_spec(type).item.model_validate_json(json.dumps({**entry.data, **elsewhere}))
    return fact_of(ReceivedItem(type, item, None, entry.at))


def _event_latencies(item: EventItem) -> tuple[tuple[Measure, float], ...]:
    match item:
        case EventPublishedItem():
            return ((Measure.LATENESS, item.lateness_seconds),)
        case EventCompletedItem():
            return ((Measure.END_TO_END, item.lateness_seconds),)
        case _:
            return ()


def _delivery_latencies(item: DeliveryOutcomeItem) -> tuple[tuple[Measure, float], ...]:
    attempts = [
        (Measure.WEBHOOK, endpoint.latency_seconds)
        for endpoint in item.endpoints
        if endpoint.channel is Channel.WEBHOOK and endpoint.latency_seconds is not None
    ]
    return (*attempts, (Measure.QUEUE, item.queue_seconds)) if item.queue_seconds is not None else tuple(attempts)


def _result(outcome: EndpointOutcome) -> EndpointResult:
    succeeded = outcome.status is OutcomeStatus.SUCCEEDED
    return EndpointResult(
        endpoint_id=outcome.endpoint_id,
        channel=outcome.channel.value,
        result=SUCCEEDED if succeeded else outcome.reason or "failed",
        attempts=outcome.attempts,
        latency_seconds=outcome.latency_seconds,
    )


def _data(item: Item) -> str:
    return item.model_dump_json(exclude=_ELSEWHERE)
