"""Deliveries of one event with their attempts, as delivery-service's API shows them."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from analytics_service.adapters.service_clients import Answer, ServiceClient
from analytics_service.domain.records import AttemptRecord, DeliveryRecord

MAX_DELIVERIES = 50
"""Of one event. More endpoints than that want the same event nowhere that we know of."""
_AT_A_TIME = 8


class _Attempt(Answer):
    status: str
    http_status: int | None
    error: str | None
    headers: dict[str, str] | None
    excerpt: str | None
    started_at: datetime
    duration_seconds: float
    trace_id: str | None


class _Listed(Answer):
    id: UUID


class _Page(Answer):
    items: list[_Listed]
    next_cursor: str | None


class _Delivery(_Listed):
    endpoint_id: UUID | None
    status: str
    reason: str | None
    created_at: datetime
    finished_at: datetime | None
    next_attempt_at: datetime | None
    history: list[_Attempt]


async def of_event(peer: ServiceClient, event_id: UUID) -> tuple[Sequence[DeliveryRecord], bool]:
    """The newest deliveries, and whether there are more than ``MAX_DELIVERIES``. Raises PeerError."""
    page = await peer.get("/v1/deliveries", _Page, {"eventId": str(event_id), "limit": MAX_DELIVERIES})
    slots = asyncio.Semaphore(_AT_A_TIME)

    async def find(id: UUID) -> DeliveryRecord:
        async with slots:
            return _record(await peer.get(f"/v1/deliveries/{id}", _Delivery))

    return await asyncio.gather(*(find(each.id) for each in page.items)), page.next_cursor is not None


def _record(delivery: _Delivery) -> DeliveryRecord:
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
