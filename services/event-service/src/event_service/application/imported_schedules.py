"""Imports of schedules: each is made, or brought to what its line says, as ``/v1/schedules`` would do it."""

import asyncio
from dataclasses import replace
from uuid import UUID

from chassis.database.database import Transaction
from chassis.imports.jobs import Job
from chassis.imports.runner import Store, Stored
from chassis.messaging.outbox import Outbox
from chassis.telemetry.tracing import current_traceparent, linked_traceparent
from event_service.adapters import events, schedules
from event_service.application import planning
from event_service.application.imports import Lines, Outcome, imported_id, lock_people
from event_service.application.planning import lock_live_events, lock_moved_events
from event_service.application.schedules import CHANGED, Held, bring_in_line, refuse_ended
from event_service.domain.changes import Changes
from event_service.domain.errors import EventServiceError
from event_service.domain.imported import Imported
from event_service.domain.recipients import Recipient
from event_service.domain.schedule_planning import plan_schedule
from event_service.domain.schedule_requests import NewSchedule, build, check, fields_named
from event_service.domain.schedules import Schedule
from event_service.domain.type_rules import Rulebook

KIND = "schedules"
TURN = 25
"""Lines that are worked on before others get their turn on the event loop."""


def schedule_id(external_key: str) -> UUID:
    return imported_id(KIND, external_key)


def schedules_store(outbox: Outbox, rules: Rulebook) -> Store[Imported[NewSchedule]]:
    """How a chunk of lines is stored."""

    async def store(tx: Transaction, job: Job, lines: Lines[NewSchedule]) -> Stored:
        outcome = Outcome()
        people, found = await lock_people(tx, lines, outcome)
        known = await schedules.lock(tx, [schedule_id(each.external_key) for _, each, _ in found])
        live = await lock_live_events(tx, list(known.values()))
        moved = await lock_moved_events(tx, list(known.values()))
        changes = Changes(rules, await events.current_time(tx), bulk=True)
        for number, (line, each, user_id) in enumerate(found, 1):
            id, recipient = schedule_id(each.external_key), people[user_id]
            try:
                with changes.all_or_nothing(), fields_named():
                    want = build(id, replace(each.content, user_id=user_id), recipient, current_traceparent())
                    check(rules, want)
                    if (have := known.get(id)) is None:
                        want = replace(want, traceparent=linked_traceparent("import schedule", want.traceparent))
                        refuse_ended(plan_schedule(changes, want, None, None, recipient, want.traceparent))
                        outcome.created += 1
                    elif _update(changes, want, Held(have, live.get(id), recipient, moved.get(id, ()))):
                        outcome.updated += 1
                    else:
                        outcome.unchanged += 1
            except EventServiceError as error:
                outcome.refuse(line, error)
            if number % TURN == 0:
                await asyncio.sleep(0)
        await planning.write(tx, outbox, changes, CHANGED)
        return outcome.stored()

    return store


def _update(changes: Changes, asked: Schedule, held: Held) -> bool:
    """Plan what a line changes of a schedule that is there. False where it says nothing new."""
    have = held.schedule
    want = replace(
        asked,
        status=have.status,
        last_occurrence=have.last_occurrence,
        live_event_id=have.live_event_id,
        next_at=have.next_at,
        version=have.version,
        floor_at=have.floor_at,
        has_moved=have.has_moved,
        traceparent=have.traceparent,
    )
    if _same(want, have, held.recipient):
        return False
    bring_in_line(changes, replace(want, version=have.version + 1, traceparent=asked.traceparent), held)
    return True


def _same(want: Schedule, have: Schedule, recipient: Recipient) -> bool:
    # Of one that follows its user the zone is the user's, which has its own way here.
    if want.follows_user and have.follows_user:
        want = replace(want, timezone=have.timezone)
    return want == have
