"""Redrives dead letters, one or all that match a filter, with the same idempotency key (docs/architecture.md#delivery).

A redrive goes to the endpoint that had failed; what no endpoint wanted is matched again; what could not be read is read
again. If the cause persists, the dead letter stays open.
"""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

import structlog

from chassis.database.database import Database, Transaction
from chassis.messaging.outbox import Outbox
from contracts.errors import ContractError
from delivery_service.adapters import dead_letters, ingest, redrives
from delivery_service.adapters.claims import Capacity
from delivery_service.application.dead_letters import find_dead_letter
from delivery_service.application.due_messages import check_due_event, received_event
from delivery_service.application.ingest import ingest_within
from delivery_service.domain.dead_letters import DeadLetter, DeadLetterStatus, Redrive, Selection
from delivery_service.domain.deliveries import Lease, ReceivedEvent
from delivery_service.domain.errors import (
    DeadLetterNotOpenError,
    NotRedrivableError,
    RedriveEndedError,
    RedriveNotFoundError,
)

log = structlog.get_logger(__name__)

BATCH = 200
POLL_SECONDS = 1.0


async def redrive(tx: Transaction, outbox: Outbox, letter_ids: Collection[UUID], horizon: float) -> set[UUID]:
    """Redrive the open ones of these. Returns those that are; the others cannot go yet, and stay open."""
    # Events are locked before letters, by everyone.
    known = {each.event_id: each for each in await ingest.lock(tx, await dead_letters.events_of(tx, letter_ids))}
    letters = await dead_letters.lock_open(tx, letter_ids)
    of_delivery = {each.delivery_id: each.id for each in letters if each.delivery_id is not None}
    revived = await redrives.revive(tx, of_delivery.keys(), horizon) if of_delivery else {}
    done = {of_delivery[delivery_id] for delivery_id in revived}
    unwanted = {
        each.event_id: each
        for each in letters
        if each.delivery_id is None and each.queue is None and each.event_id in known
    }
    if unwanted:
        done |= await _match_again(tx, {id: (each, known[id].attempt) for id, each in unwanted.items() if id}, horizon)
    for letter in letters:
        if letter.queue is not None and await _read_again(tx, outbox, letter):
            done.add(letter.id)
    await dead_letters.resolve(tx, done, DeadLetterStatus.REDRIVEN)
    return done


async def redrive_one(database: Database, outbox: Outbox, letter_id: UUID, horizon: float) -> DeadLetter:
    """Redrive a dead letter.

    Raises:
        DeadLetterNotFoundError
        DeadLetterNotOpenError: it was redriven or discarded before.
        NotRedrivableError: its endpoint is not enabled or gone, none wants it, or it still cannot be read.
    """
    async with database.transaction() as tx:
        done = await redrive(tx, outbox, [letter_id], horizon)
    letter = await find_dead_letter(database, letter_id)
    if done:
        return letter
    if letter.status is not DeadLetterStatus.OPEN:
        raise DeadLetterNotOpenError(f"it is {letter.status} since {letter.resolved_at}")
    if letter.queue is not None:
        raise NotRedrivableError(f"the message still cannot be read: {letter.detail}")
    if letter.delivery_id is None:
        raise NotRedrivableError("no enabled endpoint wants the event, or it can no longer be read")
    raise NotRedrivableError(f"endpoint {letter.endpoint_id} is deleted or not enabled")


async def begin_redrive(database: Database, wanted: Selection) -> Redrive:
    """Have all redriven that are open now and meet ``wanted``. The :class:`Redriver` of any worker does it."""
    wanted = replace(wanted, status=DeadLetterStatus.OPEN)
    async with database.transaction() as tx:
        last = await dead_letters.newest(tx)
        return await redrives.begin(tx, wanted, last, await dead_letters.count(tx, wanted, last))


async def find_redrive(database: Database, redrive_id: UUID) -> Redrive:
    """How far a redrive has come. Raises RedriveNotFoundError."""
    async with database.read() as connection:
        found = await redrives.find(connection, redrive_id)
    if found is None:
        raise RedriveNotFoundError(f"there is no redrive {redrive_id}")
    return found


async def cancel_redrive(database: Database, redrive_id: UUID) -> Redrive:
    """Stop a redrive. What it has sent is on its way; the rest stays open.

    Raises:
        RedriveNotFoundError
        RedriveEndedError: it has come to its end, or was cancelled before.
    """
    async with database.transaction() as tx:
        cancelled = await redrives.cancel(tx, redrive_id)
    redrive = await find_redrive(database, redrive_id)
    if not cancelled:
        raise RedriveEndedError(f"it has ended at {redrive.finished_at}")
    return redrive


class Redriver:
    """A step of a :class:`chassis.core.lifecycle.Loop` that works redrives off in batches, in any number of workers."""

    def __init__(self, database: Database, outbox: Outbox, *, horizon: float) -> None:
        self._database = database
        self._outbox = outbox
        self._horizon = horizon

    async def step(self) -> float:
        """One batch of one redrive. Returns the seconds until the next."""
        async with self._database.transaction() as tx:
            taken = await redrives.take(tx)
            if taken is None:
                return POLL_SECONDS
            redrive_id, wanted, last, position = taken
            ids = await dead_letters.after(tx, wanted, position, last, BATCH)
            done = await redrive(tx, self._outbox, ids, self._horizon)
            await redrives.advance(
                tx,
                redrive_id,
                ids[-1] if ids else position,
                redriven=len(done),
                skipped=len(ids) - len(done),
                finished=len(ids) < BATCH,
            )
        log.info("dead letters redriven", redrive_id=str(redrive_id), redriven=len(done), skipped=len(ids) - len(done))
        return 0.0


async def _match_again(tx: Transaction, unwanted: dict[UUID, tuple[DeadLetter, int]], horizon: float) -> set[UUID]:
    """Look for endpoints again. Returns the letters of the events that found some."""
    traces = await redrives.traces(tx, unwanted.keys())
    arrivals = {}
    for id, (letter, attempt) in unwanted.items():
        arrival = _read(letter, traces[id])
        if arrival is not None:
            # The event's own attempt: event-service takes no outcome of another.
            arrivals[id] = replace(arrival, attempt=attempt)
    still_unwanted = set(await ingest.reopen(tx, list(arrivals.values())))
    wanted = arrivals.keys() - still_unwanted
    await redrives.extend(tx, wanted, horizon)
    return {unwanted[id][0].id for id in wanted}


async def _read_again(tx: Transaction, outbox: Outbox, letter: DeadLetter) -> bool:
    """Ingest a message that could not be read before. False where it cannot be read now either."""
    traceparent = None if letter.trace_id is None else f"00-{letter.trace_id}-{letter.id.hex[:16]}-01"
    arrival = _read(letter, traceparent)
    if arrival is None:
        return False
    # Without room here: any worker may have it.
    await ingest_within(tx, outbox, [arrival], Lease.begin(60), Capacity({}, 0))
    return True


def _read(letter: DeadLetter, traceparent: str | None) -> ReceivedEvent | None:
    """The due event of a letter. None where it cannot be read: one such must not hold up the redrive of all others."""
    try:
        return received_event(check_due_event(letter.payload), letter.payload, traceparent, None)
    except ContractError:
        return None
