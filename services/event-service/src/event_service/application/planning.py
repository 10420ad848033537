"""Keeping a schedule's one live event right: after a change of its user, and after its event has ended."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from chassis.database import Transaction
from chassis.outbox import Outbox
from chassis.zones import zone
from contracts.identity import derive_id
from contracts.vocabulary import PRIORITY_FLOORS, EventType
from event_service.adapters import events, recipients, schedules
from event_service.application import notices
from event_service.domain.events import Event, EventKey
from event_service.domain.planning import next_occurrence
from event_service.domain.recipients import Recipient
from event_service.domain.recurrence import Occurrence, Yearly
from event_service.domain.schedules import LiveEvent, Schedule, same_day


@dataclass(frozen=True, slots=True)
class BirthdayRules:
    """How birthdays are scheduled: their grace and what they say."""

    grace: timedelta
    message: str

    def schedule_of(self, recipient: Recipient) -> Schedule:
        """The recipient's birthday schedule as it should be. Its id follows from the user's, so it is there once."""
        return Schedule(
            id=derive_id(recipient.user_id, EventType.BIRTHDAY),
            user_id=recipient.user_id,
            event_type=EventType.BIRTHDAY,
            priority=PRIORITY_FLOORS[EventType.BIRTHDAY],
            month=recipient.date_of_birth.month,
            day=recipient.date_of_birth.day,
            local_time=recipient.delivery_time,
            timezone=recipient.timezone,
        )

    def event_of(
        self, schedule: Schedule, occurrence: Occurrence, recipient: Recipient, traceparent: str | None
    ) -> Event:
        greeting = self.message.format(first_name=recipient.first_name, last_name=recipient.last_name)
        return Event(
            id=events.derive_event_id(schedule.id, occurrence.key),
            target=occurrence.instant,
            schedule_id=schedule.id,
            user_id=schedule.user_id,
            event_type=schedule.event_type,
            occurrence=occurrence.key,
            priority=schedule.priority,
            timezone=schedule.timezone,
            grace_until=occurrence.instant + self.grace,
            payload={"message": greeting},
            tags=recipient.tags,
            email=recipient.email,
            phone=recipient.phone,
            traceparent=traceparent,
        )


@dataclass(frozen=True, slots=True)
class _Changes:
    """What becomes of live events. A replaced one gives way to another occurrence, so to another event."""

    inserts: list[Event] = field(default_factory=list)
    renewals: list[Event] = field(default_factory=list)
    moves: list[tuple[Event, LiveEvent]] = field(default_factory=list)
    replacements: list[tuple[Event, LiveEvent]] = field(default_factory=list)
    schedules: list[Schedule] = field(default_factory=list)


async def reconcile(
    tx: Transaction,
    outbox: Outbox,
    rules: BirthdayRules,
    changed: Sequence[Recipient],
    traceparents: Mapping[UUID, str | None],
    now: datetime,
) -> None:
    """Bring the birthday schedules of changed recipients, and their waiting events, in line with them.

    An event that was claimed in the meantime is left alone: when it has ended, the next one follows the new data.
    """
    wanted = {recipient.user_id: rules.schedule_of(recipient) for recipient in changed if not recipient.deleted}
    gone = [derive_id(recipient.user_id, EventType.BIRTHDAY) for recipient in changed if recipient.deleted]
    stored = await schedules.lock(tx, [*gone, *(schedule.id for schedule in wanted.values())])
    changes = _Changes()
    for recipient in changed:
        if not recipient.deleted:
            want = wanted[recipient.user_id]
            _plan(changes, rules, want, stored.get(want.id), recipient, traceparents.get(recipient.user_id), now)
    moved = await events.move(tx, [(event, live.target) for event, live in changes.moves])
    replaced = await events.delete_pending(tx, [EventKey(live.id, live.target) for _, live in changes.replacements])
    fresh = [*changes.inserts, *(event for event, live in changes.replacements if live.id in replaced)]
    await events.insert(tx, fresh)
    await events.renew_pending(tx, changes.renewals)
    # What neither moved nor gave way has been claimed: its schedule goes on naming it.
    claimed = {
        event.schedule_id: live
        for event, live in (*changes.moves, *changes.replacements)
        if live.id not in moved and live.id not in replaced
    }
    await schedules.store(
        tx, [replace(each, live=claimed[each.id]) if each.id in claimed else each for each in changes.schedules]
    )
    cancelled = await _end(tx, [stored[id] for id in gone if id in stored])
    await outbox.append(
        tx,
        [
            *notices.scheduled(fresh, now),
            *notices.rescheduled(
                [(event, live.target) for event, live in changes.moves if event.id in moved], now, "user changed"
            ),
            *notices.cancelled(replaced.values(), now, "user changed"),
            *notices.cancelled(cancelled, now, "user deleted"),
        ],
    )


def _plan(
    changes: _Changes,
    rules: BirthdayRules,
    want: Schedule,
    have: Schedule | None,
    recipient: Recipient,
    traceparent: str | None,
    now: datetime,
) -> None:
    last = have.last_occurrence if have else None
    live = have.live if have else None
    if have is not None and live is not None and not live.pending:
        changes.schedules.append(replace(want, last_occurrence=last, live=live))
        return
    moving = live if have is not None and same_day(want, have) else None
    event = _next_event(rules, want, recipient, traceparent, last=last, moving=moving, now=now)
    next_live = LiveEvent(event.id, event.target, event.occurrence, pending=True)
    changes.schedules.append(replace(want, last_occurrence=last, live=next_live))
    if live is None:
        changes.inserts.append(event)
    elif live.id != event.id:
        changes.replacements.append((event, live))
    elif live.target != event.target:
        changes.moves.append((event, live))
    else:
        changes.renewals.append(event)


def _next_event(
    rules: BirthdayRules,
    schedule: Schedule,
    recipient: Recipient,
    traceparent: str | None,
    *,
    last: str | None,
    moving: LiveEvent | None = None,
    now: datetime,
) -> Event:
    rule = Yearly(schedule.month, schedule.day, schedule.local_time, zone(schedule.timezone))
    occurrence = next_occurrence(rule, now=now, grace=rules.grace, last=last, moving=moving)
    if occurrence is None:
        raise RuntimeError(f"schedule {schedule.id} has no next occurrence")  # a yearly birthday always has one
    return rules.event_of(schedule, occurrence, recipient, traceparent)


async def _end(tx: Transaction, ended: Sequence[Schedule]) -> list[Event]:
    await schedules.delete(tx, [schedule.id for schedule in ended])
    return await events.cancel_pending(
        tx, [EventKey(each.live.id, each.live.target) for each in ended if each.live], "user deleted"
    )


async def schedule_next(
    tx: Transaction,
    rules: BirthdayRules,
    ended: Iterable[Event],
    people: Mapping[UUID, Recipient],
    traceparent_of: Callable[[Event], str | None],
    now: datetime,
) -> list[Event]:
    """Make the next event of each schedule whose live event has ``ended``: in the same transaction (design §14).

    The caller holds the locks of those schedules. A user who is not among ``people`` gets no more events.
    """
    inserts: list[Event] = []
    changed: list[Schedule] = []
    for event in ended:
        if (recipient := people.get(event.user_id)) is None:
            continue
        schedule = replace(rules.schedule_of(recipient), last_occurrence=event.occurrence)
        following = _next_event(rules, schedule, recipient, traceparent_of(event), last=event.occurrence, now=now)
        inserts.append(following)
        live = LiveEvent(following.id, following.target, following.occurrence, pending=True)
        changed.append(replace(schedule, live=live))
    await events.insert(tx, inserts)
    await schedules.store(tx, changed)
    return inserts


async def cancel_orphans(tx: Transaction, outbox: Outbox, returned: Sequence[Event]) -> None:
    """Cancel those of ``returned``, which were claimed and wait again, whose users were deleted meanwhile."""
    if not returned:
        return
    people = await recipients.find(tx, {event.user_id for event in returned})
    orphans = [event.key for event in returned if event.user_id not in people]
    if cancelled := await events.cancel_pending(tx, orphans, "user deleted"):
        now = await events.current_time(tx)
        await outbox.append(tx, notices.cancelled(cancelled, now, "user deleted"))
