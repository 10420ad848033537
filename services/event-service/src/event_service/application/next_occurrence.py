"""The next occurrence of a schedule: made when the firing of one is recorded, or once one far ahead comes near."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from chassis.database.database import Database, Transaction
from chassis.messaging.outbox import Outbox
from event_service.adapters import event_endings, event_locks, events, recipients, schedules
from event_service.adapters.event_endings import missed_at
from event_service.application import notices
from event_service.application.notices import Notice
from event_service.application.reactivation import revive
from event_service.domain.changes import Revival
from event_service.domain.events import LATE_AFTER, Event, EventKey
from event_service.domain.occurrences import HORIZON, event_id, event_of, first_from, rule_of, settle, slots_passed
from event_service.domain.recipients import Recipient
from event_service.domain.recurrence import Occurrence
from event_service.domain.schedules import CatchUp, Schedule, Source, Status
from event_service.domain.type_rules import Rulebook

RESOLUTION = timedelta(microseconds=1)
MISSED_AT_ONCE = 1000
"""Slots past their grace that one transaction records, over all its schedules. The next transaction records the
rest."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """The next events of schedules.

    ``missed`` are slots past their grace: each is an event that has already ended as MISSED.
    """

    scheduled: Sequence[Event] = ()
    missed: Sequence[Event] = ()

    def notices(self, now: datetime) -> list[Notice]:
        return [
            *notices.scheduled([*self.missed, *self.scheduled], now),
            *(notices.missed(event, now) for event in self.missed),
        ]


async def schedule_next(
    tx: Transaction,
    rules: Rulebook,
    recorded: Sequence[tuple[Event, Schedule]],
    people: Mapping[UUID, Recipient],
    traceparent_of: Callable[[Event], str | None],
    now: datetime,
    *,
    fired: bool = True,
) -> Continuation:
    """Make the successors of events whose firing has just been recorded, in the transaction that records it (ADR 0027).

    That is the publication stamp, or what overtakes it: an outcome, MISSED or CANCELLED. The caller holds the locks of
    the schedules and passes only those that still name the event, so that an occurrence has one successor. Slots that
    came due while nothing ran are made up for by the policy ``catchUp`` of their schedule (ADR 0029). Of a rule that
    comes at most once a day, all inside their grace are fired late, and older ones are recorded as MISSED. A user who
    is not among ``people`` gets no more events.

    Args:
        fired: the events were published; else they were missed or cancelled, and stand for no other.
    """
    made: list[Revival] = []
    advanced: list[Schedule] = []
    missed: list[Event] = []
    skipped: dict[EventKey, int] = {}
    share = max(1, MISSED_AT_ONCE // max(1, len(recorded)))
    for event, schedule in recorded:
        if (recipient := people.get(event.user_id)) is None:
            continue
        went_on = replace(schedule, last_occurrence=event.occurrence)
        if schedule.status is Status.PAUSED:
            advanced.append(replace(went_on, live_event_id=None, next_at=None))
            continue
        grace, traceparent = rules[schedule.event_type].grace_of(schedule), traceparent_of(event)
        # A move to the east shows the slots after this one at instants before it: those come late inside their grace.
        earliest = min(event.target, now - grace)
        if not went_on.pattern.knows(event.occurrence):
            # The rule has become one of another kind: by the key alone the same time might come again.
            earliest = event.target + timedelta(seconds=1)
        rule, passed = rule_of(rules, went_on), 0
        coming = first_from(rule, went_on, earliest)
        if schedule.floor_at is not None and coming is not None and coming.instant < schedule.floor_at:
            skipped[event.key] = len(slots_passed(rule, coming, schedule.floor_at - RESOLUTION))
            earliest = schedule.floor_at
            coming = first_from(rule, went_on, earliest)
        if schedule.catches_up is not CatchUp.ALL and coming is not None:
            passed_by = slots_passed(rule, coming, now - LATE_AFTER)
            latest = None if fired or schedule.catches_up is CatchUp.NONE else _latest(passed_by, now - grace)
            count = len(passed_by) - (latest is not None)
            if passed_by:
                went_on = replace(went_on, last_occurrence=passed_by[-1].key)
                coming = latest or first_from(rule, went_on, earliest)
            if count:
                key = event.key if latest is None else EventKey(event_id(schedule.id, latest.key), latest.instant)
                skipped[key] = skipped.get(key, 0) + count
        while coming is not None and coming.instant + grace <= now and passed < share:
            missed.append(event_of(rules, schedule, coming, recipient, traceparent))
            went_on, passed = replace(went_on, last_occurrence=coming.key), passed + 1
            coming = first_from(rule, went_on, earliest)
        settled, successor = settle(rules, went_on, coming, recipient, traceparent, now)
        if successor is None:
            advanced.append(settled)
        else:
            if coming is not None and coming.coalesced:
                skipped[successor.key] = skipped.get(successor.key, 0) + coming.coalesced
            made.append(Revival(settled, successor, recipient))
    missed = await _record_missed(tx, missed, now)
    made_events = await _go_on(tx, rules, advanced, made, now)
    await event_endings.coalesce(tx, skipped)
    return Continuation(made_events, missed)


async def move_live(
    tx: Transaction, rules: Rulebook, schedule: Schedule, moved: Event, recipient: Recipient, now: datetime
) -> list[Event]:
    """Advance a schedule whose next event was rescheduled. Returns the new events.

    An event that stays the schedule's next is its live event still. Otherwise the schedule continues with the
    occurrence that comes before it, and the moved one waits beside that.
    """
    passed = replace(schedule, last_occurrence=moved.occurrence, has_moved=True)
    coming = first_from(rule_of(rules, passed), passed, now)
    if schedule.status is not Status.ACTIVE or coming is None or coming.instant > moved.target:
        await schedules.advance(tx, [replace(schedule, next_at=moved.target)])
        return []
    settled, successor = settle(rules, passed, coming, recipient, moved.traceparent, now)
    if successor is None:
        await schedules.store(tx, [settled])
        return []
    revived = await revive(tx, rules, [Revival(settled, successor, recipient)], now)
    await schedules.store(tx, [each for each, _ in revived])
    return [event for _, event in revived if event]


def _latest(passed: Sequence[Occurrence], grace_from: datetime) -> Occurrence | None:
    """The last slot, if its grace has not ended: it is made up for, and stands for the others."""
    return passed[-1] if passed and passed[-1].instant > grace_from else None


async def _record_missed(tx: Transaction, missed: Sequence[Event], now: datetime) -> list[Event]:
    """Insert slots as events that have ended. One that has an event already, a cancelled one, keeps it."""
    there = await event_locks.where(tx, [event.id for event in missed])
    fresh = [event for event in missed if event.id not in there]
    await events.insert(tx, fresh)
    await event_endings.finish(tx, [missed_at(event, now) for event in fresh])
    return fresh


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
            # Recomputed: the zone's rules may have changed since.
            occurrence = first_from(rule_of(rules, schedule), schedule, min(now, schedule.next_at or now))
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
    # Only schedules that can be paused may find an event that a pause has cancelled.
    plain = [each for each in made if each.schedule.source is Source.USER]
    await events.insert(tx, [each.event for each in plain])
    revived = await revive(tx, rules, [each for each in made if each.schedule.source is Source.API], now)
    await schedules.advance(tx, [*ended, *(each.schedule for each in plain), *(schedule for schedule, _ in revived)])
    return [*(each.event for each in plain), *(event for _, event in revived if event)]
