"""Reports an event's outcome to event-service once its last delivery has ended (docs/architecture.md#delivery)."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database.database import Transaction
from chassis.messaging.outbox import Outbox
from contracts.messages.delivery import DeliveryOutcomeItem, EndpointOutcome
from contracts.messages.spec import MessageType
from contracts.vocabulary import Channel, EventType, FailureReason, OutcomeStatus, Priority
from delivery_service.adapters import deliveries
from delivery_service.adapters.deliveries import Outcome
from delivery_service.domain.deliveries import ReceivedEvent

_TYPES = {
    OutcomeStatus.SUCCEEDED: MessageType.DELIVERY_SUCCEEDED,
    OutcomeStatus.FAILED: MessageType.DELIVERY_FAILED,
}


class Announced(NamedTuple):
    """An outcome that was sent, and whether people had the event, or a delivery of it, tried again."""

    item: DeliveryOutcomeItem
    again: bool


async def announce(tx: Transaction, outbox: Outbox, event_ids: Sequence[UUID]) -> list[Announced]:
    """Leave the outcome of each of these finished events in the transaction. Each time it is a new item."""
    if not event_ids:
        return []
    found = await deliveries.outcomes(tx, event_ids)
    announced = []
    for _, rows in groupby(found, key=attrgetter("event_id")):
        of_event = list(rows)
        item = _outcome(of_event)
        announced.append(Announced(item, item.attempt > 1 or any(each.redriven for each in of_event)))
    await outbox.append(tx, [(_TYPES[item.status], item) for item, _ in announced])
    return announced


async def announce_cancelled(tx: Transaction, outbox: Outbox, arrivals: Sequence[ReceivedEvent], now: datetime) -> None:
    """Leave the outcome of events in the transaction that came for deleted users and are not delivered."""
    items = [
        DeliveryOutcomeItem(
            item_id=uuid7(),
            traceparent=each.traceparent,
            event_id=each.event_id,
            user_id=each.user_id,
            event_type=EventType(each.event_type),
            priority=Priority(each.priority),
            attempt=each.attempt,
            target_timestamp_utc=each.target_at,
            status=OutcomeStatus.FAILED,
            reason=FailureReason.CANCELLED,
            endpoints=[],
            received_at=now,
            finished_at=now,
            late=each.late,
            queue_seconds=each.queue_seconds,
            lateness_seconds=(now - each.target_at).total_seconds(),
        )
        for each in arrivals
    ]
    await outbox.append(tx, [(MessageType.DELIVERY_FAILED, item) for item in items])


def _outcome(of_event: Sequence[Outcome]) -> DeliveryOutcomeItem:
    event = of_event[0]
    reasons = [each.reason for each in of_event if each.status == OutcomeStatus.FAILED]
    return DeliveryOutcomeItem(
        item_id=uuid7(),
        # The outcome belongs to the trace in which the event fired.
        traceparent=event.traceparent,
        event_id=event.event_id,
        user_id=event.user_id,
        event_type=EventType(event.event_type),
        priority=Priority(event.priority),
        attempt=event.attempt,
        target_timestamp_utc=event.target_at,
        status=OutcomeStatus.FAILED if reasons else OutcomeStatus.SUCCEEDED,
        reason=reasons[0] if reasons else None,
        endpoints=[
            EndpointOutcome(
                endpoint_id=each.endpoint_id,
                channel=Channel(each.channel),
                status=OutcomeStatus(each.status),
                reason=each.reason,
                attempts=each.attempts,
                http_status=each.http_status,
                latency_seconds=each.latency_seconds,
            )
            for each in of_event
            if each.endpoint_id is not None
        ],
        received_at=event.received_at,
        finished_at=event.finished_at,
        late=event.late,
        queue_seconds=event.queue_seconds,
        lateness_seconds=(event.finished_at - event.target_at).total_seconds(),
    )
