"""Events due outside their send window wait for the next opening, or are MISSED (ADR 31).

Planned occurrences are placed inside their windows beforehand. What is checked here, once it is claimed, is what came
late: after an outage, after a move over zones, or because a window has changed.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from opentelemetry import metrics

from chassis.database.database import Database
from chassis.messaging.outbox import Outbox
from event_service.adapters import event_endings, events, recipients, schedules
from event_service.adapters.claims import Claim
from event_service.application import notices
from event_service.application.next_occurrence import schedule_next
from event_service.application.orphans import cancel_orphans
from event_service.domain.events import Event
from event_service.domain.send_times import HELD_BACK, NO_OPENING, sending_for, window_of
from event_service.domain.type_rules import Rulebook

log = structlog.get_logger(__name__)
_held_back = metrics.get_meter("almanac.scheduler").create_counter(
    "almanac_events_held_back",
    description="Events that were due outside their send window, by result: waits or missed",
)


async def hold_back(database: Database, outbox: Outbox, rules: Rulebook, claim: Claim) -> Claim:
    """Return the claim without the events whose send window is closed now.

    Those wait for its next opening, as the same events with the same grace, or are MISSED where it opens too late.
    """
    closed = [event for event in claim.events if _is_closed(rules, event, claim.now)]
    if not closed:
        return claim
    waits: list[tuple[Event, datetime]] = []
    missed: list[Event] = []
    for event in closed:
        now = max(claim.now, event.target)
        due = sending_for(rules, event).held_back(now, event.grace_until)
        if due is None:
            missed.append(event)
        else:
            waits.append((replace(event, target=due, planned=event.planned or event.target), event.target))
    await _put_back(database, outbox, rules, claim, waits, missed)
    shut = {event.id for event in closed}
    return replace(claim, events=[event for event in claim.events if event.id not in shut])


def _is_closed(rules: Rulebook, event: Event, now: datetime) -> bool:
    window = window_of(rules, event)
    if window is None:
        return False
    sending = sending_for(rules, event)
    return not window.is_open(max(now, event.target), sending.zone)


async def _put_back(
    database: Database,
    outbox: Outbox,
    rules: Rulebook,
    claim: Claim,
    waits: Sequence[tuple[Event, datetime]],
    missed: Sequence[Event],
) -> None:
    async with database.transaction() as tx:
        # Schedules are locked before events, by everyone.
        ids = [event.id for event in (*(event for event, _ in waits), *missed)]
        live = await schedules.lock_live(tx, ids)
        returned = await events.move_claimed(tx, claim.token, waits, HELD_BACK)
        moved = [(event, before) for event, before in waits if event.id in returned]
        await schedules.advance(
            tx, [replace(live[event.id], next_at=event.target) for event, _ in moved if event.id in live]
        )
        now = await events.current_time(tx)
        ended = await event_endings.miss_claimed(tx, claim.token, [event.key for event in missed], NO_OPENING)
        people = await recipients.find(tx, {event.user_id for event in ended.values()})
        await event_endings.forget_person(tx, {event.user_id for event in ended.values()} - people.keys())
        continuation = await schedule_next(
            tx,
            rules,
            [(event, live[event.id]) for event in ended.values() if event.id in live],
            people,
            lambda event: event.traceparent,
            now,
            fired=False,
        )
        await outbox.append(
            tx,
            [
                *notices.rescheduled(moved, now, HELD_BACK),
                *(notices.missed(event, now, NO_OPENING) for event in ended.values()),
                *continuation.notices(now),
            ],
        )
        await cancel_orphans(tx, outbox, [event for event, _ in moved])
    _held_back.add(len(moved), {"became": "waits"})
    _held_back.add(len(ended), {"became": "missed"})
    log.info("events held back, their send windows are closed", wait=len(moved), missed=len(ended))
