"""The times of a schedule that are to come, as ``upcoming`` and calendars show them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from heapq import merge
from itertools import chain, islice

from chassis.core.zones import zone
from event_service.adapters.event_views import EventView
from event_service.domain.occurrences import first_from, rule_of
from event_service.domain.recurrence import Occurrence, Recurring, Rule, upcoming
from event_service.domain.schedules import Schedule
from event_service.domain.type_rules import Rulebook

LAST_INSTANT = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Coming:
    """A time to come. One that was ``rescheduled`` has its new time, regardless of the rule."""

    occurrence: Occurrence
    rescheduled: bool = False
    is_live: bool = False
    event: EventView | None = None
    """The waiting event, of a rescheduled one."""


def coming_of(rules: Rulebook, schedule: Schedule, moved: Iterable[EventView], now: datetime) -> Iterator[Coming]:
    """Yield the occurrences of a schedule from ``now`` on, the earliest first; endless where the rule is.

    ``moved`` are its waiting events that have a time of their own. Of a paused schedule they are those that would come
    if it were active.
    """
    apart = [_moved(schedule, each) for each in moved]
    keys = {each.occurrence.key for each in apart}
    if schedule.live_event_id is not None and (own := [each for each in apart if each.is_live]):
        schedule = replace(schedule, last_occurrence=own[0].occurrence.key)
    rule, earliest = rule_of(rules, schedule), now
    if schedule.floor_at is not None:
        earliest = max(now, schedule.floor_at)
    first = first_from(rule, schedule, earliest)
    by_rule = iter(()) if first is None else chain([first], upcoming_after(rule, first))
    kept = (Coming(each) for each in by_rule if each.key not in keys)
    return merge(sorted(apart, key=_instant), kept, key=_instant)


def upcoming_after(rule: Rule, occurrence: Occurrence) -> Iterator[Occurrence]:
    """The occurrences that come after one."""
    if isinstance(rule, Recurring):
        return islice(rule.between(occurrence.wall, LAST_INSTANT), 1, None)
    return upcoming(rule, occurrence.instant, after=occurrence.key)


def _instant(coming: Coming) -> datetime:
    return coming.occurrence.instant


def _moved(schedule: Schedule, event: EventView) -> Coming:
    there = zone(schedule.timezone)
    return Coming(
        Occurrence(event.occurrence, event.target, event.target.astimezone(there).replace(tzinfo=None)),
        rescheduled=True,
        is_live=event.id == schedule.live_event_id,
        event=event,
    )
