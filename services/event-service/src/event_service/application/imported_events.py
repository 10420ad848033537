"""Imports of one-off events: each is made, or moved and renewed while it waits, as ``/v1/events`` would do it."""

import asyncio
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from chassis.database.database import Transaction
from chassis.imports.jobs import Job
from chassis.imports.runner import Store, Stored
from chassis.messaging.outbox import Outbox
from chassis.telemetry.tracing import linked_traceparent
from event_service.adapters import event_locks, events
from event_service.application import notices
from event_service.application.imported_schedules import TURN
from event_service.application.imports import Lines, Outcome, imported_id, lock_people
from event_service.application.one_offs import one_off
from event_service.domain.errors import EventServiceError
from event_service.domain.events import Event
from event_service.domain.imported import Imported
from event_service.domain.one_offs import NewEvent
from event_service.domain.type_rules import Rulebook

KIND = "events"


def event_id(external_key: str) -> UUID:
    return imported_id(KIND, external_key)


def events_store(outbox: Outbox, rules: Rulebook) -> Store[Imported[NewEvent]]:
    """How a chunk of lines is stored."""

    async def store(tx: Transaction, job: Job, lines: Lines[NewEvent]) -> Stored:
        outcome = Outcome()
        people, found = await lock_people(tx, lines, outcome)
        known = await event_locks.lock_all(tx, [event_id(each.external_key) for _, each, _ in found])
        now = await events.current_time(tx)
        made: list[Event] = []
        moves: list[tuple[Event, datetime]] = []
        for number, (line, each, user_id) in enumerate(found, 1):
            id = event_id(each.external_key)
            have, status = known.get(id, (None, ""))
            if have is not None and (status != "PENDING" or have.rescheduled):
                # It has fired, is claimed, was cancelled, or was rescheduled: that counts.
                outcome.unchanged += 1
                continue
            try:
                event = one_off(rules, replace(each.content, user_id=user_id), id, people, now)
            except EventServiceError as error:
                outcome.refuse(line, error)
                continue
            event = replace(event, idempotency_key=each.idempotency_key)
            if have is not None and replace(event, traceparent=have.traceparent) == have:
                outcome.unchanged += 1
                continue
            event = replace(event, traceparent=linked_traceparent("import event", event.traceparent))
            if have is None:
                made.append(event)
            else:
                moves.append((event, have.target))
            if number % TURN == 0:
                await asyncio.sleep(0)
        await events.copy(tx, made)
        await events.move(tx, moves)
        moved = [(event, previous) for event, previous in moves if event.target != previous]
        await outbox.append(tx, [*notices.scheduled(made, now), *notices.rescheduled(moved, now, "imported again")])
        outcome.created += len(made)
        outcome.updated += len(moves)
        return outcome.stored()

    return store
