"""``/v1/deliveries``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from chassis.api.auth import READ
from chassis.api.dependencies import CurrentDatabase
from chassis.api.pages import Page, cut, encode_cursor
from chassis.api.problems import documented
from delivery_service.api.schemas import AttemptBody, DeliveryBody, DeliveryDetailBody, DeliveryQuery
from delivery_service.application import deliveries

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"], dependencies=[READ])

DeliveryId = Annotated[UUID, Path(alias="deliveryId")]


@router.get("")
async def list_deliveries(query: Annotated[DeliveryQuery, Query()], database: CurrentDatabase) -> Page[DeliveryBody]:
    """Newest first. An event that no endpoint wanted is here too, without an endpoint and with that reason."""
    found = await deliveries.search_deliveries(database, query.search(), query.limit + 1)
    page, more = cut(found, query.limit)
    return Page(
        items=[DeliveryBody.of(delivery) for delivery in page],
        next_cursor=encode_cursor((page[-1].created_at, page[-1].id)) if more else None,
    )


@router.get("/{deliveryId}", responses=documented(404))
async def get_delivery(delivery_id: DeliveryId, database: CurrentDatabase) -> DeliveryDetailBody:
    """One delivery with every attempt that was made."""
    delivery, attempts = await deliveries.find_delivery(database, delivery_id)
    return DeliveryDetailBody.of(delivery, history=[AttemptBody.of(attempt) for attempt in attempts])
