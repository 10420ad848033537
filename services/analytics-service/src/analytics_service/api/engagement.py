"""``/v1/engagement``."""

from uuid import UUID

from fastapi import APIRouter

from analytics_service.api.schemas import EngagementBody
from analytics_service.application.engagement import list_engagement, user_engagement
from chassis.api.auth import READ
from chassis.api.dependencies import CurrentReads
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.problems import documented

router = APIRouter(prefix="/v1/engagement/users", tags=["engagement"], dependencies=[READ])


@router.get("")
async def list_all(reads: CurrentReads, limit: Limit = 50, cursor: Cursor = None) -> Page[EngagementBody]:
    """How many events of each user were delivered, and how many failed or were missed. The latest comes first."""
    found = await list_engagement(reads, before=decode_cursor(cursor), limit=limit + 1)
    page, more = cut(found, limit)
    return Page(
        items=[EngagementBody.model_validate(each, from_attributes=True) for each in page],
        next_cursor=encode_cursor((page[-1].last_at, page[-1].user_id)) if more else None,
    )


@router.get("/{user_id}", responses=documented(404))
async def get_one(reads: CurrentReads, user_id: UUID) -> EngagementBody:
    """Of one user."""
    return EngagementBody.model_validate(await user_engagement(reads, user_id), from_attributes=True)
