"""What a schedule repeats, apart from zone and policies: with those it becomes a rule.

``after`` is the key that all occurrences to come are later than, where the ``last`` that has ended is given. That may
be a key of another kind of pattern, which the schedule had before: see ``knows``.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from event_service.domain.errors import InvalidRuleError
from event_service.domain.record import record
from event_service.domain.recurrence import Once, Policies, Recurring, Rule, Yearly, instant_of, once_a_day

UTC_ZONE = ZoneInfo("UTC")


@record
class YearlyPattern:
    """On a month and day, at a local time, from ``first`` on. ``since`` is the year of the date itself: number 0."""

    month: int
    day: int
    local_time: time
    since: int
    first: int

    def knows(self, key: str) -> bool:
        return key.isdecimal()

    def after(self, last: str | None) -> str:
        ended = int(last) if last is not None and self.knows(last) else 0
        return str(max(self.first - 1, ended))

    def rule(self, zone: ZoneInfo, policies: Policies) -> Rule:
        return Yearly(self.month, self.day, self.local_time, zone, policies)


@dataclass(frozen=True, slots=True)
class OncePattern:
    """At one local time."""

    at: datetime

    def knows(self, key: str) -> bool:
        return "T" in key

    def after(self, last: str | None) -> str | None:
        return last if last is not None and self.knows(last) else None

    @property
    def local_time(self) -> time:
        return self.at.time()

    def rule(self, zone: ZoneInfo, policies: Policies) -> Rule:
        return Once(self.at, zone, policies)


@dataclass(frozen=True, slots=True)
class RecurringPattern:
    """From a local time on, by a rule of RFC 5545, but for the local times ``exdates``."""

    start: datetime
    rrule: str
    exdates: tuple[datetime, ...] = ()
    rdates: tuple[datetime, ...] = ()

    @property
    def once_a_day(self) -> bool:
        """Whether the local date identifies an occurrence."""
        return once_a_day(self.start, self.rrule, self.rdates)

    def knows(self, key: str) -> bool:
        return "T" in key

    def after(self, last: str | None) -> str | None:
        """Of a series that comes at most once a day, the end of the day of ``last``, whatever its time was then.

        None also for a key with an offset: that is an instant, and compared as one.
        """
        if last is None or not self.knows(last):
            return None
        if self.once_a_day:
            return f"{last[:10]}T23:59:59"
        return last if instant_of(last) is None else None

    @property
    def local_time(self) -> time:
        return self.start.time()

    def rule(self, zone: ZoneInfo, policies: Policies) -> Rule:
        return self.keyed_rule(zone, policies)

    def keyed_rule(self, zone: ZoneInfo, policies: Policies, *, offset_keys: bool = False) -> Recurring:
        return Recurring(
            self.start, self.rrule, frozenset(self.exdates), zone, policies, self.rdates, offset_keys=offset_keys
        )


class Kind(StrEnum):
    """The kinds of pattern."""

    ONCE = "ONCE"
    RRULE = "RRULE"
    YEARLY = "YEARLY"


@dataclass(frozen=True, slots=True)
class PatternParts:
    """A pattern of any kind as text: ``start`` is its first time."""

    kind: Kind
    start: datetime
    rrule: str | None = None
    exdates: tuple[datetime, ...] = ()
    rdates: tuple[datetime, ...] = ()


Pattern = YearlyPattern | OncePattern | RecurringPattern


def moved_key(old: Pattern, new: Pattern, key: str) -> str | None:
    """The key by which ``new`` knows the occurrence ``key`` of ``old``, where that is the same one at another time.

    A series that comes at most once a day knows it by its date, a denser one by its exact local time: so a key may be
    returned that the new pattern does not have. None where it is another occurrence for certain.
    """
    match old, new:
        case YearlyPattern(), YearlyPattern():
            return key if (old.month, old.day) == (new.month, new.day) else None
        case OncePattern(), OncePattern():
            return new.at.isoformat() if old.at.date() == new.at.date() else None
        case RecurringPattern(), RecurringPattern():
            if old.once_a_day and new.once_a_day:
                return _on_the_day(new, datetime.fromisoformat(key).date())
            return key
    return None


def _on_the_day(pattern: RecurringPattern, day: date) -> str | None:
    """The key of a pattern's occurrence on a day, exceptions aside."""
    rule = replace(pattern, exdates=()).keyed_rule(UTC_ZONE, Policies())
    found = rule.first_from(datetime.combine(day, time.min, UTC_ZONE))
    return found.key if found is not None and found.wall.date() == day else None


def last_before(pattern: Pattern, last: str) -> str:
    """What has passed of a series that comes at most once a day, where ``last`` is of a denser one.

    The day of ``last``, unless the pattern's time on that day is yet to come.
    """
    day = datetime.fromisoformat(last).date()
    key = _on_the_day(pattern, day) if isinstance(pattern, RecurringPattern) else None
    return last if key is None or key <= last[:19] else f"{day - timedelta(days=1)}T23:59:59"


def retimed_exdates(old: RecurringPattern, new: RecurringPattern) -> tuple[datetime, ...]:
    """The exceptions of ``old`` as ``new`` knows them.

    A series that comes at most once a day keeps the days that are left out, whatever its time of day becomes. Where
    the day has no time any more, and of a denser series, they stay as they are.
    """
    if not (old.once_a_day and new.once_a_day):
        return old.exdates
    rule = old.keyed_rule(UTC_ZONE, Policies())
    there = ((each, _on_the_day(new, each.date()) if rule.matches(each) else None) for each in old.exdates)
    return tuple(each if key is None else datetime.fromisoformat(key) for each, key in there)


def unmatched_exdate(pattern: RecurringPattern, since: datetime) -> datetime | None:
    """The first exception from a local time on that leaves nothing out, before the rule's end."""
    rule = pattern.keyed_rule(UTC_ZONE, Policies())
    end = max([rule.series.last, *pattern.rdates])
    coming = sorted(each for each in pattern.exdates if since <= each <= end)
    return next((each for each in coming if not rule.matches(each)), None)


def parts_of(pattern: Pattern) -> PatternParts:
    match pattern:
        case YearlyPattern():
            day = date(pattern.since, pattern.month, pattern.day)
            return PatternParts(Kind.YEARLY, datetime.combine(day, pattern.local_time))
        case OncePattern():
            return PatternParts(Kind.ONCE, pattern.at)
        case RecurringPattern():
            return PatternParts(Kind.RRULE, pattern.start, pattern.rrule, pattern.exdates, pattern.rdates)


def pattern_of(parts: PatternParts) -> Pattern:
    """Raises InvalidRuleError for parts that do not go together."""
    if parts.kind is Kind.RRULE:
        if parts.rrule is None:
            raise InvalidRuleError("a rule of the kind RRULE needs one", "rrule")
        return RecurringPattern(parts.start, parts.rrule, parts.exdates, tuple(sorted(set(parts.rdates))))
    for name in ("rrule", "exdates", "rdates"):
        if getattr(parts, name):
            raise InvalidRuleError(f"goes with the kind RRULE only, not with {parts.kind}", name)
    if parts.kind is Kind.ONCE:
        return OncePattern(parts.start)
    start = parts.start
    return YearlyPattern(start.month, start.day, start.time(), start.year, start.year)
