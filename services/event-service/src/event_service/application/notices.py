"""What event-service says of its events on the domain bus."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from typing_extensions import TypedDict
from uuid_utils.compat import uuid7

from contracts.messages.delivery import DeliveryOutcomeItem
from contracts.messages.event import (
    EventCancelledItem,
    EventCompletedItem,
    EventFailedItem,
    EventMissedItem,
    EventPublishedItem,
    EventRescheduledItem,
    EventScheduledItem,
)
from contracts.messages.spec import Item, MessageType
from contracts.vocabulary import EventType, OutcomeStatus, Priority
from event_service.domain.events import Event

Notice = tuple[MessageType, Item]


class _Common(TypedDict):
    item_id: UUID
    traceparent: str | None
    event_id: UUID
    user_id: UUID
    event_type: EventType
    priority: Priority
    occurrence: str
    attempt: int
    target_timestamp_utc: datetime
    target_timezone: str
    occurred_at: datetime


def _common(event: Event, now: datetime, traceparent: str | None) -> _Common:
    return {
        "item_id": uuid7(),
        "traceparent": traceparent or event.traceparent,
        "event_id": event.id,
        "user_id": event.user_id,
        "event_type": EventType(event.event_type),
        "priority": Priority(event.priority),
        "occurrence": event.occurrence,
        "attempt": event.attempt,
        "target_timestamp_utc": event.target,
        "target_timezone": event.timezone,
        "occurred_at": now,
    }


def scheduled(events: Iterable[Event], now: datetime) -> list[Notice]:
    return [
        (
            MessageType.EVENT_SCHEDULED,
            EventScheduledItem(
                **_common(event, now, None), schedule_id=event.schedule_id, broadcast_id=event.broadcast_id
            ),
        )
        for event in events
    ]


def rescheduled(moves: Iterable[tuple[Event, datetime]], now: datetime, reason: str) -> list[Notice]:
    """Of events with the instants that they had before."""
    return [
        (
            MessageType.EVENT_RESCHEDULED,
            EventRescheduledItem(**_common(event, now, None), previous_target_timestamp_utc=previous, reason=reason),
        )
        for event, previous in moves
    ]


def published(
    events: Sequence[Event], traceparents: Sequence[str | None], claimed_at: datetime, now: datetime
) -> list[Notice]:
    """Lateness is that of ``now``, when the whole batch had been published; ``late`` is what the messages say."""
    return [
        (
            MessageType.EVENT_PUBLISHED,
            EventPublishedItem(
                **_common(event, now, traceparent),
                claimed_at=claimed_at,
                expires_at=event.expires_at,
                late=event.is_late(claimed_at),
                lateness_seconds=event.lateness(now).total_seconds(),
            ),
        )
        for event, traceparent in zip(events, traceparents, strict=True)
    ]


def cancelled(events: Iterable[Event], now: datetime, reason: str) -> list[Notice]:
    return [
        (MessageType.EVENT_CANCELLED, EventCancelledItem(**_common(event, now, None), reason=reason))
        for event in events
    ]


def ended(event: Event, outcome: DeliveryOutcomeItem, traceparent: str | None, now: datetime) -> Notice:
    """Of an event that its delivery's outcome has completed or failed."""
    common = _common(event, now, traceparent)
    tags, finished_at = list(event.tags), outcome.finished_at
    late, lateness = event.is_late(finished_at), event.lateness(finished_at).total_seconds()
    if outcome.status is OutcomeStatus.SUCCEEDED:
        completed = EventCompletedItem(
            **common, tags=tags, finished_at=finished_at, late=late, lateness_seconds=lateness
        )
        return MessageType.EVENT_COMPLETED, completed
    failed = EventFailedItem(
        **common,
        tags=tags,
        finished_at=finished_at,
        late=late,
        lateness_seconds=lateness,
        reason=outcome.reason or "failed",
    )
    return MessageType.EVENT_FAILED, failed


def past(event: Event, status: str, finished_at: datetime) -> Notice:
    """Of an event that another system has ended: dated when it ended, so that it counts then.

    The other system's reason is not published: it is free text, and other services could not erase what it says of a
    person.
    """
    common = _common(event, finished_at, None)
    tags, lateness = list(event.tags), event.lateness(finished_at).total_seconds()
    match status:
        case "COMPLETED":
            late = event.is_late(finished_at)
            completed = EventCompletedItem(
                **common, tags=tags, finished_at=finished_at, late=late, lateness_seconds=lateness
            )
            return MessageType.EVENT_COMPLETED, completed
        case "FAILED":
            late = event.is_late(finished_at)
            failed = EventFailedItem(
                **common,
                tags=tags,
                finished_at=finished_at,
                late=late,
                lateness_seconds=lateness,
                reason="failed",
            )
            return MessageType.EVENT_FAILED, failed
        case "MISSED":
            item = EventMissedItem(**common, tags=tags, grace_until=event.grace_until, lateness_seconds=lateness)
            return MessageType.EVENT_MISSED, item
        case _:
            return MessageType.EVENT_CANCELLED, EventCancelledItem(**common, reason="cancelled")


def missed(event: Event, now: datetime, reason: str | None = None) -> Notice:
    """``reason``: why, where that is not simply the end of its grace."""
    item = EventMissedItem(
        **_common(event, now, None),
        tags=list(event.tags),
        grace_until=event.grace_until,
        lateness_seconds=event.lateness(now).total_seconds(),
        reason=reason,
    )
    return MessageType.EVENT_MISSED, item
