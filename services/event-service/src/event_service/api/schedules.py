"""``/v1/schedules``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from chassis.api.auth import READ, WRITE
from chassis.api.dependencies import CurrentClock, CurrentDatabase, CurrentOutbox, CurrentReads
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.preconditions import ExpectedVersion, OptionalIdempotencyKey, OptionalVersion, set_etag
from chassis.api.problems import documented
from contracts.vocabulary import EventType
from event_service.adapters.schedule_views import ScheduleFilter
from event_service.api.dependencies import CurrentPartitions, CurrentRules
from event_service.api.schedule_schemas import CreateSchedule, PatchSchedule, ScheduleBody
from event_service.api.upcoming_schemas import UpcomingListBody
from event_service.application import schedules
from event_service.domain.schedules import Status

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])

ScheduleId = Annotated[UUID, Path(alias="scheduleId")]


@router.post("", status_code=201, dependencies=[WRITE], responses=documented(404))
async def create_schedule(
    body: CreateSchedule,
    response: Response,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    rules: CurrentRules,
    partitions: CurrentPartitions,
    key: OptionalIdempotencyKey,
) -> ScheduleBody:
    """Create a reminder's schedule; it begins at its first time from now on.

    With an `Idempotency-Key`, a repeated request gives the schedule that the first one created. A user who has just
    been created may not be known here for a moment, which is a 404 until then.
    """
    await partitions.cover()
    view = await schedules.create_schedule(database, outbox, rules, body.new_schedule(), key)
    response.headers["Location"] = f"{router.prefix}/{view.schedule.id}"
    set_etag(response, view.schedule.version)
    return ScheduleBody.of(view)


@router.get("", dependencies=[READ])
async def list_schedules(
    reads: CurrentReads,
    user_id: Annotated[UUID | None, Query(alias="userId")] = None,
    event_type: Annotated[EventType | None, Query(alias="eventType")] = None,
    status: Annotated[Status | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ScheduleBody]:
    """Newest first."""
    wanted = ScheduleFilter(user_id, event_type, status)
    found = await schedules.list_schedules(reads, wanted, before=decode_cursor(cursor), limit=limit + 1)
    page, more = cut(found, limit)
    return Page(
        items=[ScheduleBody.of(view) for view in page],
        next_cursor=encode_cursor((page[-1].created_at, page[-1].schedule.id)) if more else None,
    )


@router.get("/{scheduleId}", dependencies=[READ], responses=documented(404))
async def get_schedule(schedule_id: ScheduleId, response: Response, reads: CurrentReads) -> ScheduleBody:
    """One schedule; its `ETag` is what an update needs as `If-Match`. It changes with the schedule, not with time."""
    view = await schedules.get_schedule(reads, schedule_id)
    set_etag(response, view.schedule.version)
    return ScheduleBody.of(view)


@router.patch("/{scheduleId}", dependencies=[WRITE], responses=documented(404, 409, 412, 428))
async def update_schedule(
    schedule_id: ScheduleId,
    body: PatchSchedule,
    expected: ExpectedVersion,
    response: Response,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    rules: CurrentRules,
    partitions: CurrentPartitions,
) -> ScheduleBody:
    """Change some fields (RFC 7396). The pending event moves, is updated, or is replaced by another.

    A new time on the day itself that has passed fires at once while inside the grace. Of a schedule that follows from
    its user only policies, grace, expiry and message can be set.
    """
    await partitions.cover()
    view = await schedules.update_schedule(database, outbox, rules, schedule_id, body.patch(), expected)
    set_etag(response, view.schedule.version)
    return ScheduleBody.of(view)


@router.delete("/{scheduleId}", status_code=204, dependencies=[WRITE], responses=documented(404, 409, 412))
async def delete_schedule(
    schedule_id: ScheduleId,
    expected: OptionalVersion,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    rules: CurrentRules,
) -> None:
    """Delete a schedule and cancel its pending events; an event that is being delivered is not stopped."""
    await schedules.delete_schedule(database, outbox, rules, schedule_id, expected)


@router.post("/{scheduleId}/pause", dependencies=[WRITE], responses=documented(404, 409, 412))
async def pause_schedule(
    schedule_id: ScheduleId,
    expected: OptionalVersion,
    response: Response,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    rules: CurrentRules,
) -> ScheduleBody:
    """Cancel its pending events, and create no more until it is resumed."""
    view = await schedules.pause_schedule(database, outbox, rules, schedule_id, expected)
    set_etag(response, view.schedule.version)
    return ScheduleBody.of(view)


@router.post("/{scheduleId}/resume", dependencies=[WRITE], responses=documented(404, 409, 412))
async def resume_schedule(
    schedule_id: ScheduleId,
    expected: OptionalVersion,
    response: Response,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    rules: CurrentRules,
    partitions: CurrentPartitions,
) -> ScheduleBody:
    """Go on from the first time from now on; what would have come meanwhile is left out."""
    await partitions.cover()
    view = await schedules.resume_schedule(database, outbox, rules, schedule_id, expected)
    set_etag(response, view.schedule.version)
    return ScheduleBody.of(view)


@router.get("/{scheduleId}/upcoming", dependencies=[READ], responses=documented(404))
async def preview_schedule(
    schedule_id: ScheduleId,
    reads: CurrentReads,
    rules: CurrentRules,
    clock: CurrentClock,
    count: Annotated[int, Query(ge=1, le=100, description="How many at most.")] = 10,
) -> UpcomingListBody:
    """The next times, local and UTC, and what a policy did to each."""
    schedule, coming = await schedules.preview(reads, rules, schedule_id, now=clock.now(), count=count)
    return UpcomingListBody.of(schedule, coming)
