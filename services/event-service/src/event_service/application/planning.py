"""Keeping schedules and what waits for their users right after a change: of a user, or of a schedule."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.core.zones import zone
from chassis.database.database import Transaction
from chassis.messaging.outbox import Outbox
from event_service.adapters import broadcasts, events, recipients, schedules
from event_service.application import calendar_days, notices
from event_service.application.notices import Notice
from event_service.application.occurrences import event_of, first_from, person_of, rule_of, settle
from event_service.application.revivals import Revival, revive
from event_service.application.sending import of_person, other_zone, sent_at
from event_service.application.strategies import STRATEGIES
from event_service.domain import templates
from event_service.domain.events import Event, EventKey
from event_service.domain.patterns import RecurringPattern, YearlyPattern, last_before, moved_key
from event_service.domain.planning import next_occurrence
from event_service.domain.recipients import Recipient
from event_service.domain.recurrence import Occurrence, Once, with_offset
from event_service.domain.schedules import CatchUp, LiveEvent, Schedule, Source, Status
from event_service.domain.type_rules import Rulebook

USER_CHANGED = "user changed"
USER_DELETED = "user deleted"
PAUSED = "schedule paused"
EXCLUDED = "excluded by an exception"
SOURCE_REMOVED = "no longer the user's"
"""What a schedule followed from, an anniversary, is gone."""


@dataclass(slots=True)
class Changes:
    """What becomes of schedules and waiting events: collected first, then written by a handful of statements.

    The caller holds the locks of all that is changed: recipient, schedules by id, events by id.
    """

    rules: Rulebook
    now: datetime
    inserts: list[Event] = field(default_factory=list)
    revivals: list[Revival] = field(default_factory=list)
    revived: list[Event] = field(default_factory=list)
    """Events with a time of their own that come back: their schedules do not name them."""
    renewals: list[Event] = field(default_factory=list)
    moves: list[tuple[Event, datetime]] = field(default_factory=list)
    """With the instants that they had."""
    replaced: list[EventKey] = field(default_factory=list)
    """They give way to another occurrence, and may come back: nothing is kept of them."""
    cancels: dict[str, list[EventKey]] = field(default_factory=dict)
    """By the reason."""
    stored: list[Schedule] = field(default_factory=list)
    deleted: list[UUID] = field(default_factory=list)
    bulk: bool = False
    """New schedules, and their events, go by COPY: there are thousands."""
    fresh: list[Schedule] = field(default_factory=list)
    """What is new, in ``bulk``."""

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Forget what was planned inside where it raises."""
        lists: list[list[Any]] = [
            self.inserts, self.revivals, self.revived, self.renewals, self.moves, self.replaced,
            self.stored, self.deleted, self.fresh,
        ]  # fmt: skip
        lengths = [len(each) for each in lists]
        cancels = {reason: len(keys) for reason, keys in self.cancels.items()}
        try:
            yield
        except BaseException:
            for each, length in zip(lists, lengths, strict=True):
                del each[length:]
            for reason, keys in self.cancels.items():
                del keys[cancels.get(reason, 0) :]
            raise

    def plan(
        self,
        want: Schedule,
        have: Schedule | None,
        live: LiveEvent | None,
        recipient: Recipient,
        traceparent: str | None,
        *,
        moved: Sequence[Event] = (),
    ) -> Schedule:
        """Bring the schedule ``have`` (None: it is new), with its live event, to what it should be. Returns that.

        An event that is being published is left alone, and so is one that is past its grace: it is missed, whatever
        changes now. Its successor follows the new data. No change drops an event that is due, or one that was given a
        time of its own (``moved``: those behind which the schedule has gone on), unless an exception names it.
        """
        if have is not None and want.source is Source.API and want.timing != have.timing:
            want = self._begin_anew(want, have)
        for each in moved:
            self._follow_moved(each, want, have, recipient, traceparent)
        if live is not None and (not live.pending or (live.grace_until is not None and live.grace_until <= self.now)):
            return self._store(replace(want, live_event_id=live.id, next_at=live.target), have)
        is_fixed = live is not None and (live.rescheduled or live.target <= self.now)
        if live is not None and have is not None and is_fixed and _excludes(want, have, live.occurrence):
            self.cancel(EventKey(live.id, live.target), EXCLUDED)
            want, live = replace(want, last_occurrence=live.occurrence, live_event_id=None), None
        if live is not None and have is not None and live.rescheduled and not _is_redated(want, have):
            return self._keep_apart(want, have, live, recipient, traceparent)
        planned, event = self._planned(want, have, live, recipient, traceparent)
        self._place(event, live)
        if event is not None and have is not None and (live is None or event.id != live.id):
            self.revivals.append(Revival(planned, event, recipient))
            return planned
        if event is not None and have is None:
            self.inserts.append(event)
        return self._store(planned, have)

    def _begin_anew(self, want: Schedule, have: Schedule) -> Schedule:
        """A schedule whose rule or zone changes makes up for nothing from before. Its last occurrence stays passed."""
        last = want.last_occurrence
        moves = want.timezone != have.timezone
        if last is not None and want.is_dense and moves:
            # To the west the same local times come again: from here on keys have offsets.
            last = with_offset(last, zone(have.timezone), self.rules[have.event_type].policies_of(have))
        elif last is not None and have.is_dense and not want.is_dense:
            last = last_before(want.pattern, last)
        only_moves = moves and (want.pattern, want.gap, want.overlap) == (have.pattern, have.gap, have.overlap)
        # A move of zone takes nothing from a series that comes at most once a day: each day has its occurrence still.
        floor = want.floor_at if only_moves and (not want.is_dense or want.catch_up is CatchUp.ALL) else self.now
        return replace(want, last_occurrence=last, floor_at=floor)

    def _planned(
        self,
        want: Schedule,
        have: Schedule | None,
        live: LiveEvent | None,
        recipient: Recipient,
        traceparent: str | None,
    ) -> tuple[Schedule, Event | None]:
        """The schedule with its next occurrence, where that is not one with a time of its own."""
        own, rule = self.rules[want.event_type], rule_of(self.rules, want)
        after = want.pattern.after(want.last_occurrence)
        key = moved_key(have.pattern, want.pattern, live.occurrence) if have and live else None
        if have is not None and want.is_dense and want.timezone != have.timezone:
            key = None  # local times that come again are other occurrences
        if key is not None and after is not None and key <= after:
            key = None
        kept = rule.occurrence(key) if key is not None else None
        if live is None or (kept is None and (key is None or want.is_dense)):
            occurrence = first_from(rule, want, self.now)
        elif want.is_dense:
            following = first_from(rule, want, self.now)
            occurrence = min((each for each in (kept, following) if each is not None), key=lambda each: each.instant)
        else:
            occurrence = next_occurrence(
                rule,
                now=self.now,
                grace=own.grace_of(want),
                last=after,
                moving=replace(live, occurrence=key) if key else None,
                floor=want.floor_at,
            )
        if kept is None and live is not None and live.target <= self.now and _is_recurring(want, have):
            # It is due already: a change of the rule does not take it back.
            due = Occurrence(live.occurrence, live.target, live.wall or live.target.replace(tzinfo=None))
            kept_event = replace(event_of(self.rules, want, due, recipient, traceparent), timezone=live.timezone)
            return replace(want, status=Status.ACTIVE, live_event_id=kept_event.id, next_at=live.target), kept_event
        planned, event = settle(self.rules, want, occurrence, recipient, traceparent, self.now)
        if event is not None and live is not None and self._gives_up(want, live, event):
            event = replace(event, grace_until=min(event.grace_until, self.now))
        return planned, event

    def _gives_up(self, want: Schedule, live: LiveEvent, event: Event) -> bool:
        """Whether a change moved an occurrence into the past, and the schedule makes up for none."""
        return want.catch_up is CatchUp.NONE and event.target != live.target and event.is_late(self.now)

    def _keep_apart(
        self, want: Schedule, have: Schedule, live: LiveEvent, recipient: Recipient, traceparent: str | None
    ) -> Schedule:
        """Renew an event that has a time of its own. What the rule has before that time comes before it."""
        event = self._renewed(want, live, recipient, traceparent)
        self._place(event, live)
        passed = replace(want, last_occurrence=live.occurrence)
        following = first_from(rule_of(self.rules, passed), passed, self.now)
        if following is None or following.instant > event.target:
            return self._store(replace(want, live_event_id=event.id, next_at=event.target), have)
        went_on = replace(passed, has_moved=True)
        planned, successor = settle(self.rules, went_on, following, recipient, traceparent, self.now)
        if successor is None:
            return self._store(planned, have)
        self.revivals.append(Revival(planned, successor, recipient))
        return planned

    def _follow_moved(
        self, event: Event, want: Schedule, have: Schedule | None, recipient: Recipient, traceparent: str | None
    ) -> None:
        """Bring an event with a time of its own, behind which the schedule has gone on, in line with the schedule."""
        if have is not None and _excludes(want, have, event.occurrence):
            self.cancel(event.key, EXCLUDED)
            return
        renewed = self._renewed(want, event, recipient, traceparent)
        if have is not None and _is_redated(want, have):
            there = rule_of(self.rules, want).occurrence(event.occurrence)
            if there is not None and there.instant > self.now:
                renewed = event_of(self.rules, want, there, recipient, traceparent)
        if renewed.target == event.target:
            self.renewals.append(renewed)
        else:
            self.moves.append((renewed, event.target))

    def _renewed(
        self, want: Schedule, moved: LiveEvent | Event, recipient: Recipient, traceparent: str | None
    ) -> Event:
        """An event that someone gave a time of its own: the rule tells all of it but when."""
        timezone = want.timezone if moved.wall is None else moved.timezone
        target = moved.planned or moved.target
        if moved.wall is not None:
            timezone = recipient.timezone if moved.follows_user else moved.timezone
            policies = self.rules[want.event_type].policies_of(want)
            there = Once(moved.wall, zone(timezone), policies).occurrence(moved.wall.isoformat())
            # Where the new zone skips that time, the instant at which it was to be is still the best that is known.
            target = target if there is None else there.instant
        as_ruled = Occurrence(
            moved.occurrence, target, moved.wall or target.astimezone(zone(timezone)).replace(tzinfo=None)
        )
        renewed = replace(
            event_of(self.rules, want, as_ruled, recipient, traceparent),
            wall=moved.wall,
            timezone=timezone,
            follows_user=moved.follows_user,
            rescheduled=True,
            spread=0,
        )
        return sent_at(self.rules, of_person(renewed, recipient), target)

    def _place(self, event: Event | None, live: LiveEvent | None) -> None:
        if event is not None and live is not None and event.id == live.id:
            if event.target == live.target:
                self.renewals.append(event)
            else:
                self.moves.append((event, live.target))
            return
        if live is not None:
            self.replaced.append(EventKey(live.id, live.target))

    def _store(self, planned: Schedule, have: Schedule | None) -> Schedule:
        if planned != have:
            (self.fresh if self.bulk and have is None else self.stored).append(planned)
        return planned

    def resume(
        self,
        want: Schedule,
        have: Schedule,
        live: LiveEvent | None,
        recipient: Recipient,
        cancelled: Sequence[Event],
    ) -> None:
        """Let a paused schedule go on. What the pause cancelled of ``cancelled``, moved ones, comes at their times.

        Those whose time came during the pause are left out, like all others.
        """
        last = max([each.occurrence for each in cancelled], default=None)
        if last is not None and (want.last_occurrence is None or last > want.last_occurrence):
            want = replace(want, last_occurrence=last)
        coming = [each for each in cancelled if each.target > self.now]
        renewed = [self._renewed(want, each, recipient, want.traceparent) for each in coming]
        following = first_from(rule_of(self.rules, want), want, self.now)
        first = min(renewed, key=lambda event: event.target, default=None)
        if live is None and first is not None and (following is None or following.instant > first.target):
            want = replace(want, live_event_id=first.id, next_at=first.target)
            self.revived += [event for event in renewed if event.id != first.id]
            self.revivals.append(Revival(replace(want, has_moved=True), first, recipient))
            return
        self.revived += renewed
        self.plan(replace(want, has_moved=want.has_moved or bool(renewed)), have, live, recipient, want.traceparent)

    def plan_moved(self, want: Schedule, have: Schedule, moved: Sequence[Event], recipient: Recipient) -> None:
        """Bring what waits of a schedule that has ended in line with it."""
        for each in moved:
            self._follow_moved(each, want, have, recipient, have.traceparent)
        self._store(want, have)

    def keep(self, want: Schedule, have: Schedule) -> None:
        """Store a schedule that makes no events now."""
        if want.source is Source.API and want.timing != have.timing:
            want = self._begin_anew(want, have)
        self._store(want, have)

    def cancel(self, event: EventKey, reason: str) -> None:
        self.cancels.setdefault(reason, []).append(event)

    def end(self, schedule: Schedule, live: LiveEvent | None, reason: str, *, moved: Sequence[Event] = ()) -> None:
        """Delete a schedule; its events are cancelled unless they are being published."""
        self.deleted.append(schedule.id)
        if live is not None:
            self.cancel(EventKey(live.id, live.target), reason)
        for event in moved:
            self.cancel(event.key, reason)

    def follow(self, event: Event, recipient: Recipient) -> None:
        """Bring a waiting event that comes from no schedule in line with its user."""
        payload = event.payload
        if event.template is not None:
            payload = {**payload, "message": templates.render(event.template, person_of(recipient))}
        renewed = replace(
            event,
            payload=payload,
            tags=recipient.tags,
            email=recipient.email,
            phone=recipient.phone,
            external_id=recipient.external_id,
        )
        if event.follows_user and event.wall is not None and event.timezone != recipient.timezone:
            renewed = of_person(replace(renewed, timezone=recipient.timezone), recipient)
            self.rezone(renewed, recipient.timezone)
            return
        renewed = of_person(renewed, recipient)
        if (renewed.user_window, renewed.window_timezone) != (event.user_window, event.window_timezone):
            renewed = sent_at(self.rules, renewed, self._unsent(event))
        if renewed.target == event.target:
            self.renewals.append(renewed)
        else:
            self.moves.append((renewed, event.target))

    def _unsent(self, event: Event) -> datetime:
        """When an event without a schedule was due before it was spread and waited for its window."""
        if event.wall is not None:
            policies = self.rules[event.event_type].policies_alone(event.gap, event.overlap)
            there = Once(event.wall, zone(event.timezone), policies).occurrence(event.wall.isoformat())
            if there is not None:
                return there.instant
        if event.spread:
            return datetime.fromisoformat(event.occurrence)
        return event.planned or event.target

    def rezone(self, event: Event, timezone: str) -> datetime | None:
        """Bring a waiting event that comes from no schedule to its local time in a zone. Returns when that is.

        None where that zone's clocks leave it out: then it is cancelled.
        """
        if event.wall is None:
            raise ValueError(f"event {event.id} was given as an instant")
        policies = self.rules[event.event_type].policies_alone(event.gap, event.overlap)
        rule = Once(event.wall, zone(timezone), policies)
        there = rule.occurrence(event.wall.isoformat())
        if there is None:
            self.cancel(event.key, "skipped in a clock change")
            return None
        moved = sent_at(self.rules, replace(event, timezone=timezone), there.instant)
        if moved.target != event.target:
            self.moves.append((moved, event.target))
        else:
            self.renewals.append(moved)
        return moved.target

    async def write(self, tx: Transaction, outbox: Outbox, reason: str) -> None:
        """Write all of it and announce it; ``reason`` is why events moved or gave way."""
        gone = await events.delete_pending(tx, self.replaced)
        moved = await events.move(tx, self.moves)
        await (events.copy if self.bulk else events.insert)(tx, self.inserts)
        revived = await revive(tx, self.rules, self.revivals, self.now)
        happened = await events.revive(tx, self.revived)
        back = [event for event in self.revived if event.id not in happened]
        await events.renew_pending(tx, self.renewals)
        await schedules.store(tx, [*self.stored, *(schedule for schedule, _ in revived)])
        await schedules.copy(tx, self.fresh)
        await schedules.delete(tx, self.deleted)
        cancelled: list[Notice] = []
        for why, keys in self.cancels.items():
            cancelled += notices.cancelled(await events.cancel_pending(tx, keys, why), self.now, why)
        await outbox.append(
            tx,
            [
                *notices.scheduled([*self.inserts, *back, *(event for _, event in revived if event)], self.now),
                *notices.rescheduled([move for move in self.moves if move[0].id in moved], self.now, reason),
                *notices.cancelled(gone.values(), self.now, reason),
                *cancelled,
            ],
        )
        # At the end: two that are the first to name a calendar wait for each other, and must not hold each other up.
        await calendar_days.remember_of(tx, [*self.stored, *self.fresh])


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
    alone = await events.lock_alone(tx, known)
    people = {recipient.user_id: recipient for recipient in changed}
    have = {schedule.id: schedule for schedule in stored}
    changes = Changes(rules, now)
    wanted: set[UUID] = set()
    for recipient in changed:
        if recipient.deleted:
            continue
        for strategy in STRATEGIES.values():
            for derived in strategy.derive(recipient):
                wanted.add(derived.id)
                before = have.get(derived.id)
                want = _carried_over(derived, before, traceparents.get(recipient.user_id))
                changes.plan(
                    want, before, live.get(derived.id), recipient, want.traceparent, moved=moved.get(derived.id, ())
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
    await changes.write(tx, outbox, USER_CHANGED)


async def lock_live_events(tx: Transaction, held: Collection[Schedule]) -> dict[UUID, LiveEvent]:
    """Lock the live events of schedules that are locked already. Returns them by their schedules' ids."""
    naming = {each.live_event_id: each for each in held if each.live_event_id is not None}
    keys = [EventKey(id, each.next_at) for id, each in naming.items() if each.next_at is not None]
    return {naming[id].id: live for id, live in (await events.lock_live(tx, keys)).items()}


async def lock_moved_events(tx: Transaction, held: Collection[Schedule]) -> dict[UUID, list[Event]]:
    """Lock the events with a time of their own behind which locked schedules have gone on, by their schedules' ids."""
    having = [each for each in held if each.has_moved]
    moved = await events.lock_moved(tx, {each.user_id for each in having}, {each.id for each in having})
    live = {each.live_event_id for each in having}
    return {id: [event for event in found if event.id not in live] for id, found in moved.items()}


def _excludes(want: Schedule, have: Schedule, occurrence: str) -> bool:
    """Whether a new exception names the occurrence."""
    new, old = want.pattern, have.pattern
    if not isinstance(new, RecurringPattern) or not isinstance(old, RecurringPattern) or new.exdates == old.exdates:
        return False
    return occurrence[:19] in {each.isoformat() for each in new.exdates} - {each.isoformat() for each in old.exdates}


def _is_redated(want: Schedule, have: Schedule) -> bool:
    """Whether a yearly schedule is on another day now: then its occurrence is where that day is."""
    new, old = want.pattern, have.pattern
    if not isinstance(new, YearlyPattern) or not isinstance(old, YearlyPattern):
        return False
    return (new.month, new.day) != (old.month, old.day)


def _is_recurring(want: Schedule, have: Schedule | None) -> bool:
    return (
        isinstance(want.pattern, RecurringPattern) and have is not None and isinstance(have.pattern, RecurringPattern)
    )


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
        changes.plan(want, have, live, recipient, have.traceparent, moved=moved)
    elif have.status is Status.ENDED and moved:
        changes.plan_moved(want, have, moved, recipient)
    else:
        changes.keep(want, have)


async def cancel_orphans(tx: Transaction, outbox: Outbox, returned: Sequence[Event]) -> None:
    """Cancel those of ``returned``, claimed and waiting again, that nobody wants any more."""
    for reason, keys in (await find_orphans(tx, returned)).items():
        cancelled = await events.cancel_pending(tx, keys, reason)
        now = await events.current_time(tx)
        await outbox.append(tx, notices.cancelled(cancelled, now, reason))


async def find_orphans(tx: Transaction, claimed: Sequence[Event]) -> dict[str, list[EventKey]]:
    """Those of the claimed, unpublished events that nobody wants any more, by the reason.

    Their users or schedules were deleted meanwhile, their schedules paused, or their broadcasts cancelled.
    """
    if not claimed:
        return {}
    people = await recipients.find(tx, {event.user_id for event in claimed})
    named = await schedules.still_named(tx, [event.id for event in claimed if event.schedule_id is not None])
    # A schedule has gone on behind those that were given a time of their own: it does not name them.
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
