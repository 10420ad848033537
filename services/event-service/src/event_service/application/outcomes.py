"""How deliveries ended, and how waiting events are given up. Where that is the first record, successors are made."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import structlog

from chassis.database import inbox
from chassis.database.database import Database, Transaction
from chassis.messaging.domain import ReceivedItem
from chassis.messaging.outbox import Outbox
from contracts.messages.delivery import DeliveryOutcomeItem
from contracts.vocabulary import EventStatus, OutcomeStatus
from event_service.adapters import event_endings, event_locks, events, recipients, schedules
from event_service.adapters.event_endings import Finish, missed_at
from event_service.application import notices
from event_service.application.next_occurrence import schedule_next
from event_service.domain.events import Event, EventKey
from event_service.domain.schedules import Schedule
from event_service.domain.type_rules import Rulebook

log = structlog.get_logger(__name__)


async def apply_outcomes(database: Database, outbox: Outbox, rules: Rulebook, received: Sequence[ReceivedItem]) -> None:
    """Finish the events whose deliveries have ended, each outcome once.

    An outcome that overtakes the stamp of its publication makes the next occurrence too. One of an older attempt, or
    for an unknown event, changes nothing.
    """
    async with database.transaction() as tx:
        fresh = await inbox.unseen(tx, [each.item_id for each in received])
        outcomes: dict[UUID, tuple[DeliveryOutcomeItem, str | None]] = {}
        for each in received:
            if each.item_id in fresh and isinstance(each.item, DeliveryOutcomeItem):
                known = outcomes.get(each.item.event_id)
                if known is None or _outranks(each.item, known[0]):
                    outcomes[each.item.event_id] = (each.item, each.traceparent)
        if not outcomes:
            return
        # Schedules are locked before events, by everyone, and tell where an event is that has moved since it was sent.
        live = await schedules.lock_live(tx, outcomes.keys())
        finishes = [_finish(item, _target(item, live.get(id))) for id, (item, _) in outcomes.items()]
        ended = await event_endings.finish(tx, finishes)
        ended |= await event_endings.finish(
            tx, await _elsewhere(tx, [each for each in finishes if each.key.id not in ended])
        )
        if not ended:
            return
        now = await events.current_time(tx)
        people = await recipients.find(tx, {event.user_id for event in ended.values()})
        ended = await _forget_gone(tx, ended, people)
        continuation = await schedule_next(
            tx,
            rules,
            [(event, live[event.id]) for event in ended.values() if event.id in live],
            people,
            lambda event: outcomes[event.id][1],
            now,
        )
        ends = [notices.ended(event, *outcomes[event.id], now) for event in ended.values()]
        await outbox.append(tx, [*ends, *continuation.notices(now)])


async def sweep_missed(database: Database, outbox: Outbox, rules: Rulebook, *, limit: int) -> int:
    """Give up waiting events whose grace has ended, announce them, and let their schedules go on."""
    async with database.transaction() as tx:
        candidates = await event_endings.find_missed(tx, limit)
        if not candidates:
            return 0
        live = await schedules.lock_live(tx, [event.id for event in candidates])
        now = await events.current_time(tx)
        ended = await event_endings.finish(tx, [missed_at(event, now) for event in candidates])
        people = await recipients.find(tx, {event.user_id for event in ended.values()})
        ended = await _forget_gone(tx, ended, people)
        continuation = await schedule_next(
            tx,
            rules,
            [(event, live[event.id]) for event in ended.values() if event.id in live],
            people,
            lambda event: event.traceparent,
            now,
            fired=False,
        )
        missed = [notices.missed(event, now) for event in ended.values()]
        await outbox.append(tx, [*missed, *continuation.notices(now)])
        return len(ended)


async def _forget_gone(tx: Transaction, ended: dict[UUID, Event], people: Collection[UUID]) -> dict[UUID, Event]:
    """Erases personal data of users deleted while their event was in flight."""
    gone = {event.user_id for event in ended.values()}.difference(people)
    await event_endings.forget_person(tx, gone)
    return {id: replace(event, tags=()) if event.user_id in gone else event for id, event in ended.items()}


async def _elsewhere(tx: Transaction, left: Sequence[Finish]) -> list[Finish]:
    """Those whose events have moved since they were sent, and that no schedule names any more, with where they are."""
    there = await event_locks.existing(tx, [each.key for each in left])
    lost = [each for each in left if each.key.id not in there]
    found = await event_locks.where(tx, [each.key.id for each in lost])
    if unknown := [str(each.key.id) for each in lost if each.key.id not in found]:
        log.warning("outcomes for unknown events", events=unknown)
    return [replace(each, key=found[each.key.id]) for each in lost if each.key.id in found]


def _target(item: DeliveryOutcomeItem, schedule: Schedule | None) -> datetime:
    moved_to = schedule.next_at if schedule else None
    return moved_to or item.target_timestamp_utc


def _finish(item: DeliveryOutcomeItem, target: datetime) -> Finish:
    succeeded = item.status is OutcomeStatus.SUCCEEDED
    return Finish(
        key=EventKey(item.event_id, target),
        attempt=item.attempt,
        status=EventStatus.COMPLETED if succeeded else EventStatus.FAILED,
        reason=None if succeeded else item.reason or "failed",
        published_at=item.received_at,
        finished_at=item.finished_at,
    )


def _outranks(one: DeliveryOutcomeItem, other: DeliveryOutcomeItem) -> bool:
    """Of two outcomes of an event in one batch: the later attempt's, and of one attempt's the success."""
    return (one.attempt, one.status is OutcomeStatus.SUCCEEDED) > (
        other.attempt,
        other.status is OutcomeStatus.SUCCEEDED,
    )
