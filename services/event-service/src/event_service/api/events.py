"""``/v1/events``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from chassis.api.auth import READ
from chassis.api.dependencies import CurrentReads
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.problems import documented
from chassis.api.wire import Instant
from chassis.zones import zone
from contracts.vocabulary import EventStatus, EventType, Priority
from event_service.api.schemas import EventBody, EventDetailBody, SummaryBody, TransitionBody
from event_service.application.queries import EventFilter, EventView, get_event, list_events, summarise

router = APIRouter(prefix="/v1/events", tags=["events"], dependencies=[READ])


@router.get("")
async def list_all(
    reads: CurrentReads,
    user_id: Annotated[UUID | None, Query(alias="userId")] = None,
    event_type: Annotated[EventType | None, Query(alias="eventType")] = None,
    status: Annotated[EventStatus | None, Query()] = None,
    start: Annotated[Instant | None, Query(alias="from", description="Earliest target, inclusive.")] = None,
    end: Annotated[Instant | None, Query(alias="to", description="Latest target, exclusive.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EventBody]:
    """Latest target first."""
    wanted = EventFilter(user_id, event_type, status, start, end)
    found = await list_events(reads, wanted, before=decode_cursor(cursor), limit=limit + 1)
    page, more = cut(found, limit)
    return Page(
        items=[EventBody.model_validate(_body(event)) for event in page],
        next_cursor=encode_cursor((page[-1].target, page[-1].id)) if more else None,
    )


@router.get("/summary")
async def summary(reads: CurrentReads) -> SummaryBody:
    """How much is known and how much is to come."""
    return SummaryBody.model_validate(await summarise(reads))


@router.get("/{event_id}", responses=documented(404))
async def get_one(event_id: UUID, reads: CurrentReads) -> EventDetailBody:
    """One event with its history."""
    event = await get_event(reads, event_id)
    return EventDetailBody.model_validate(
        {**_body(event), "history": [TransitionBody.model_validate(step) for step in event.history]}
    )


def _body(event: EventView) -> dict[str, object]:
    return {
        "id": event.id,
        "event_type": event.event_type,
        "status": event.status,
        "priority": Priority(event.priority),
        "user_id": event.user_id,
        "schedule_id": event.schedule_id,
        "occurrence": event.occurrence,
        "attempt": event.attempt,
        "target_timestamp_utc": event.target,
        "target_timestamp_local": event.target.astimezone(zone(event.timezone)),
        "target_timezone": event.timezone,
        "grace_until": event.grace_until,
        "published_at": event.published_at,
        "finished_at": event.finished_at,
        "reason": event.reason,
        "payload": event.payload,
    }
