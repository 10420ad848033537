"""``/v1/calendar-feeds``, and the calendar that programs read."""

import asyncio
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field, model_validator

from chassis.api.auth import PUBLIC, READ, WRITE
from chassis.api.dependencies import CurrentClock, CurrentDatabase, CurrentReads
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.problems import documented
from chassis.api.wire import PlainText, RequestModel, WireModel
from event_service.api.calendar_format import DOCUMENTED, CalendarResponse, to_icalendar
from event_service.api.dependencies import CurrentRules
from event_service.application import calendar_feeds
from event_service.domain.calendar_feeds import MAX_NAME, CalendarFeed

CALENDAR = "/v1/calendar.ics"

router = APIRouter(tags=["calendar feeds"])


class CreateCalendarFeed(RequestModel):
    """Exactly one of `userId`, `scheduleId` and `tag`."""

    name: Annotated[PlainText, Field(min_length=1, max_length=MAX_NAME, description="The calendar's name.")] = "Almanac"
    user_id: UUID | None = None
    schedule_id: UUID | None = None
    tag: Annotated[PlainText, Field(min_length=1, max_length=64)] | None = None

    @model_validator(mode="after")
    def _of_one(self) -> Self:
        if sum(each is not None for each in (self.user_id, self.schedule_id, self.tag)) != 1:
            raise ValueError("give exactly one of userId, scheduleId, tag")
        return self


class CalendarFeedBody(WireModel):
    """A feed that is not revoked. Its token is not shown: it was when the feed was created."""

    id: UUID
    name: str
    user_id: UUID | None
    schedule_id: UUID | None
    tag: str | None
    created_at: datetime


class NewCalendarFeedBody(CalendarFeedBody):
    """A feed with its address, which is shown this once."""

    url: str = Field(
        description="For calendar programs. It gives read access to the calendar until the feed is deleted."
    )


@router.post("/v1/calendar-feeds", status_code=201, dependencies=[WRITE], responses=documented(404))
async def create_calendar_feed(
    body: CreateCalendarFeed, request: Request, database: CurrentDatabase
) -> NewCalendarFeedBody:
    """Create a calendar feed. Its URL, with the token, is in this answer alone; only a hash of the token is kept."""
    feed, token = await calendar_feeds.create_feed(
        database, name=body.name, user_id=body.user_id, schedule_id=body.schedule_id, tag=body.tag
    )
    url = request.url_for("read_calendar").include_query_params(token=token)
    return NewCalendarFeedBody(**_fields(feed), url=str(url))


@router.get("/v1/calendar-feeds", dependencies=[READ])
async def list_calendar_feeds(reads: CurrentReads, limit: Limit = 50, cursor: Cursor = None) -> Page[CalendarFeedBody]:
    """Newest first."""
    found = await calendar_feeds.list_feeds(reads, before=decode_cursor(cursor), limit=limit + 1)
    page, more = cut(found, limit)
    return Page(
        items=[CalendarFeedBody(**_fields(each)) for each in page],
        next_cursor=encode_cursor((page[-1].created_at, page[-1].id)) if more else None,
    )


@router.delete("/v1/calendar-feeds/{feedId}", status_code=204, dependencies=[WRITE], responses=documented(404))
async def delete_calendar_feed(feed_id: Annotated[UUID, Path(alias="feedId")], database: CurrentDatabase) -> None:
    """Revoke a feed: from now on its URL is a 404."""
    await calendar_feeds.revoke_feed(database, feed_id)


@router.get(
    CALENDAR,
    name="read_calendar",
    status_code=200,
    response_class=CalendarResponse,
    responses={**documented(404), **DOCUMENTED},
    openapi_extra=PUBLIC,
)
async def read_calendar(
    token: Annotated[str, Query(min_length=1, max_length=100, description="Of a calendar feed; no API key is needed.")],
    database: CurrentDatabase,
    rules: CurrentRules,
    clock: CurrentClock,
) -> CalendarResponse:
    """The next 12 months of a feed, at most 1,000 entries, as iCalendar: the instants of `upcoming`, in UTC."""
    now = clock.now()
    feed, entries = await calendar_feeds.read_feed(database, rules, token, now)
    return CalendarResponse(await asyncio.to_thread(to_icalendar, feed.name, entries, now))


def _fields(feed: CalendarFeed) -> dict[str, object]:
    return {
        "id": feed.id,
        "name": feed.name,
        "user_id": feed.user_id,
        "schedule_id": feed.schedule_id,
        "tag": feed.tag,
        "created_at": feed.created_at,
    }
