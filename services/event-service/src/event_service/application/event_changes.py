"""The changes of one event: cancelled, moved, retried. Each says no where its state does not allow it."""

from dataclasses import dataclass, replace
from uuid import UUID

from chassis.database.database import Database, Transaction
from chassis.database.notifications import notify
from chassis.messaging.outbox import Outbox
from contracts.vocabulary import EventStatus
from event_service.adapters import claims, event_endings, event_locks, event_views, events, recipients, schedules
from event_service.adapters.event_views import EventView
from event_service.application import notices
from event_service.application.next_occurrence import Continuation, move_live, schedule_next
from event_service.domain.errors import EventNotFoundError, EventStateError
from event_service.domain.events import Event
from event_service.domain.one_offs import When
from event_service.domain.recipients import Recipient
from event_service.domain.schedules import Schedule
from event_service.domain.send_times import of_person, sent_at
from event_service.domain.time_resolution import place
from event_service.domain.type_rules import Rulebook

CANCELLED = "cancelled on request"
RESCHEDULED = "rescheduled on request"
RETRIED = "retried on request"
RETRY_CHANNEL = "events_retried"
"""Wakes the reaper, which publishes events to be retried."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A locked event, with its schedule and the user that it is for, where they are there."""

    event: Event
    status: str
    schedule: Schedule | None
    recipient: Recipient | None

    @property
    def is_live(self) -> bool:
        """Whether it is the next of its schedule, which continues when this one has ended or is moved behind
        another."""
        return self.schedule is not None and self.schedule.live_event_id == self.event.id


async def cancel_event(database: Database, outbox: Outbox, rules: Rulebook, event_id: UUID) -> EventView:
    """Cancel an event that waits. That of a schedule is skipped, and the next one made in the same transaction.

    Raises EventNotFoundError, EventStateError.
    """
    async with database.transaction() as tx:
        held = await _hold(tx, event_id)
        await _require_waiting(tx, held, "cancelled")
        now = await events.current_time(tx)
        cancelled = await events.cancel_pending(tx, [held.event.key], CANCELLED)
        continuation = Continuation()
        if held.schedule is not None and held.is_live and held.recipient is not None:
            continuation = await schedule_next(
                tx,
                rules,
                [(held.event, held.schedule)],
                {held.recipient.user_id: held.recipient},
                lambda event: event.traceparent,
                now,
                fired=False,
            )
        await outbox.append(tx, [*notices.cancelled(cancelled, now, CANCELLED), *continuation.notices(now)])
        return await _view(tx, event_id)


async def reschedule_event(
    database: Database, outbox: Outbox, rules: Rulebook, event_id: UUID, when: When
) -> EventView:
    """Give an event that waits another time. It stays the same occurrence, also of a schedule.

    What the schedule has before that time comes before it: a move concerns one occurrence.

    Raises EventNotFoundError, EventStateError, ImpossibleTimeError.
    """
    async with database.transaction() as tx:
        held = await _hold(tx, event_id)
        await _require_waiting(tx, held, "moved")
        event = held.event
        if held.recipient is None:
            raise EventStateError(f"event {event_id} cannot be moved: its user has been deleted")
        now = await events.current_time(tx)
        own = rules[event.event_type]
        policies = own.policies_alone(event.gap, event.overlap)
        if held.schedule is not None:
            policies = own.policies_of(held.schedule)
        grace = event.grace_until - (event.planned or event.target)
        placed = place(when, held.recipient.timezone, policies, grace=grace, now=now)
        moved = replace(
            event,
            target=placed.target,
            wall=placed.wall,
            timezone=placed.timezone,
            follows_user=placed.follows_user,
            grace_until=placed.target + grace,
            expires_at=placed.target + (event.expires_at - (event.planned or event.target)),
            rescheduled=True,
            planned=None,
            spread=0,
        )
        # A manual time is kept to the second, and to the send window.
        moved = sent_at(rules, of_person(moved, held.recipient), placed.target)
        if moved.target == event.target:
            await events.renew_pending(tx, [moved])
        else:
            await events.move(tx, [(moved, event.target)])
            await outbox.append(tx, notices.rescheduled([(moved, event.target)], now, RESCHEDULED))
        if held.schedule is not None and held.is_live:
            successors = await move_live(tx, rules, held.schedule, moved, held.recipient, now)
            await outbox.append(tx, notices.scheduled(successors, now))
        return await _view(tx, event_id)


async def retry_event(database: Database, event_id: UUID) -> EventView:
    """Let a failed event be published again, as its next attempt. The reaper does it, now or once it runs again.

    Raises EventNotFoundError, EventStateError.
    """
    async with database.transaction() as tx:
        held = await _hold(tx, event_id)
        if held.recipient is None:
            raise EventStateError(f"event {event_id} cannot be retried: its user has been deleted")
        if not await event_endings.retry(tx, held.event.key, RETRIED):
            if held.status == "FAILED":
                raise EventStateError(f"event {event_id} cannot be retried: it was imported as history")
            raise EventStateError(f"event {event_id} is {held.status}: only what has FAILED can be retried")
        await notify(tx, RETRY_CHANNEL)
        return await _view(tx, event_id)


async def _hold(tx: Transaction, event_id: UUID) -> _Held:
    # In everyone's order: recipient, schedule, event. While the first two are locked, no other transaction moves the
    # third.
    known = await event_locks.find(tx, event_id)
    if known is None:
        raise _missing(event_id)
    people = await recipients.lock(tx, [known.user_id])
    of_it = await schedules.lock(tx, [known.schedule_id]) if known.schedule_id is not None else {}
    locked = await event_locks.lock(tx, event_id)
    if locked is None:
        raise _missing(event_id)
    event, status = locked
    schedule = of_it.get(event.schedule_id) if event.schedule_id is not None else None
    return _Held(event, status, schedule, people.get(known.user_id))


def _missing(event_id: UUID) -> EventNotFoundError:
    return EventNotFoundError(f"there is no event {event_id}")


async def _require_waiting(tx: Transaction, held: _Held, done: str) -> None:
    if held.status == EventStatus.PENDING:
        return
    why = "it has ended"
    if held.status == EventStatus.PROCESSING:
        progress = await claims.progress(tx, held.event.key)
        if progress.published_at is not None:
            why = "it has been published"
        elif progress.unconfirmed_until is None:
            why = "it is being published"
        else:
            until = progress.unconfirmed_until.isoformat(timespec="seconds")
            why = f"the bus did not confirm its publication, so it may still be sent until {until}"
    raise EventStateError(f"event {held.event.id} is {held.status}: {why} and cannot be {done}")


async def _view(tx: Transaction, event_id: UUID) -> EventView:
    view = await event_views.find(tx, event_id)
    if view is None:
        raise _missing(event_id)
    return view
