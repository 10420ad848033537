"""``/v1/dead-letter-messages``: messages that this service could not parse or apply."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query

from chassis.api.auth import READ, WRITE
from chassis.api.dependencies import CurrentDatabase
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.problems import documented
from chassis.api.wire import WireModel
from chassis.core.errors import DeadLetterErasedError, ResourceNotFoundError
from chassis.messaging import dead_letters
from chassis.messaging.dead_letters import ERASED_BODY

router = APIRouter(prefix="/v1/dead-letter-messages", tags=["dead letters"])


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


@router.get("", dependencies=[READ])
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


DeadLetterId = Annotated[UUID, Path(alias="deadLetterId")]


@router.get("/{deadLetterId}", dependencies=[READ], responses=documented(404))
async def get_dead_letter(letter_id: DeadLetterId, database: CurrentDatabase) -> DeadLetterBody:
    """One message that could not be parsed or applied."""
    found = await dead_letters.find(database, letter_id)
    if found is None:
        raise _missing(letter_id)
    return DeadLetterBody.model_validate(found, from_attributes=True)


@router.post("/{deadLetterId}/redrive", status_code=202, dependencies=[WRITE], responses=documented(404, 409))
async def redrive_dead_letter(letter_id: DeadLetterId, database: CurrentDatabase) -> DeadLetterBody:
    """Put a message back on its queue, within seconds. It is a dead letter again if it still cannot be applied."""
    found = await dead_letters.find(database, letter_id)
    if found is None:
        raise _missing(letter_id)
    if found.body == ERASED_BODY or not await dead_letters.request_redrive(database, letter_id):
        raise DeadLetterErasedError("its body held data of a user who was deleted, and was erased")
    return DeadLetterBody.model_validate(found, from_attributes=True)


@router.delete(
    "/{deadLetterId}",
    operation_id="discard_dead_letter_v1_dead_letter_messages__deadLetterId__delete",
    status_code=204,
    dependencies=[WRITE],
    responses=documented(404),
)
async def delete_dead_letter(letter_id: DeadLetterId, database: CurrentDatabase) -> None:
    """Delete a message that could not be parsed or applied."""
    if not await dead_letters.discard(database, letter_id):
        raise _missing(letter_id)


def _missing(letter_id: UUID) -> ResourceNotFoundError:
    return ResourceNotFoundError(f"there is no dead letter message {letter_id}")
