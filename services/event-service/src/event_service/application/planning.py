"""Keeping schedules and what waits for their users right after a change: of a user, or of a schedule."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from chassis.outbox import Outbox
from chassis.zones import zone
from event_service.adapters import broadcasts, events, recipients, schedules
from event_service.application import notices
from event_service.application.notices import Notice
from event_service.application.occurrences import event_of, person_of, rule_of, settle
from event_service.application.revivals import Revival, revive
from event_service.application.strategies import STRATEGIES
from event_service.domain import templates
from event_service.domain.events import Event, EventKey
from event_service.domain.patterns import moved_key
from event_service.domain.planning import next_occurrence
from event_service.domain.recipients import Recipient
from event_service.domain.recurrence import Occurrence, Once
from event_service.domain.schedules import LiveEvent, Schedule, Source, Status
from event_service.domain.type_rules import Rulebook

USER_CHANGED = "user changed"
USER_DELETED = "user deleted"
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
            self.inserts, self.revivals, self.renewals, self.moves, self.replaced, self.stored, self.deleted,
            self.fresh,
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
    ) -> Schedule:
        """Bring the schedule ``have`` (None: it is new), with its live event, to what it should be. Returns that.

        An event in hand is left alone, and so is one that is past its grace: it is missed, whatever changes now. When
        it has ended, the next one follows the new data.
        """
        grace = self.rules[want.event_type].grace_of(have or want)
        if live is not None and (not live.pending or live.target + grace <= self.now):
            return self._store(replace(want, live_event_id=live.id, next_at=live.target), have)
        last = want.pattern.after(want.last_occurrence)
        key = moved_key(have.pattern, want.pattern, live.occurrence) if have and live else None
        if live is not None and live.rescheduled and key == live.occurrence:
            return self._keep_apart(want, have, live, recipient, traceparent)
        if key is not None and last is not None and key <= last:
            key = None
        occurrence = next_occurrence(
            rule_of(self.rules, want),
            now=self.now,
            grace=self.rules[want.event_type].grace_of(want),
            last=last,
            moving=replace(live, occurrence=key) if live and key else None,
        )
        planned, event = settle(self.rules, want, occurrence, recipient, traceparent, self.now)
        self._place(event, live)
        if event is not None and have is not None and (live is None or event.id != live.id):
            self.revivals.append(Revival(planned, event, recipient))
            return planned
        if event is not None and have is None:
            self.inserts.append(event)
        return self._store(planned, have)

    def _keep_apart(
        self, want: Schedule, have: Schedule | None, live: LiveEvent, recipient: Recipient, traceparent: str | None
    ) -> Schedule:
        """Renew an event that someone gave a time of its own: the rule tells all of it but when."""
        timezone = want.timezone if live.wall is None else live.timezone
        target = live.target
        if live.wall is not None:
            timezone = recipient.timezone if live.follows_user else live.timezone
            policies = self.rules[want.event_type].policies_of(want)
            there = Once(live.wall, zone(timezone), policies).occurrence(live.wall.isoformat())
            # Where the new zone skips that time, the instant at which it was to be is still the best that is known.
            target = live.target if there is None else there.instant
        as_ruled = Occurrence(
            live.occurrence, target, live.wall or target.astimezone(zone(timezone)).replace(tzinfo=None)
        )
        event = replace(
            event_of(self.rules, want, as_ruled, recipient, traceparent),
            wall=live.wall,
            timezone=timezone,
            follows_user=live.follows_user,
            rescheduled=True,
        )
        self._place(event, live)
        return self._store(replace(want, live_event_id=event.id, next_at=event.target), have)

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

    def keep(self, want: Schedule, have: Schedule) -> None:
        """Store a schedule that makes no events now."""
        self._store(want, have)

    def cancel(self, event: EventKey, reason: str) -> None:
        self.cancels.setdefault(reason, []).append(event)

    def end(self, schedule: Schedule, live: LiveEvent | None, reason: str) -> None:
        """Delete a schedule; its event is cancelled unless it is in hand."""
        self.deleted.append(schedule.id)
        if live is not None:
            self.cancel(EventKey(live.id, live.target), reason)

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
        if not event.follows_user or event.wall is None or event.timezone == recipient.timezone:
            self.renewals.append(renewed)
        else:
            self.rezone(renewed, recipient.timezone)

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
        by = there.instant - event.target
        moved = replace(
            event,
            target=there.instant,
            timezone=timezone,
            grace_until=event.grace_until + by,
            expires_at=event.expires_at + by,
        )
        if by:
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
                *notices.scheduled([*self.inserts, *(event for _, event in revived if event)], self.now),
                *notices.rescheduled([move for move in self.moves if move[0].id in moved], self.now, reason),
                *notices.cancelled(gone.values(), self.now, reason),
                *cancelled,
            ],
        )


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
                changes.plan(want, before, live.get(derived.id), recipient, want.traceparent)
    for schedule in stored:
        recipient = people[schedule.user_id]
        if recipient.deleted:
            changes.end(schedule, live.get(schedule.id), USER_DELETED)
        elif schedule.source is Source.API:
            _follow(changes, schedule, live.get(schedule.id), recipient)
        elif schedule.id not in wanted:
            changes.end(schedule, live.get(schedule.id), SOURCE_REMOVED)
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


def _carried_over(derived: Schedule, have: Schedule | None, traceparent: str | None) -> Schedule:
    """What a user's data say of a schedule, with what has become of it and what was set for it alone."""
    if have is None:
        return replace(derived, traceparent=traceparent)
    want = replace(
        have,
        priority=derived.priority,
        pattern=derived.pattern,
        timezone=derived.timezone,
        label=derived.label,
        status=derived.status,
    )
    return replace(want, version=have.version + 1, traceparent=traceparent) if want != have else want


def _follow(changes: Changes, have: Schedule, live: LiveEvent | None, recipient: Recipient) -> None:
    want = have
    if have.follows_user and have.timezone != recipient.timezone:
        want = replace(have, timezone=recipient.timezone, version=have.version + 1)
    if have.status is Status.ACTIVE:
        changes.plan(want, have, live, recipient, have.traceparent)
    else:
        changes.keep(want, have)


async def cancel_orphans(tx: Transaction, outbox: Outbox, returned: Sequence[Event]) -> None:
    """Cancel those of ``returned``, claimed and waiting again, that nobody wants any more.

    Their users or schedules were deleted meanwhile, their schedules paused, or their broadcasts cancelled.
    """
    if not returned:
        return
    people = await recipients.find(tx, {event.user_id for event in returned})
    named = await schedules.still_named(tx, [event.id for event in returned if event.schedule_id is not None])
    stopped = await broadcasts.stopped(tx, {each.broadcast_id for each in returned if each.broadcast_id is not None})
    orphans: dict[str, list[EventKey]] = {}
    for event in returned:
        if event.user_id not in people:
            orphans.setdefault(USER_DELETED, []).append(event.key)
        elif event.schedule_id is not None and event.id not in named:
            orphans.setdefault("schedule deleted or paused", []).append(event.key)
        elif event.broadcast_id in stopped:
            orphans.setdefault("broadcast cancelled", []).append(event.key)
    for reason, keys in orphans.items():
        cancelled = await events.cancel_pending(tx, keys, reason)
        now = await events.current_time(tx)
        await outbox.append(tx, notices.cancelled(cancelled, now, reason))
