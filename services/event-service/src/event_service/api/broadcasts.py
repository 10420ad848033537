"""``/v1/broadcasts``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response

from chassis.api.auth import READ, WRITE
from chassis.api.dependencies import CurrentCache, CurrentDatabase, CurrentReads
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.preconditions import OptionalIdempotencyKey
from chassis.api.problems import documented
from event_service.api.broadcast_schemas import (
    BroadcastBody,
    BroadcastDetailBody,
    BroadcastPreviewBody,
    CreateBroadcast,
)
from event_service.api.dependencies import CurrentRules
from event_service.application import broadcasts

router = APIRouter(prefix="/v1/broadcasts", tags=["broadcasts"])

BroadcastId = Annotated[UUID, Path(alias="broadcastId")]


@router.post("", operation_id="create_v1_broadcasts_post", status_code=201, dependencies=[WRITE])
async def create_broadcast(
    body: CreateBroadcast,
    response: Response,
    database: CurrentDatabase,
    rules: CurrentRules,
    key: OptionalIdempotencyKey,
) -> BroadcastBody:
    """Schedule a notification for everyone of an audience. The events are made from then on: progress can be read.

    With an `Idempotency-Key`, a repeated request gives the broadcast that the first one created.
    """
    broadcast = await broadcasts.create_broadcast(database, rules, body.new_broadcast(), key)
    response.headers["Location"] = f"{router.prefix}/{broadcast.id}"
    return BroadcastBody.of(broadcast)


@router.post("/preview", operation_id="preview_v1_broadcasts_preview_post", dependencies=[READ])
async def preview_broadcast(
    body: CreateBroadcast, database: CurrentDatabase, reads: CurrentReads, rules: CurrentRules
) -> BroadcastPreviewBody:
    """When a broadcast would be sent to whom, by zone: what its send window and its spread make of its time.

    Nothing is made. The audience is counted as it is now.
    """
    rows = await broadcasts.preview_broadcast(database, reads, rules, body.new_broadcast())
    return BroadcastPreviewBody.of(rows)


@router.get("", operation_id="list_all_v1_broadcasts_get", dependencies=[READ])
async def list_broadcasts(reads: CurrentReads, limit: Limit = 50, cursor: Cursor = None) -> Page[BroadcastBody]:
    """Newest first."""
    found = await broadcasts.list_broadcasts(reads, before=decode_cursor(cursor), limit=limit + 1)
    page, more = cut(found, limit)
    return Page(
        items=[BroadcastBody.of(each) for each in page],
        next_cursor=encode_cursor((page[-1].created_at, page[-1].id)) if more else None,
    )


@router.get(
    "/{broadcastId}",
    operation_id="get_one_v1_broadcasts__broadcastId__get",
    dependencies=[READ],
    responses=documented(404),
)
async def get_broadcast(broadcast_id: BroadcastId, reads: CurrentReads, cache: CurrentCache) -> BroadcastDetailBody:
    """One broadcast with its progress; its events are those of `/v1/events?broadcastId=`."""
    return BroadcastDetailBody.with_counts(*await broadcasts.get_broadcast(reads, cache, broadcast_id))


@router.post(
    "/{broadcastId}/cancel",
    operation_id="cancel_v1_broadcasts__broadcastId__cancel_post",
    dependencies=[WRITE],
    responses=documented(404, 409),
)
async def cancel_broadcast(broadcast_id: BroadcastId, database: CurrentDatabase) -> BroadcastBody:
    """Make no more events, and cancel those that wait. Events that are in flight or have ended are not changed."""
    return BroadcastBody.of(await broadcasts.cancel_broadcast(database, broadcast_id))
