"""A schedule's next occurrence: an event, or a time that is too far ahead for one, or the schedule's end."""

from datetime import datetime, timedelta
from itertools import islice, takewhile
from uuid import UUID

from chassis.core.zones import zone
from contracts.identity import derive_id
from event_service.domain import templates
from event_service.domain.adjusted import Adjusted
from event_service.domain.events import Event
from event_service.domain.patterns import RecurringPattern
from event_service.domain.recipients import Recipient
from event_service.domain.record import replace
from event_service.domain.recurrence import Occurrence, Policies, Recurring, Rule, instant_of, upcoming
from event_service.domain.schedules import LiveEvent, Schedule, Status
from event_service.domain.send_times import sending_of
from event_service.domain.strategies import STRATEGIES
from event_service.domain.type_rules import Rulebook

HORIZON = timedelta(days=403)
"""Thirteen months: events further ahead are not made yet. Partitions reach further than this."""


def rule_of(rules: Rulebook, schedule: Schedule) -> Rule:
    policies = rules[schedule.event_type].policies_of(schedule)
    rule, sending = _base_rule(schedule, policies), sending_of(rules, schedule)
    if not sending.moves and schedule.business_days is None:
        return rule
    return Adjusted(rule, policies, sending, schedule.business_days)


def _base_rule(schedule: Schedule, policies: Policies) -> Rule:
    pattern = schedule.pattern
    if not isinstance(pattern, RecurringPattern):
        return pattern.rule(zone(schedule.timezone), policies)
    last = schedule.last_occurrence
    offset_keys = last is not None and not pattern.once_a_day and instant_of(last) is not None
    return pattern.keyed_rule(zone(schedule.timezone), policies, offset_keys=offset_keys)


def first_from(rule: Rule, schedule: Schedule, earliest: datetime) -> Occurrence | None:
    """The first occurrence of a schedule's rule at or after ``earliest`` that is later than its last one."""
    last = schedule.last_occurrence
    after = schedule.pattern.after(last)
    if last is not None and after is None and (passed := instant_of(last)) is not None:
        earliest = max(earliest, passed + timedelta(seconds=1))
    return rule.first_from(earliest, after=after)


MOST_SLOTS = 10_000
"""Slots that are counted at most: hourly for more than a year."""


def slots_passed(rule: Rule, first: Occurrence, until: datetime) -> list[Occurrence]:
    """The occurrences from ``first`` on that are not after ``until``, at most 10,000 of them."""
    if first.instant > until:
        return []
    if isinstance(rule, Adjusted):
        passed = takewhile(lambda slot: slot.instant <= until, upcoming(rule, first.instant))
        return list(islice(passed, MOST_SLOTS))
    return list(islice(rule.between(first.wall, until), MOST_SLOTS)) if isinstance(rule, Recurring) else []


def settle(
    rules: Rulebook,
    schedule: Schedule,
    occurrence: Occurrence | None,
    recipient: Recipient,
    traceparent: str | None,
    now: datetime,
) -> tuple[Schedule, Event | None]:
    """The schedule with ``occurrence`` as its next, and the event to make of it."""
    if occurrence is None:
        return replace(schedule, status=Status.ENDED, live_event_id=None, next_at=None), None
    if occurrence.instant - now > HORIZON:
        return replace(schedule, status=Status.ACTIVE, live_event_id=None, next_at=occurrence.instant), None
    event = event_of(rules, schedule, occurrence, recipient, traceparent)
    return replace(schedule, status=Status.ACTIVE, live_event_id=event.id, next_at=event.target), event


def event_of(
    rules: Rulebook, schedule: Schedule, occurrence: Occurrence, recipient: Recipient, traceparent: str | None
) -> Event:
    own = rules[schedule.event_type]
    planned = occurrence.planned or occurrence.instant
    return Event(
        id=event_id(schedule.id, occurrence.key),
        target=occurrence.instant,
        schedule_id=schedule.id,
        user_id=schedule.user_id,
        event_type=schedule.event_type,
        occurrence=occurrence.key,
        priority=schedule.priority,
        timezone=schedule.timezone,
        grace_until=planned + own.grace_of(schedule),
        expires_at=planned + own.expiry_of(schedule),
        payload={**schedule.payload, "message": message_of(rules, schedule, occurrence.key, recipient)},
        tags=recipient.tags,
        email=recipient.email,
        phone=recipient.phone,
        external_id=recipient.external_id,
        traceparent=traceparent,
        wall=occurrence.wall,
        follows_user=schedule.follows_user,
        planned=occurrence.planned,
        window=schedule.window,
        user_window=schedule.user_window,
        ignores_window=schedule.ignores_window,
        window_timezone=schedule.user_timezone,
        spread=schedule.spread,
    )


def message_of(rules: Rulebook, schedule: Schedule, occurrence: str, recipient: Recipient) -> str:
    template, locale = rules[schedule.event_type].message_of(schedule, recipient.locale)
    own = STRATEGIES[schedule.event_type].values(schedule, occurrence, locale)
    return templates.render(template, {**person_of(recipient), **own})


def person_of(recipient: Recipient) -> dict[str, str]:
    """What every template may say of its user."""
    return templates.person(recipient.first_name, recipient.last_name)


def event_id(owner: UUID, occurrence: str) -> UUID:
    """One identity per occurrence (docs/architecture.md#identity)."""
    return derive_id(owner, occurrence)


def next_occurrence(
    rule: Rule,
    *,
    now: datetime,
    grace: timedelta,
    last: str | None,
    moving: LiveEvent | None = None,
    floor: datetime | None = None,
) -> Occurrence | None:
    """The occurrence to schedule now, or None where the rule has none left.

    A new schedule begins at its first instant from now on. Where only the zone or the time of a waiting event changed
    (``moving``), that same occurrence moves, and one whose new time has just passed is kept while inside its grace: it
    fires at once, and never twice, whichever way the user crosses the date line. One that is past its grace moves too:
    it is MISSED, with a record. Where the policies leave it out, the next one takes its place, also a late one, but
    none before ``floor``.
    """
    following = rule.first_from(now, after=last)
    if moving is None:
        return following
    kept = rule.occurrence(moving.occurrence)
    if kept is None:
        kept = rule.first_from(now - grace if floor is None else max(now - grace, floor), after=moving.occurrence)
    # A move to the west may open an earlier occurrence: this year's moment, passed in the old zone, is yet to come.
    return min((each for each in (kept, following) if each is not None), key=_instant, default=None)


def _instant(occurrence: Occurrence) -> datetime:
    return occurrence.instant
