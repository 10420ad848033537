"""``/v1/dead-letters``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from chassis.api.auth import READ, WRITE
from chassis.api.dependencies import CurrentDatabase, CurrentOutbox
from chassis.api.pages import Page, cut, encode_cursor
from chassis.api.problems import documented
from delivery_service.api.dead_letter_schemas import (
    DeadLetterBody,
    DeadLetterDetailBody,
    DeadLetterFilter,
    DeadLetterQuery,
    Discard,
    DiscardedBody,
    DiscardMany,
    RedriveBody,
)
from delivery_service.application import dead_letters, redrives
from delivery_service.domain.dead_letters import HORIZON_SECONDS

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

DeadLetterId = Annotated[UUID, Path(alias="deadLetterId")]
RedriveId = Annotated[UUID, Path(alias="redriveId")]


@router.get("", operation_id="search_dead_letters_v1_dead_letters_get", dependencies=[READ])
async def list_dead_letters(
    query: Annotated[DeadLetterQuery, Query()], database: CurrentDatabase
) -> Page[DeadLetterBody]:
    """Newest first, the resolved ones too unless `status=OPEN` is asked for."""
    found = await dead_letters.search_dead_letters(database, query.selection(), query.before(), query.limit + 1)
    page, more = cut(found, query.limit)
    return Page(
        items=[DeadLetterBody.of(letter) for letter in page],
        next_cursor=encode_cursor((page[-1].created_at, page[-1].id)) if more else None,
    )


@router.post("/redrive", status_code=202, dependencies=[WRITE])
async def redrive_dead_letters(body: DeadLetterFilter, response: Response, database: CurrentDatabase) -> RedriveBody:
    """Redrive all that are open now and meet the filter. A worker does it in batches; `Location` says how far it is.

    Each goes as `POST /v1/dead-letters/{deadLetterId}/redrive` would send it.
    """
    redrive = await redrives.begin_redrive(database, body.selection())
    response.headers["Location"] = f"{router.prefix}/redrives/{redrive.id}"
    return RedriveBody.of(redrive)


@router.get("/redrives/{redriveId}", dependencies=[READ], responses=documented(404))
async def get_redrive(redrive_id: RedriveId, database: CurrentDatabase) -> RedriveBody:
    """How far a redrive has come."""
    return RedriveBody.of(await redrives.find_redrive(database, redrive_id))


@router.post("/redrives/{redriveId}/cancel", dependencies=[WRITE], responses=documented(404, 409))
async def cancel_redrive(redrive_id: RedriveId, database: CurrentDatabase) -> RedriveBody:
    """Stop a redrive of many. What it has sent is on its way; the rest stays open. 409 once it has ended."""
    return RedriveBody.of(await redrives.cancel_redrive(database, redrive_id))


@router.post("/discard", dependencies=[WRITE])
async def discard_dead_letters(body: DiscardMany, database: CurrentDatabase) -> DiscardedBody:
    """Let all go that are open and meet the filter. They stay to be read, with the note."""
    return DiscardedBody(discarded=await dead_letters.discard_many(database, body.selection(), body.note))


@router.get("/{deadLetterId}", dependencies=[READ], responses=documented(404))
async def get_dead_letter(letter_id: DeadLetterId, database: CurrentDatabase) -> DeadLetterDetailBody:
    """One dead letter, with the message's body."""
    return DeadLetterDetailBody.of(await dead_letters.find_dead_letter(database, letter_id))


@router.post("/{deadLetterId}/redrive", dependencies=[WRITE], responses=documented(404, 409))
async def redrive_dead_letter(
    letter_id: DeadLetterId, database: CurrentDatabase, outbox: CurrentOutbox
) -> DeadLetterDetailBody:
    """Send it again: to its endpoint, to those that want it now, or after reading the message again.

    It keeps its `webhook-id` and gets new tries; one that has expired may be sent for a further day. If
    the cause persists, the response is 409 and it stays open.
    """
    return DeadLetterDetailBody.of(await redrives.redrive_one(database, outbox, letter_id, HORIZON_SECONDS))


@router.post("/{deadLetterId}/discard", dependencies=[WRITE], responses=documented(404, 409))
async def discard_dead_letter(
    letter_id: DeadLetterId, body: Discard, database: CurrentDatabase
) -> DeadLetterDetailBody:
    """Let it go. It stays to be read, with the note."""
    return DeadLetterDetailBody.of(await dead_letters.discard_one(database, letter_id, body.note))
