"""What a schedule repeats, apart from zone and policies: with those it becomes a rule.

``after`` is the key that all occurrences to come are later than, where the ``last`` that has ended is given. That may
be a key of another kind of pattern, which the schedule had before: ``knows`` tells.
"""

from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from zoneinfo import ZoneInfo

from event_service.domain.errors import InvalidRuleError
from event_service.domain.record import record
from event_service.domain.recurrence import Once, Policies, Recurring, Rule, Yearly


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

    def knows(self, key: str) -> bool:
        return "T" in key

    def after(self, last: str | None) -> str | None:
        return last if last is not None and self.knows(last) else None

    @property
    def local_time(self) -> time:
        return self.start.time()

    def rule(self, zone: ZoneInfo, policies: Policies) -> Rule:
        return Recurring(self.start, self.rrule, frozenset(self.exdates), zone, policies)


class Kind(StrEnum):
    """The kinds of pattern."""

    ONCE = "ONCE"
    RRULE = "RRULE"
    YEARLY = "YEARLY"


@dataclass(frozen=True, slots=True)
class PatternParts:
    """A pattern of any kind as someone writes it down: ``start`` is its first time."""

    kind: Kind
    start: datetime
    rrule: str | None = None
    exdates: tuple[datetime, ...] = ()


Pattern = YearlyPattern | OncePattern | RecurringPattern


def moved_key(old: Pattern, new: Pattern, key: str) -> str | None:
    """The key by which ``new`` knows the occurrence ``key`` of ``old``, where that is the same one at another time.

    None where the days differ: then it is another occurrence.
    """
    match old, new:
        case YearlyPattern(), YearlyPattern():
            return key if (old.month, old.day) == (new.month, new.day) else None
        case OncePattern(), OncePattern():
            return new.at.isoformat() if old.at.date() == new.at.date() else None
        case RecurringPattern(), RecurringPattern():
            if old.start == new.start:
                same = (old.rrule, old.exdates) == (new.rrule, new.exdates)
                return key if same else None
            if (old.rrule, old.start.date()) != (new.rrule, new.start.date()):
                return None
            day = datetime.fromisoformat(key).date()
            return datetime.combine(day, new.start.time()).isoformat()
    return None


def parts_of(pattern: Pattern) -> PatternParts:
    match pattern:
        case YearlyPattern():
            day = date(pattern.since, pattern.month, pattern.day)
            return PatternParts(Kind.YEARLY, datetime.combine(day, pattern.local_time))
        case OncePattern():
            return PatternParts(Kind.ONCE, pattern.at)
        case RecurringPattern():
            return PatternParts(Kind.RRULE, pattern.start, pattern.rrule, pattern.exdates)


def pattern_of(parts: PatternParts) -> Pattern:
    """Raises InvalidRuleError for parts that do not go together."""
    if parts.kind is Kind.RRULE:
        if parts.rrule is None:
            raise InvalidRuleError("a rule of the kind RRULE needs one", "rrule")
        return RecurringPattern(parts.start, parts.rrule, parts.exdates)
    for name in ("rrule", "exdates"):
        if getattr(parts, name):
            raise InvalidRuleError(f"goes with the kind RRULE only, not with {parts.kind}", name)
    if parts.kind is Kind.ONCE:
        return OncePattern(parts.start)
    start = parts.start
    return YearlyPattern(start.month, start.day, start.time(), start.year, start.year)
