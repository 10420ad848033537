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
from event_service.application import event_changes, one_offs, queries
from event_service.application.queries import EventFilter

router = APIRouter(prefix="/v1/events", tags=["events"])

EventId = Annotated[UUID, Path(alias="eventId")]


@router.get("", operation_id="list_all_v1_events_get", dependencies=[READ])
async def list_events(
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
    found = await queries.list_events(reads, wanted, before=decode_cursor(cursor), limit=limit + 1)
    page, more = cut(found, limit)
    return Page(
        items=[EventBody.of(event) for event in page],
        next_cursor=encode_cursor((page[-1].target, page[-1].id)) if more else None,
    )


@router.post("", operation_id="create_v1_events_post", status_code=201, dependencies=[WRITE], responses=documented(404))
async def create_event(
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


@router.post("/batch", operation_id="create_batch_v1_events_batch_post", status_code=201, dependencies=[WRITE])
async def create_events(
    body: CreateEvents,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    rules: CurrentRules,
    partitions: CurrentPartitions,
    key: OptionalIdempotencyKey,
) -> EventsBody:
    """Up to 1,000 events, all or none: errors name the item, as `items.3.userId`."""
    await partitions.cover()
    news = [item.new_event() for item in body.items]
    made = await one_offs.create_events(database, outbox, rules, news, key)
    return EventsBody(items=[EventBody.of(event) for event in made])


@router.get("/summary", operation_id="summary_v1_events_summary_get", dependencies=[READ])
async def get_event_summary(reads: CurrentReads) -> SummaryBody:
    """How much is known and how much is to come."""
    return SummaryBody.model_validate(await queries.summarise(reads))


@router.get(
    "/{eventId}", operation_id="get_one_v1_events__eventId__get", dependencies=[READ], responses=documented(404)
)
async def get_event(event_id: EventId, reads: CurrentReads) -> EventDetailBody:
    """One event with its history."""
    return EventDetailBody.of(await queries.get_event(reads, event_id))


@router.post(
    "/{eventId}/cancel",
    operation_id="cancel_v1_events__eventId__cancel_post",
    dependencies=[WRITE],
    responses=documented(404, 409),
)
async def cancel_event(
    event_id: EventId,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    rules: CurrentRules,
    partitions: CurrentPartitions,
) -> EventDetailBody:
    """Cancel an event that is PENDING. A schedule skips this occurrence and continues with its next."""
    await partitions.cover()
    return EventDetailBody.of(await event_changes.cancel_event(database, outbox, rules, event_id))


@router.post(
    "/{eventId}/reschedule",
    operation_id="reschedule_v1_events__eventId__reschedule_post",
    dependencies=[WRITE],
    responses=documented(404, 409),
)
async def reschedule_event(
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


@router.post(
    "/{eventId}/retry",
    operation_id="retry_v1_events__eventId__retry_post",
    dependencies=[WRITE],
    responses=documented(404, 409),
)
async def retry_event(event_id: EventId, database: CurrentDatabase) -> EventDetailBody:
    """Publish an event that has FAILED once more, as its next attempt. What succeeded already is not repeated."""
    return EventDetailBody.of(await event_changes.retry_event(database, event_id))
