"""``/v1/dead-letter-messages``: messages that this service could not parse or apply (design §6.8)."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from chassis import dead_letters
from chassis.api.auth import READ
from chassis.api.dependencies import CurrentDatabase
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.wire import WireModel

router = APIRouter(prefix="/v1/dead-letter-messages", tags=["dead letters"], dependencies=[READ])


class DeadLetterBody(WireModel):
    """A message as it came, and why it could not be used."""

    id: UUID
    queue: str
    reason: str
    detail: str
    message_id: str
    body: str
    attributes: dict[str, Any]
    trace_id: str | None
    created_at: datetime


@router.get("")
async def list_dead_letters(
    database: CurrentDatabase,
    queue: Annotated[str | None, Query(max_length=100)] = None,
    reason: Annotated[str | None, Query(max_length=100)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeadLetterBody]:
    """Newest first."""
    found = await dead_letters.search(
        database, queue=queue, reason=reason, before=decode_cursor(cursor), limit=limit + 1
    )
    page, more = cut(found, limit)
    return Page(
        items=[DeadLetterBody.model_validate(each, from_attributes=True) for each in page],
        next_cursor=encode_cursor((page[-1].created_at, page[-1].id)) if more else None,
    )
