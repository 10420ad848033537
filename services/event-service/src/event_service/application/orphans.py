"""Claimed events whose schedule, user or broadcast was removed before their claim ended."""

from collections.abc import Sequence

from chassis.database.database import Transaction
from chassis.messaging.outbox import Outbox
from event_service.adapters import broadcasts, events, recipients, schedules
from event_service.application import notices
from event_service.application.planning import USER_DELETED
from event_service.domain.events import Event, EventKey


async def cancel_orphans(tx: Transaction, outbox: Outbox, returned: Sequence[Event]) -> None:
    """Cancel those of ``returned``, claimed and pending again, whose schedule, user or broadcast is gone."""
    for reason, keys in (await find_orphans(tx, returned)).items():
        cancelled = await events.cancel_pending(tx, keys, reason)
        now = await events.current_time(tx)
        await outbox.append(tx, notices.cancelled(cancelled, now, reason))


async def find_orphans(tx: Transaction, claimed: Sequence[Event]) -> dict[str, list[EventKey]]:
    """Those of the claimed, unpublished events whose schedule, user or broadcast is gone, by the reason.

    Their users or schedules were deleted meanwhile, their schedules paused, or their broadcasts cancelled.
    """
    if not claimed:
        return {}
    people = await recipients.find(tx, {event.user_id for event in claimed})
    named = await schedules.still_named(tx, [event.id for event in claimed if event.schedule_id is not None])
    # A schedule has advanced behind its rescheduled events: it does not name them.
    moved = [event for event in claimed if event.schedule_id is not None and event.rescheduled]
    wanting = await schedules.not_paused(tx, {event.schedule_id for event in moved if event.schedule_id is not None})
    named |= {event.id for event in moved if event.schedule_id in wanting}
    stopped = await broadcasts.stopped(tx, {each.broadcast_id for each in claimed if each.broadcast_id is not None})
    orphans: dict[str, list[EventKey]] = {}
    for event in claimed:
        if event.user_id not in people:
            orphans.setdefault(USER_DELETED, []).append(event.key)
        elif event.schedule_id is not None and event.id not in named:
            orphans.setdefault("schedule deleted or paused", []).append(event.key)
        elif event.broadcast_id in stopped:
            orphans.setdefault("broadcast cancelled", []).append(event.key)
    return orphans
