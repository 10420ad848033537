"""Deliveries of one event with their attempts, as delivery-service's API shows them."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from almanac_client.deliveries import Deliveries
from analytics_service.domain.records import AttemptRecord, DeliveryRecord
from contracts.http.deliveries import DeliveryDetail

MAX_DELIVERIES = 50
"""Of one event. More endpoints than that want the same event nowhere that we know of."""
_AT_A_TIME = 8


async def of_event(deliveries: Deliveries, event_id: UUID) -> tuple[Sequence[DeliveryRecord], bool]:
    """The newest deliveries, and whether there are more than ``MAX_DELIVERIES``. Raises AlmanacError."""
    page = await deliveries.page(event_id=event_id, limit=MAX_DELIVERIES)
    slots = asyncio.Semaphore(_AT_A_TIME)

    async def find(id: UUID) -> DeliveryRecord:
        async with slots:
            return _record(await deliveries.get(id))

    return await asyncio.gather(*(find(each.id) for each in page.items)), page.next_cursor is not None


def _record(delivery: DeliveryDetail) -> DeliveryRecord:
    return DeliveryRecord(
        id=delivery.id,
        endpoint_id=delivery.endpoint_id,
        status=delivery.status,
        reason=delivery.reason,
        created_at=delivery.created_at,
        finished_at=delivery.finished_at,
        next_attempt_at=delivery.next_attempt_at,
        attempts=[
            AttemptRecord(
                verdict=attempt.status,
                http_status=attempt.http_status,
                error=attempt.error,
                headers=attempt.headers,
                excerpt=attempt.excerpt,
                started_at=attempt.started_at,
                duration_seconds=attempt.duration_seconds,
                trace_id=attempt.trace_id,
            )
            for attempt in delivery.history
        ],
    )
