"""``/v1/events``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from chassis.api.auth import READ, WRITE
from chassis.api.dependencies import CurrentDatabase, CurrentOutbox, CurrentReads
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.preconditions import OptionalIdempotencyKey
from chassis.api.problems import documented
from chassis.api.wire import Instant
from contracts.vocabulary import EventStatus, EventType
from event_service.api.dependencies import CurrentPartitions, CurrentRules
from event_service.api.event_requests import CreateEvent, CreateEvents, RescheduleEvent
from event_service.api.schemas import EventBody, EventDetailBody, EventsBody, SummaryBody
from event_service.application import event_changes, one_offs
from event_service.application.queries import EventFilter, get_event, list_events, summarise

router = APIRouter(prefix="/v1/events", tags=["events"])

EventId = Annotated[UUID, Path(alias="eventId")]


@router.get("", dependencies=[READ])
async def list_all(
    reads: CurrentReads,
    user_id: Annotated[UUID | None, Query(alias="userId")] = None,
    broadcast_id: Annotated[UUID | None, Query(alias="broadcastId")] = None,
    event_type: Annotated[EventType | None, Query(alias="eventType")] = None,
    status: Annotated[EventStatus | None, Query()] = None,
    start: Annotated[Instant | None, Query(alias="from", description="Earliest target, inclusive.")] = None,
    end: Annotated[Instant | None, Query(alias="to", description="Latest target, exclusive.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EventBody]:
    """Latest target first."""
    wanted = EventFilter(user_id, broadcast_id, event_type, status, start, end)
    found = await list_events(reads, wanted, before=decode_cursor(cursor), limit=limit + 1)
    page, more = cut(found, limit)
    return Page(
        items=[EventBody.of(event) for event in page],
        next_cursor=encode_cursor((page[-1].target, page[-1].id)) if more else None,
    )


@router.post("", status_code=201, dependencies=[WRITE], responses=documented(404))
async def create(
    body: CreateEvent,
    response: Response,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    rules: CurrentRules,
    partitions: CurrentPartitions,
    key: OptionalIdempotencyKey,
) -> EventBody:
    """One event, at a time that may just have passed: inside its grace it fires at once.

    With an `Idempotency-Key`, a repeated request gives the event that the first one created.
    """
    await partitions.cover()
    event = await one_offs.create_event(database, outbox, rules, body.new_event(), key)
    response.headers["Location"] = f"{router.prefix}/{event.id}"
    return EventBody.of(event)


@router.post("/batch", status_code=201, dependencies=[WRITE])
async def create_batch(
    body: CreateEvents,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    rules: CurrentRules,
    partitions: CurrentPartitions,
    key: OptionalIdempotencyKey,
) -> EventsBody:
    """Up to 1,000 events, all or none: what is wrong with any is said of each, as `items.3.userId`."""
    await partitions.cover()
    news = [item.new_event() for item in body.items]
    made = await one_offs.create_events(database, outbox, rules, news, key)
    return EventsBody(items=[EventBody.of(event) for event in made])


@router.get("/summary", dependencies=[READ])
async def summary(reads: CurrentReads) -> SummaryBody:
    """How much is known and how much is to come."""
    return SummaryBody.model_validate(await summarise(reads))


@router.get("/{eventId}", dependencies=[READ], responses=documented(404))
async def get_one(event_id: EventId, reads: CurrentReads) -> EventDetailBody:
    """One event with its history."""
    return EventDetailBody.of(await get_event(reads, event_id))


@router.post("/{eventId}/cancel", dependencies=[WRITE], responses=documented(404, 409))
async def cancel(
    event_id: EventId,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    rules: CurrentRules,
    partitions: CurrentPartitions,
) -> EventDetailBody:
    """Cancel an event that is PENDING. A schedule skips this occurrence and goes on with its next."""
    await partitions.cover()
    return EventDetailBody.of(await event_changes.cancel_event(database, outbox, rules, event_id))


@router.post("/{eventId}/reschedule", dependencies=[WRITE], responses=documented(404, 409))
async def reschedule(
    event_id: EventId,
    body: RescheduleEvent,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    rules: CurrentRules,
    partitions: CurrentPartitions,
) -> EventDetailBody:
    """Give an event that is PENDING another time, with the same grace. It stays the same occurrence of its schedule."""
    await partitions.cover()
    moved = await event_changes.reschedule_event(database, outbox, rules, event_id, body.when())
    return EventDetailBody.of(moved)


@router.post("/{eventId}/retry", dependencies=[WRITE], responses=documented(404, 409))
async def retry(event_id: EventId, database: CurrentDatabase) -> EventDetailBody:
    """Publish an event that has FAILED once more, as its next attempt. What succeeded already is not repeated."""
    return EventDetailBody.of(await event_changes.retry_event(database, event_id))
