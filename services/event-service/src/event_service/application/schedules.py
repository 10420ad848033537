"""Use cases of schedules. Each change moves, makes or cancels the live event in the transaction that makes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database import idempotency
from chassis.database.database import Database, Transaction
from chassis.database.idempotency import IdempotencyKey
from chassis.database.read_routing import Reads
from chassis.messaging.outbox import Outbox
from chassis.telemetry.tracing import current_traceparent
from event_service.adapters import event_locks, event_views, events, recipients, schedule_views, schedules
from event_service.adapters.schedule_views import Position, ScheduleFilter, ScheduleView
from event_service.application import planning
from event_service.application.coming import Coming, coming_of
from event_service.application.planning import PAUSED, lock_live_events, lock_moved_events
from event_service.domain.changes import Changes
from event_service.domain.errors import (
    InvalidRuleError,
    ScheduleEndedError,
    ScheduleNotFoundError,
    StaleScheduleError,
    UnknownUserError,
)
from event_service.domain.events import Event, EventKey
from event_service.domain.occurrences import first_from, rule_of
from event_service.domain.patterns import OncePattern, RecurringPattern, parts_of
from event_service.domain.recipients import Recipient
from event_service.domain.schedule_planning import keep_schedule, plan_ended, plan_resumed, plan_schedule
from event_service.domain.schedule_requests import (
    OVERRIDES,
    NewSchedule,
    build,
    check,
    check_exceptions,
    derived_error,
    fields_named,
    patched,
)
from event_service.domain.schedules import LiveEvent, Schedule, Source, Status
from event_service.domain.type_rules import Rulebook

CHANGED = "schedule changed"
DELETED = "schedule deleted"


async def create_schedule(
    database: Database, outbox: Outbox, rules: Rulebook, new: NewSchedule, key: IdempotencyKey | None
) -> ScheduleView:
    """Store a schedule and make its first event. Under a key that has created one before, that one is returned.

    Raises:
        InvalidRuleError, InvalidTemplateError, PriorityTooLowError, ExpiryBeforeGraceError
        UnknownUserError
        IdempotencyKeyReusedError: the key came with another schedule.
        ScheduleNotFoundError: the schedule that the key created is deleted.
    """
    schedule_id = uuid7()
    async with database.transaction() as tx:
        claimed = await idempotency.claim(tx, key, schedule_id)
        if claimed != schedule_id:
            return _found(await schedule_views.find(tx, claimed), claimed)
        recipient = await _recipient(tx, new.user_id)
        with fields_named():
            schedule = build(schedule_id, new, recipient, current_traceparent())
            check(rules, schedule)
            changes = Changes(rules, await events.current_time(tx))
            refuse_ended(plan_schedule(changes, schedule, None, None, recipient, schedule.traceparent))
        await planning.write(tx, outbox, changes, CHANGED)
        return _found(await schedule_views.find(tx, schedule_id), schedule_id)


async def get_schedule(reads: Reads, schedule_id: UUID) -> ScheduleView:
    """Raises ScheduleNotFoundError."""
    return _found(await reads.find(lambda reader: schedule_views.find(reader, schedule_id)), schedule_id)


async def list_schedules(
    reads: Reads, wanted: ScheduleFilter, *, before: Position | None, limit: int
) -> Sequence[ScheduleView]:
    """Newest first; ``before`` is where the page before ended."""
    async with reads.open() as reader:
        return await schedule_views.search(reader, wanted, before=before, limit=limit)


async def preview(
    reads: Reads, rules: Rulebook, schedule_id: UUID, *, now: datetime, count: int
) -> tuple[Schedule, list[Coming]]:
    """The next occurrences from now on, or of a paused schedule those that would come if it were active.

    Raises ScheduleNotFoundError.
    """
    schedule = (await get_schedule(reads, schedule_id)).schedule
    if schedule.status is Status.ENDED:
        return schedule, []
    moved = await reads.find(lambda reader: event_views.moved(reader, [schedule.user_id], [schedule.id], now))
    return schedule, list(islice(coming_of(rules, schedule, moved, now), count))


async def update_schedule(
    database: Database,
    outbox: Outbox,
    rules: Rulebook,
    schedule_id: UUID,
    patch: Mapping[str, Any],
    expected: int | None,
) -> ScheduleView:
    """Apply a partial update: the names of ``NewSchedule``, ``rule`` for changes of its parts, and ``OVERRIDES``.

    What changes nothing keeps the version. A schedule that had ended continues with its new rule.

    Raises:
        ScheduleNotFoundError, DerivedScheduleError
        StaleScheduleError: the version is not ``expected`` (None: any will do).
        InvalidRuleError, InvalidTemplateError, PriorityTooLowError, ExpiryBeforeGraceError
    """
    async with database.transaction() as tx:
        held = await _hold(tx, schedule_id, expected)
        have = held.schedule
        if have.source is Source.USER and (owned := sorted(patch.keys() - OVERRIDES)):
            raise derived_error(have, owned[0])
        with fields_named():
            want = patched(have, patch, held.recipient)
            if want != have:
                want = replace(want, version=have.version + 1, traceparent=current_traceparent())
                check(rules, want)
                check_exceptions(want, have, await events.current_time(tx))
                await _bring_in_line(tx, outbox, rules, want, held)
        return _found(await schedule_views.find(tx, schedule_id), schedule_id)


async def pause_schedule(
    database: Database, outbox: Outbox, rules: Rulebook, schedule_id: UUID, expected: int | None
) -> ScheduleView:
    """Cancel pending events, and create no more. A claimed event is the last. Paused again, nothing changes.

    Raises ScheduleNotFoundError, StaleScheduleError, DerivedScheduleError, ScheduleEndedError.
    """
    async with database.transaction() as tx:
        held = await _hold(tx, schedule_id, expected)
        have, live = held.schedule, held.live
        _require_own(have, "paused")
        if have.status is Status.ACTIVE:
            changes = Changes(rules, await events.current_time(tx))
            paused = replace(have, status=Status.PAUSED, version=have.version + 1)
            if live is None or live.pending:
                paused = replace(paused, live_event_id=None, next_at=None)
            if live is not None:
                changes.cancel(EventKey(live.id, live.target), PAUSED)
            for event in held.moved:
                changes.cancel(event.key, PAUSED)
            keep_schedule(changes, paused, have)
            await planning.write(tx, outbox, changes, PAUSED)
        return _found(await schedule_views.find(tx, schedule_id), schedule_id)


async def resume_schedule(
    database: Database, outbox: Outbox, rules: Rulebook, schedule_id: UUID, expected: int | None
) -> ScheduleView:
    """Go on from the first instant from now on; one whose rule has come to its end meanwhile has ended.

    Raises ScheduleNotFoundError, StaleScheduleError, DerivedScheduleError, ScheduleEndedError.
    """
    async with database.transaction() as tx:
        held = await _hold(tx, schedule_id, expected)
        have = held.schedule
        _require_own(have, "resumed")
        if have.status is Status.PAUSED:
            changes = Changes(rules, await events.current_time(tx))
            want = replace(have, status=Status.ACTIVE, version=have.version + 1, traceparent=current_traceparent())
            plan_resumed(changes, want, have, held.live, held.recipient, await _paused_moves(tx, have))
            await planning.write(tx, outbox, changes, CHANGED)
        return _found(await schedule_views.find(tx, schedule_id), schedule_id)


async def delete_schedule(
    database: Database, outbox: Outbox, rules: Rulebook, schedule_id: UUID, expected: int | None
) -> None:
    """Delete a schedule and cancel its pending events. A claimed event still fires.

    Raises ScheduleNotFoundError, StaleScheduleError, DerivedScheduleError.
    """
    async with database.transaction() as tx:
        held = await _hold(tx, schedule_id, expected)
        if held.schedule.source is Source.USER:
            raise derived_error(held.schedule, "scheduleId")
        changes = Changes(rules, await events.current_time(tx))
        changes.end(held.schedule, held.live, DELETED, moved=held.moved)
        await planning.write(tx, outbox, changes, DELETED)


@dataclass(frozen=True, slots=True)
class Held:
    """A schedule with its user and its events that wait, all kept from others until the transaction ends."""

    schedule: Schedule
    live: LiveEvent | None
    recipient: Recipient
    moved: Sequence[Event] = ()


async def _hold(tx: Transaction, schedule_id: UUID, expected: int | None) -> Held:
    # The order of locks: recipient, schedule, event. Who the user is has to be known before the schedule is locked.
    user_id = _found(await schedule_views.find(tx, schedule_id), schedule_id).schedule.user_id
    recipient = (await recipients.lock(tx, [user_id])).get(user_id)
    schedule = (await schedules.lock(tx, [schedule_id])).get(schedule_id)
    if recipient is None or schedule is None:
        raise _missing(schedule_id)
    if expected is not None and schedule.version != expected:
        raise StaleScheduleError(f'the schedule is at version "{schedule.version}", not "{expected}": read it again')
    live = await lock_live_events(tx, [schedule])
    moved = await lock_moved_events(tx, [schedule])
    return Held(schedule, live.get(schedule_id), recipient, moved.get(schedule_id, ()))


async def _paused_moves(tx: Transaction, schedule: Schedule) -> list[Event]:
    """What a pause cancelled of the events that had a time of their own."""
    return await event_locks.moved_and_cancelled(tx, schedule.user_id, schedule.id, PAUSED)


async def _recipient(tx: Transaction, user_id: UUID) -> Recipient:
    recipient = (await recipients.lock(tx, [user_id])).get(user_id)
    if recipient is None:
        raise UnknownUserError(
            f"there is no user {user_id}, or its message from user-service has not arrived yet:"
            " retry in a moment for a new user"
        )
    return recipient


async def _bring_in_line(tx: Transaction, outbox: Outbox, rules: Rulebook, want: Schedule, held: Held) -> None:
    changes = Changes(rules, await events.current_time(tx))
    bring_in_line(changes, want, held)
    await planning.write(tx, outbox, changes, CHANGED)


def bring_in_line(changes: Changes, want: Schedule, held: Held) -> None:
    """Plan the changes of an existing schedule and of its next event, if it is to become ``want``.

    Raises InvalidRuleError where its new rule never fires.
    """
    rules, have = changes.rules, held.schedule
    if have.status is Status.PAUSED:
        _refuse_ended_rule(rules, want, have, changes.now)
        keep_schedule(changes, want, have)
    elif have.status is Status.ENDED and want.timing == have.timing:
        plan_ended(changes, want, have, held.moved, held.recipient)
    else:
        planned = plan_schedule(changes, want, have, held.live, held.recipient, want.traceparent, moved=held.moved)
        if want.timing != have.timing:
            refuse_ended(planned)
            _refuse_passed(rules, planned, changes.now)


def _refuse_ended_rule(rules: Rulebook, want: Schedule, have: Schedule, now: datetime) -> None:
    if want.timing == have.timing:
        return
    if first_from(rule_of(rules, want), want, now) is None:
        raise _never_fires(want)


def _refuse_passed(rules: Rulebook, planned: Schedule, now: datetime) -> None:
    """A time that has passed with its grace is refused where it is all that a schedule has."""
    grace = rules[planned.event_type].grace_of(planned)
    if isinstance(planned.pattern, OncePattern) and planned.next_at is not None and planned.next_at + grace <= now:
        raise _never_fires(planned)


def refuse_ended(planned: Schedule) -> None:
    """Raises InvalidRuleError."""
    if planned.status is Status.ENDED:
        raise _never_fires(planned)


def _never_fires(schedule: Schedule) -> InvalidRuleError:
    if isinstance(schedule.pattern, RecurringPattern):
        parts = parts_of(schedule.pattern)
        return InvalidRuleError(
            f"never fires: {parts.rrule} from {parts.start.isoformat()} on has no occurrence from now on in"
            f" {schedule.timezone}",
            "rrule",
        )
    return InvalidRuleError(
        f"never fires: {parts_of(schedule.pattern).start.isoformat()} in {schedule.timezone} has passed, or a policy"
        " leaves it out",
        "start",
    )


def _require_own(schedule: Schedule, what: str) -> None:
    if schedule.source is Source.USER:
        raise derived_error(schedule, "scheduleId")
    if schedule.status is Status.ENDED:
        raise ScheduleEndedError(f"the schedule has ended and cannot be {what}: give it a rule with more to come")


def _found(view: ScheduleView | None, schedule_id: UUID) -> ScheduleView:
    if view is None:
        raise _missing(schedule_id)
    return view


def _missing(schedule_id: UUID) -> ScheduleNotFoundError:
    return ScheduleNotFoundError(f"there is no schedule {schedule_id}")
