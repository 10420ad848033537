"""Stores, reads and discards dead letters. Redriving is in :mod:`.redrives`."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database.database import Database, Transaction
from chassis.messaging.consumer import ReceivedMessage, Rejection
from chassis.messaging.outbox import Outbox
from chassis.telemetry import tracing
from contracts.messages.delivery import DeadLetteredItem
from contracts.messages.spec import MessageType
from contracts.vocabulary import EventType, Priority
from delivery_service.adapters import dead_letters
from delivery_service.adapters.dead_letters import UnreadMessage
from delivery_service.application.operational_events import Occurrence, publish
from delivery_service.domain.dead_letters import DeadLetter, DeadLetterStatus, Selection
from delivery_service.domain.endpoints import OperationalEvent
from delivery_service.domain.errors import DeadLetterNotFoundError, DeadLetterNotOpenError

BATCH = 1_000
SAID_DETAIL = 200
"""Maximum characters of a detail in an operational event; all of it is in the dead letter."""


async def insert_for_deliveries(tx: Transaction, outbox: Outbox, delivery_ids: Sequence[UUID]) -> None:
    """Keep failed deliveries, and announce each on the bus of dead letters."""
    if delivery_ids:
        await _announce(tx, outbox, await dead_letters.insert_for_deliveries(tx, delivery_ids))


async def insert_for_unmatched(tx: Transaction, outbox: Outbox, event_ids: Sequence[UUID]) -> None:
    """The same for events that no endpoint wants."""
    if event_ids:
        await _announce(tx, outbox, await dead_letters.insert_for_unmatched(tx, event_ids))


def dead_letter_sink(
    database: Database, outbox: Outbox, queue: str
) -> Callable[[Sequence[Rejection]], Awaitable[None]]:
    """How a consumer of ``queue`` keeps what it cannot read: durably, and once however often a message comes back."""

    async def keep(rejections: Sequence[Rejection]) -> None:
        unread = [_unread(each) for each in rejections]
        async with database.transaction() as tx:
            await _announce(tx, outbox, await dead_letters.insert_for_messages(tx, queue, unread))

    return keep


async def find_dead_letter(database: Database, letter_id: UUID) -> DeadLetter:
    """Raises DeadLetterNotFoundError."""
    async with database.read() as connection:
        letter = await dead_letters.find(connection, letter_id)
    if letter is None:
        raise DeadLetterNotFoundError(f"there is no dead letter {letter_id}")
    return letter


async def search_dead_letters(
    database: Database, wanted: Selection, before: UUID | None, limit: int
) -> Sequence[DeadLetter]:
    """Newest first, at most ``limit``."""
    async with database.read() as connection:
        return await dead_letters.search(connection, wanted, before, limit)


async def discard_one(database: Database, letter_id: UUID, note: str) -> DeadLetter:
    """Let an open dead letter go, for the reason ``note``.

    Raises:
        DeadLetterNotFoundError
        DeadLetterNotOpenError: it was redriven or discarded before.
    """
    async with database.transaction() as tx:
        discarded = await dead_letters.resolve(tx, [letter_id], DeadLetterStatus.DISCARDED, note)
    letter = await find_dead_letter(database, letter_id)
    if not discarded:
        raise DeadLetterNotOpenError(f"it is {letter.status} since {letter.resolved_at}")
    return letter


async def discard_many(database: Database, wanted: Selection, note: str) -> int:
    """Discard all open ones that match ``wanted``. Returns how many; dead letters created in the meantime stay."""
    wanted, position, discarded = replace(wanted, status=DeadLetterStatus.OPEN), None, 0
    async with database.transaction() as tx:
        last = await dead_letters.newest(tx)
    while True:
        async with database.transaction() as tx:
            ids = await dead_letters.after(tx, wanted, position, last, BATCH)
            discarded += await dead_letters.resolve(tx, ids, DeadLetterStatus.DISCARDED, note)
        if len(ids) < BATCH:
            return discarded
        position = ids[-1]


async def _announce(tx: Transaction, outbox: Outbox, created: Sequence[Any]) -> None:
    await outbox.append(
        tx,
        [
            (
                MessageType.DEAD_LETTERED,
                DeadLetteredItem(
                    item_id=uuid7(),
                    traceparent=row.traceparent,
                    dead_letter_id=row.id,
                    reason=row.reason,
                    detail=row.detail,
                    event_id=None if row.operational else row.event_id,
                    user_id=row.user_id,
                    event_type=None if row.event_type is None or row.operational else EventType(row.event_type),
                    priority=None if row.priority is None else Priority(row.priority),
                    endpoint_id=row.endpoint_id,
                    attempts=row.attempts,
                    occurred_at=row.created_at,
                ),
            )
            for row in created
        ],
    )
    await publish(
        tx,
        OperationalEvent.DELIVERY_DEAD_LETTERED,
        [Occurrence(row.created_at, _said(row), row.endpoint_id) for row in created if not row.operational],
    )


def _said(row: Any) -> dict[str, Any]:
    return {
        "message": _sentence(row),
        "deadLetterId": row.id,
        "reason": row.reason,
        "detail": row.detail,
        "eventId": row.event_id,
        "eventType": row.event_type,
        "endpointId": row.endpoint_id,
        "attempts": row.attempts,
    }


def _sentence(row: Any) -> str:
    what = row.event_type or "A message"
    where = "" if row.endpoint_id is None else f" for endpoint {row.endpoint_id}"
    why = "" if row.detail is None else f" ({row.detail[:SAID_DETAIL]})"
    return f"{what}{where} was given up: {row.reason}{why}"


def _unread(rejection: Rejection) -> UnreadMessage:
    message = rejection.message
    parent = tracing.parse(message.traceparent)
    event_type, priority = message.attributes.get("eventType"), message.attributes.get("priority")
    return UnreadMessage(
        message_id=message.message_id,
        reason=rejection.reason,
        detail=rejection.detail,
        # PostgreSQL's text has no NUL; a message may.
        payload=message.body.replace("\0", "\\u0000"),
        event_id=_uuid(message, "eventId"),
        user_id=_uuid(message, "userId"),
        event_type=event_type if event_type in EventType.__members__ else None,
        priority=Priority.__members__.get(priority or ""),
        trace_id=f"{parent.trace_id:032x}" if parent else None,
    )


def _uuid(message: ReceivedMessage, attribute: str) -> UUID | None:
    try:
        return UUID(message.attributes.get(attribute, ""))
    except ValueError:
        return None
