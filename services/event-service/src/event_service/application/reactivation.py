"""Inserts events that a pause may have cancelled before, and that are scheduled again."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from chassis.database.database import Transaction
from event_service.adapters import events
from event_service.domain.changes import Revival
from event_service.domain.events import Event
from event_service.domain.occurrences import first_from, rule_of, settle
from event_service.domain.schedules import Schedule
from event_service.domain.type_rules import Rulebook


async def revive(
    tx: Transaction, rules: Rulebook, revivals: Iterable[Revival], now: datetime
) -> list[tuple[Schedule, Event | None]]:
    """Insert the events, and return schedules and events as they have become.

    One that was cancelled comes back as itself, with its history. One that has happened nevertheless, because a message
    was on its way when it was cancelled, is replaced by the next of its schedule.
    """
    done: list[tuple[Schedule, Event | None]] = []
    left = list(revivals)
    while left:
        happened = await events.revive(tx, [each.event for each in left])
        again: list[Revival] = []
        for each in left:
            if each.event.id not in happened:
                done.append((each.schedule, each.event))
                continue
            last = each.event.occurrence
            passed = replace(each.schedule, last_occurrence=last)
            following = first_from(rule_of(rules, passed), passed, each.event.target)
            settled, event = settle(rules, passed, following, each.recipient, each.event.traceparent, now)
            if event is None:
                done.append((settled, None))
            else:
                again.append(Revival(settled, event, each.recipient))
        left = again
    return done
