"""Inserts the deliveries of a batch of due events in one transaction (docs/architecture.md#delivery)."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.database.database import Database, Transaction
from chassis.messaging import erasures
from chassis.messaging.outbox import Outbox
from delivery_service.adapters import dead_letters, ingest
from delivery_service.adapters.claims import Capacity
from delivery_service.application.dead_letters import insert_for_unmatched
from delivery_service.application.outcomes import Announced, announce, announce_cancelled
from delivery_service.domain.deliveries import Dispatch, Lease, ReceivedEvent


@dataclass(frozen=True, slots=True)
class Ingested:
    """What to send now; the endpoints that something waits for; whether older deliveries became due again; the outcomes
    of what no endpoint wants.
    """

    dispatches: list[Dispatch]
    waiting: set[UUID]
    reopened: bool
    unwanted: list[Announced]


async def ingest_events(
    database: Database, outbox: Outbox, arrivals: Sequence[ReceivedEvent], lease: Lease, capacity: Capacity
) -> Ingested:
    """Store new events with their deliveries, leased to the caller where their endpoints have room.

    An event that is known and finished has its outcome sent again (a lost one heals so); one that is being
    delivered is unchanged; a higher attempt opens what had failed again; a lower one is old and ignored.
    """
    async with database.transaction() as tx:
        return await ingest_within(tx, outbox, arrivals, lease, capacity)


async def ingest_within(
    tx: Transaction, outbox: Outbox, arrivals: Sequence[ReceivedEvent], lease: Lease, capacity: Capacity
) -> Ingested:
    """The same in a transaction of the caller's."""
    deleted = await erasures.requested(tx, {each.user_id for each in arrivals})
    if deleted:
        # Nothing is kept of them, so their events end here.
        cancelled = [each for each in arrivals if each.user_id in deleted]
        await announce_cancelled(tx, outbox, cancelled, await ingest.current_time(tx))
        arrivals = [each for each in arrivals if each.user_id not in deleted]
    newest = {each.event_id: each for each in sorted(arrivals, key=lambda each: each.attempt)}
    inserted = await ingest.insert(tx, newest, lease, capacity)
    await insert_for_unmatched(tx, outbox, inserted.unwanted)
    unwanted = await announce(tx, outbox, inserted.unwanted)
    known = newest.keys() - inserted.event_ids
    again, reopened = [], []
    if known:
        for event in await ingest.lock(tx, list(known)):
            arrival = newest[event.event_id]
            if arrival.attempt > event.attempt:
                reopened.append(arrival)
            elif arrival.attempt == event.attempt and event.finished:
                again.append(event.event_id)
    if reopened:
        finished = await ingest.reopen(tx, reopened)
        await dead_letters.resolve_redriven(tx, {each.event_id for each in reopened} - set(finished))
        again += finished
    await announce(tx, outbox, again)
    return Ingested(inserted.dispatches, inserted.waiting, bool(reopened), unwanted)
