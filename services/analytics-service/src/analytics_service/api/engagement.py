"""``/v1/engagement``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from analytics_service.api.csv import DOCUMENTED_PAGE, CsvResponse, Format
from analytics_service.api.schemas import EngagementBody, TagEngagementBody
from analytics_service.application.engagement import list_engagement, list_tags, user_engagement
from chassis.api.auth import READ
from chassis.api.dependencies import CurrentReads
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.problems import documented

router = APIRouter(prefix="/v1/engagement", tags=["engagement"], dependencies=[READ])


@router.get(
    "/users",
    operation_id="list_users_v1_engagement_users_get",
    response_model=Page[EngagementBody],
    responses=DOCUMENTED_PAGE,
)
async def list_user_engagement(
    reads: CurrentReads, limit: Limit = 50, cursor: Cursor = None, format: Format = Format.JSON
) -> Page[EngagementBody] | Response:
    """How many events of each user were delivered, and how many failed or were missed. The latest comes first."""
    page, more = cut(await list_engagement(reads, before=decode_cursor(cursor), limit=limit + 1), limit)
    following = encode_cursor((page[-1].last_at, page[-1].user_id)) if more else None
    items = [EngagementBody.model_validate(each, from_attributes=True) for each in page]
    if format is Format.CSV:
        return CsvResponse(EngagementBody, items, following)
    return Page(items=items, next_cursor=following)


@router.get("/users/{user_id}", operation_id="get_user_v1_engagement_users__user_id__get", responses=documented(404))
async def get_user_engagement(reads: CurrentReads, user_id: UUID) -> EngagementBody:
    """Of one user."""
    return EngagementBody.model_validate(await user_engagement(reads, user_id), from_attributes=True)


@router.get(
    "/tags",
    operation_id="list_by_tag_v1_engagement_tags_get",
    response_model=Page[TagEngagementBody],
    responses=DOCUMENTED_PAGE,
)
async def list_tag_engagement(
    reads: CurrentReads,
    tag: Annotated[str | None, Query(max_length=200, description="That one alone.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    format: Format = Format.JSON,
) -> Page[TagEngagementBody] | Response:
    """The same of the users with each tag, as the event had it. The latest comes first."""
    page, more = cut(await list_tags(reads, tag=tag, before=decode_cursor(cursor), limit=limit + 1), limit)
    following = encode_cursor((page[-1][1].last_at, page[-1][0])) if more else None
    items = [TagEngagementBody.model_validate(each, from_attributes=True) for _, each in page]
    if format is Format.CSV:
        return CsvResponse(TagEngagementBody, items, following)
    return Page(items=items, next_cursor=following)
