"""``/v1/deliveries``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from chassis.api.auth import READ, WRITE
from chassis.api.dependencies import CurrentDatabase, CurrentOutbox
from chassis.api.pages import Page, cut, encode_cursor
from chassis.api.problems import documented
from delivery_service.api.schemas import AttemptBody, DeliveryBody, DeliveryDetailBody, DeliveryQuery
from delivery_service.application import deliveries
from delivery_service.domain.dead_letters import HORIZON_SECONDS

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])

DeliveryId = Annotated[UUID, Path(alias="deliveryId")]


@router.get("", dependencies=[READ])
async def list_deliveries(query: Annotated[DeliveryQuery, Query()], database: CurrentDatabase) -> Page[DeliveryBody]:
    """Newest first. An event that no endpoint wanted is here too, without an endpoint and with that reason."""
    found = await deliveries.search_deliveries(database, query.search(), query.limit + 1)
    page, more = cut(found, query.limit)
    return Page(
        items=[DeliveryBody.of(delivery) for delivery in page],
        next_cursor=encode_cursor((page[-1].created_at, page[-1].id)) if more else None,
    )


@router.get("/{deliveryId}", dependencies=[READ], responses=documented(404))
async def get_delivery(delivery_id: DeliveryId, database: CurrentDatabase) -> DeliveryDetailBody:
    """One delivery with every attempt that was made."""
    delivery, attempts = await deliveries.find_delivery(database, delivery_id)
    return DeliveryDetailBody.of(delivery, history=[AttemptBody.of(attempt) for attempt in attempts])


@router.post("/{deliveryId}/retry", dependencies=[WRITE], responses=documented(404, 409))
async def retry_delivery(delivery_id: DeliveryId, database: CurrentDatabase) -> DeliveryBody:
    """Try now: a waiting delivery, or a failed one, which gets new attempts with the same `webhook-id`.

    409 during an attempt, after a success, and where the endpoint is deleted or not enabled.
    """
    return DeliveryBody.of(await deliveries.retry_delivery(database, delivery_id, HORIZON_SECONDS))


@router.post("/{deliveryId}/cancel", dependencies=[WRITE], responses=documented(404, 409))
async def cancel_delivery(delivery_id: DeliveryId, database: CurrentDatabase, outbox: CurrentOutbox) -> DeliveryBody:
    """End a waiting delivery as `cancelled`. 409 during an attempt, and once it has ended."""
    return DeliveryBody.of(await deliveries.cancel_delivery(database, outbox, delivery_id))
