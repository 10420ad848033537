"""``/v1/imports``: schedules, one-off events and history of another system, out of one streamed body each."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from chassis.api.auth import READ, WRITE, CurrentPrincipal
from chassis.api.dependencies import CurrentDatabase, CurrentOutbox, CurrentReads, CurrentStopping
from chassis.api.imports import NDJSON_BODY, ImportBody, ImportKey, require_ndjson
from chassis.api.intake import UNBOUNDED_BODY
from chassis.api.preconditions import set_etag
from chassis.api.problems import documented
from chassis.imports.jobs import Mark
from chassis.imports.lines import LineReader
from chassis.imports.ndjson import read_entries
from chassis.imports.runner import begin_import, run_import
from event_service.api.dependencies import CurrentPartitions, CurrentRetention, CurrentRules
from event_service.api.import_requests import ExternalKey, ImportedEvent, ImportedHistory, ImportedSchedule
from event_service.api.schedule_schemas import ScheduleBody
from event_service.api.schemas import EventDetailBody
from event_service.application import imported_events, imported_history, imported_schedules, schedules
from event_service.application.queries import get_event

REFUSALS = documented(408, 409, 415)
router = APIRouter(prefix="/v1/imports", tags=["imports"])


@router.post("/schedules", dependencies=[WRITE, UNBOUNDED_BODY], responses=REFUSALS, openapi_extra=NDJSON_BODY)
async def import_schedules(
    request: Request,
    principal: CurrentPrincipal,
    key: ImportKey,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    stopping: CurrentStopping,
    rules: CurrentRules,
    partitions: CurrentPartitions,
) -> ImportBody:
    """Create or change a schedule by each line of an NDJSON body that may have any length.

    A line is what `POST /v1/schedules` takes, with an `externalKey`, and `userExternalId` in the place of `userId`
    where wanted. A key that was imported before changes what it made, so the same file again changes nothing. A line
    that breaks a rule is listed with its number and each fault under `errorsUrl`; the others are not affected. After
    any interruption, the same request continues where it stopped.
    """
    require_ndjson(request)
    await partitions.cover()
    reader = LineReader(aiter(request.stream()), Mark)
    with stopping.calling(reader.stop):
        job = await begin_import(database, principal.name, key, imported_schedules.KIND)
        batches = read_entries(reader, job.mark, ImportedSchedule, ImportedSchedule.line)
        store = imported_schedules.schedules_store(outbox, rules)
        return ImportBody.of(await run_import(database, outbox, job, batches, store, stopping))


@router.post("/events", dependencies=[WRITE, UNBOUNDED_BODY], responses=REFUSALS, openapi_extra=NDJSON_BODY)
async def import_events(
    request: Request,
    principal: CurrentPrincipal,
    key: ImportKey,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    stopping: CurrentStopping,
    rules: CurrentRules,
    partitions: CurrentPartitions,
) -> ImportBody:
    """Create or move a one-off event by each line of an NDJSON body, as `/v1/imports/schedules` does with schedules.

    A line is what `POST /v1/events` takes, with an `externalKey`, `userExternalId` in the place of `userId` where
    wanted, and an `idempotencyKey` that becomes the event's `webhook-id`. Of an event that has fired, was cancelled or
    was rescheduled here a later import changes nothing.
    """
    require_ndjson(request)
    await partitions.cover()
    reader = LineReader(aiter(request.stream()), Mark)
    with stopping.calling(reader.stop):
        job = await begin_import(database, principal.name, key, imported_events.KIND)
        batches = read_entries(reader, job.mark, ImportedEvent, ImportedEvent.line)
        store = imported_events.events_store(outbox, rules)
        return ImportBody.of(await run_import(database, outbox, job, batches, store, stopping))


@router.post("/history", dependencies=[WRITE, UNBOUNDED_BODY], responses=REFUSALS, openapi_extra=NDJSON_BODY)
async def import_history(
    request: Request,
    principal: CurrentPrincipal,
    key: ImportKey,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    stopping: CurrentStopping,
    retention: CurrentRetention,
) -> ImportBody:
    """Keep events that another system has ended, for lists, timelines and analytics. Nothing fires.

    A key that was imported before changes nothing. A row older than `RETENTION_DAYS` is refused.
    """
    require_ndjson(request)
    reader = LineReader(aiter(request.stream()), Mark)
    with stopping.calling(reader.stop):
        job = await begin_import(database, principal.name, key, imported_history.KIND)
        batches = read_entries(reader, job.mark, ImportedHistory, ImportedHistory.line)
        store = imported_history.history_store(outbox, retention)
        return ImportBody.of(await run_import(database, outbox, job, batches, store, stopping))


PathKey = Annotated[ExternalKey, Path(alias="externalKey")]


@router.get("/schedules/{externalKey:path}", dependencies=[READ], responses=documented(404))
async def get_imported_schedule(external_key: PathKey, response: Response, reads: CurrentReads) -> ScheduleBody:
    """The schedule that was imported under a key of the other system."""
    view = await schedules.get_schedule(reads, imported_schedules.schedule_id(external_key))
    set_etag(response, view.schedule.version)
    return ScheduleBody.of(view)


@router.get("/events/{externalKey:path}", dependencies=[READ], responses=documented(404))
async def get_imported_event(external_key: PathKey, reads: CurrentReads) -> EventDetailBody:
    """The event that was imported under a key of the other system, with its history."""
    return EventDetailBody.of(await get_event(reads, imported_events.event_id(external_key)))


@router.get("/history/{externalKey:path}", dependencies=[READ], responses=documented(404))
async def get_imported_history(external_key: PathKey, reads: CurrentReads) -> EventDetailBody:
    """The event of the other system's history that was imported under a key of it."""
    return EventDetailBody.of(await get_event(reads, imported_history.history_id(external_key)))
