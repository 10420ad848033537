"""Keeping schedules and pending events of their users right after a change: of a user, or of a schedule."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chassis.database.database import Transaction
from chassis.messaging.outbox import Outbox
from event_service.adapters import event_locks, events, schedules
from event_service.application import calendar_days, notices
from event_service.application.notices import Notice
from event_service.application.reactivation import revive
from event_service.domain.changes import Changes
from event_service.domain.events import Event, EventKey
from event_service.domain.recipients import Recipient
from event_service.domain.record import replace
from event_service.domain.schedule_planning import keep_schedule, plan_ended, plan_schedule
from event_service.domain.schedules import LiveEvent, Schedule, Source, Status
from event_service.domain.send_times import other_zone
from event_service.domain.strategies import STRATEGIES
from event_service.domain.type_rules import Rulebook

COPY_FROM = 50
"""Changed users from which on COPY is worth its extra round trips."""
USER_CHANGED = "user changed"
USER_DELETED = "user deleted"
PAUSED = "schedule paused"
SOURCE_REMOVED = "no longer the user's"
"""What a schedule followed from, an anniversary, is gone."""


async def write(tx: Transaction, outbox: Outbox, changes: Changes, reason: str) -> None:
    """Write all changes and announce them; ``reason`` is why events moved or were replaced."""
    gone = await events.delete_pending(tx, changes.replaced)
    moved = await events.move(tx, changes.moves)
    await (events.copy if changes.bulk else events.insert)(tx, changes.inserts)
    revived = await revive(tx, changes.rules, changes.revivals, changes.now)
    happened = await events.revive(tx, changes.revived)
    back = [event for event in changes.revived if event.id not in happened]
    await events.renew_pending(tx, changes.renewals)
    await schedules.store(tx, [*changes.stored, *(schedule for schedule, _ in revived)])
    await schedules.copy(tx, changes.fresh)
    await schedules.delete(tx, changes.deleted)
    cancelled: list[Notice] = []
    for why, keys in changes.cancels.items():
        cancelled += notices.cancelled(await events.cancel_pending(tx, keys, why), changes.now, why)
    await outbox.append(
        tx,
        [
            *notices.scheduled([*changes.inserts, *back, *(event for _, event in revived if event)], changes.now),
            *notices.rescheduled([move for move in changes.moves if move[0].id in moved], changes.now, reason),
            *notices.cancelled(gone.values(), changes.now, reason),
            *cancelled,
        ],
    )
    # At the end: two that are the first to name a calendar wait for each other, and must not hold each other up.
    await calendar_days.remember_of(tx, [*changes.stored, *changes.fresh])


async def reconcile(
    tx: Transaction,
    outbox: Outbox,
    rules: Rulebook,
    changed: Sequence[Recipient],
    known: Collection[UUID],
    traceparents: Mapping[UUID, str | None],
    now: datetime,
) -> None:
    """Bring the schedules and waiting events of changed recipients in line with them.

    Those not among ``known`` are new: nothing can be there of them yet.
    """
    stored = await schedules.lock_of_users(tx, known)
    live = await lock_live_events(tx, stored)
    moved = await lock_moved_events(tx, stored)
    alone = await event_locks.lock_alone(tx, known)
    people = {recipient.user_id: recipient for recipient in changed}
    have = {schedule.id: schedule for schedule in stored}
    changes = Changes(rules, now, bulk=len(changed) >= COPY_FROM)
    wanted: set[UUID] = set()
    for recipient in changed:
        if recipient.deleted:
            continue
        for strategy in STRATEGIES.values():
            for derived in strategy.derive(recipient):
                wanted.add(derived.id)
                before = have.get(derived.id)
                want = _carried_over(derived, before, traceparents.get(recipient.user_id))
                plan_schedule(
                    changes,
                    want,
                    before,
                    live.get(derived.id),
                    recipient,
                    want.traceparent,
                    moved=moved.get(derived.id, ()),
                )
    for schedule in stored:
        recipient = people[schedule.user_id]
        if recipient.deleted:
            changes.end(schedule, live.get(schedule.id), USER_DELETED, moved=moved.get(schedule.id, ()))
        elif schedule.source is Source.API:
            _follow(changes, schedule, live.get(schedule.id), moved.get(schedule.id, ()), recipient)
        elif schedule.id not in wanted:
            changes.end(schedule, live.get(schedule.id), SOURCE_REMOVED, moved=moved.get(schedule.id, ()))
    for event in alone:
        recipient = people[event.user_id]
        if recipient.deleted:
            changes.cancel(event.key, USER_DELETED)
        else:
            changes.follow(event, recipient)
    await write(tx, outbox, changes, USER_CHANGED)


async def lock_live_events(tx: Transaction, held: Collection[Schedule]) -> dict[UUID, LiveEvent]:
    """Lock the live events of schedules that are locked already. Returns them by their schedules' ids."""
    naming = {each.live_event_id: each for each in held if each.live_event_id is not None}
    keys = [EventKey(id, each.next_at) for id, each in naming.items() if each.next_at is not None]
    return {naming[id].id: live for id, live in (await event_locks.lock_live(tx, keys)).items()}


async def lock_moved_events(tx: Transaction, held: Collection[Schedule]) -> dict[UUID, list[Event]]:
    """Lock the events with their own time behind which locked schedules have advanced, by their schedules' ids."""
    having = [each for each in held if each.has_moved]
    moved = await event_locks.lock_moved(tx, {each.user_id for each in having}, {each.id for each in having})
    live = {each.live_event_id for each in having}
    return {id: [event for event in found if event.id not in live] for id, found in moved.items()}


def _carried_over(derived: Schedule, have: Schedule | None, traceparent: str | None) -> Schedule:
    """What a user's data say of a schedule, with what has become of it and what was set for it alone."""
    if have is None:
        return replace(derived, traceparent=traceparent)
    want = replace(
        have,
        priority=derived.priority,
        pattern=derived.pattern,
        timezone=derived.timezone,
        user_window=derived.user_window,
        label=derived.label,
        status=derived.status,
    )
    return replace(want, version=have.version + 1, traceparent=traceparent) if want != have else want


def _follow(
    changes: Changes, have: Schedule, live: LiveEvent | None, moved: Sequence[Event], recipient: Recipient
) -> None:
    timezone = recipient.timezone if have.follows_user else have.timezone
    want = replace(
        have,
        timezone=timezone,
        user_window=recipient.send_window,
        user_timezone=other_zone(timezone, recipient),
    )
    if want != have:
        want = replace(want, version=have.version + 1)
    if have.status is Status.ACTIVE:
        plan_schedule(changes, want, have, live, recipient, have.traceparent, moved=moved)
    elif have.status is Status.ENDED and moved:
        plan_ended(changes, want, have, moved, recipient)
    else:
        keep_schedule(changes, want, have)
