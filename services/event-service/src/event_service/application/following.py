"""Schedules go on: their next events are made, when one has ended and when one far ahead has come near."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from chassis.database import Database, Transaction
from chassis.outbox import Outbox
from event_service.adapters import events, recipients, schedules
from event_service.application import notices
from event_service.application.occurrences import HORIZON, rule_of, settle
from event_service.application.revivals import Revival, revive
from event_service.domain.events import Event
from event_service.domain.recipients import Recipient
from event_service.domain.schedules import Schedule, Source, Status
from event_service.domain.type_rules import Rulebook


async def schedule_next(
    tx: Transaction,
    rules: Rulebook,
    ended: Iterable[tuple[Event, Schedule]],
    people: Mapping[UUID, Recipient],
    traceparent_of: Callable[[Event], str | None],
    now: datetime,
) -> list[Event]:
    """Make the next event of each schedule whose live event has ended: in the same transaction (design §14).

    Occurrences that came due while that one was in hand, or while nothing ran, are made up for inside their grace. The
    caller holds the locks of the schedules. A user who is not among ``people`` gets no more events.
    """
    made: list[Revival] = []
    advanced: list[Schedule] = []
    for event, schedule in ended:
        if (recipient := people.get(event.user_id)) is None:
            continue
        went_on = replace(schedule, last_occurrence=event.occurrence)
        if schedule.status is Status.PAUSED:
            advanced.append(replace(went_on, live_event_id=None, next_at=None))
            continue
        earliest = now - rules[schedule.event_type].grace_of(schedule)
        if not went_on.pattern.knows(event.occurrence):
            # The rule has become one of another kind: by the key alone the same time might come again.
            earliest = max(earliest, event.target + timedelta(seconds=1))
        following = rule_of(rules, went_on).first_from(earliest, after=went_on.pattern.after(event.occurrence))
        settled, coming = settle(rules, went_on, following, recipient, traceparent_of(event), now)
        if coming is None:
            advanced.append(settled)
        else:
            made.append(Revival(settled, coming, recipient))
    return await _go_on(tx, rules, advanced, made, now)


NEAR_SECONDS = 60.0
"""Of real time: a clock in time-lapse comes nearer by days in that."""


class NearEvents:
    """A step of a loop: makes what has come near, without a pause while there is more. Safe in many processes."""

    def __init__(self, database: Database, outbox: Outbox, rules: Rulebook, *, batch: int) -> None:
        self._database = database
        self._outbox = outbox
        self._rules = rules
        self._batch = batch

    async def step(self) -> float:
        looked_at = await make_near(self._database, self._outbox, self._rules, limit=self._batch)
        return 0.0 if looked_at == self._batch else NEAR_SECONDS


async def make_near(database: Database, outbox: Outbox, rules: Rulebook, *, limit: int) -> int:
    """Make the events of schedules whose next occurrence has come nearer than the horizon, up to ``limit`` of them.

    Returns how many schedules were looked at: fewer than ``limit`` means that no more are near. Safe in many processes.
    """
    async with database.transaction() as tx:
        now = await events.current_time(tx)
        waiting = await schedules.take_waiting(tx, now + HORIZON, limit)
        if not waiting:
            return 0
        people = await recipients.find(tx, {schedule.user_id for schedule in waiting})
        made: list[Revival] = []
        advanced: list[Schedule] = []
        for schedule in waiting:
            # Worked out anew: the zone's rules may have changed since.
            occurrence = rule_of(rules, schedule).first_from(
                now, after=schedule.pattern.after(schedule.last_occurrence)
            )
            recipient = people[schedule.user_id]
            settled, coming = settle(rules, schedule, occurrence, recipient, schedule.traceparent, now)
            if coming is None:
                advanced.append(settled)
            else:
                made.append(Revival(settled, coming, recipient))
        await outbox.append(tx, notices.scheduled(await _go_on(tx, rules, advanced, made, now), now))
    return len(waiting)


async def _go_on(
    tx: Transaction, rules: Rulebook, ended: Sequence[Schedule], made: Sequence[Revival], now: datetime
) -> list[Event]:
    # Only what can be paused may find an event of its own that a pause has cancelled.
    plain = [each for each in made if each.schedule.source is Source.USER]
    await events.insert(tx, [each.event for each in plain])
    revived = await revive(tx, rules, [each for each in made if each.schedule.source is Source.API], now)
    await schedules.advance(tx, [*ended, *(each.schedule for each in plain), *(schedule for schedule, _ in revived)])
    return [*(each.event for each in plain), *(event for _, event in revived if event)]
