"""Which instants a series is to be delivered at: computed from the requests alone, by no code of the services.

Series keep their local time in the user's zone. Whatever changes a series, changes it at an instant at which all that
was due has been delivered; so only the events after that instant remain to compute.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from itertools import groupby
from uuid import UUID
from zoneinfo import ZoneInfo, reset_tzpath

import holidays

# The rules of the tzdata package, whatever the machine has: the services go by them too.
reset_tzpath(to=())
_DAY = timedelta(days=1)
_QUARTER = timedelta(minutes=15)
_EARLIER = timedelta(days=20)
"""A day that lies so long ago is kept on no working day that is to come."""


@cache
def _holidays(country: str) -> holidays.HolidayBase:
    return holidays.country_holidays(country)


@dataclass(frozen=True)
class WorkingDays:
    """A series keeps to the working days of a country with a weekend of Saturday and Sunday."""

    country: str
    adjust: str
    """``next``, ``previous`` or ``skip``."""

    def kept_on(self, day: date) -> date | None:
        """The day on which ``day`` is kept, None where it is left out."""
        while day.weekday() >= 5 or day in _holidays(self.country):
            if self.adjust == "skip":
                return None
            day += _DAY if self.adjust == "next" else -_DAY
        return day


@dataclass(frozen=True)
class Window:
    """Every day from one full hour to before another in the user's zone, over midnight where ``until`` is less."""

    zone: str
    start: int
    until: int

    def is_open(self, instant: datetime) -> bool:
        """Whether clocks there show a time inside it."""
        hour = instant.astimezone(ZoneInfo(self.zone)).hour
        return (hour - self.start) % 24 < (self.until - self.start) % 24

    def opening(self, instant: datetime) -> datetime:
        """``instant`` where it is open, else the next quarter of an hour at which it is."""
        if self.is_open(instant):
            return instant
        instant = instant.replace(minute=instant.minute // 15 * 15, second=0, microsecond=0)
        while not self.is_open(instant):
            instant += _QUARTER
        return instant


def spread_offset(schedule: str, seconds: int) -> timedelta:
    """How long after its time a schedule is due: the share of the spread that the SHA-256 of its id gives it."""
    share = int(hashlib.sha256(UUID(schedule).bytes).hexdigest()[:8], 16)
    return timedelta(seconds=share * seconds // 2**32)


class Kind(StrEnum):
    HOURLY = "HOURLY"
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    YEARLY = "YEARLY"


@dataclass
class Series:
    """A series as it was asked for. ``start`` is its first day, and of a weekly one its weekday.

    ``expected`` are the instants at which it is to be delivered, filled as time passes. ``last`` is the day that has
    passed: fired, cancelled, or given a time of its own; of an hourly one ``passed`` is the instant. A ``window``
    leaves those instants as they are: it gives the instants of their deliveries (:meth:`received`).
    """

    name: str
    kind: Kind
    zone: str
    start: date
    at: time
    ends: datetime | None = None
    expected: list[datetime] = field(default_factory=list)
    moved: list[datetime] = field(default_factory=list)
    excluded: set[date] = field(default_factory=set)
    last: date | None = None
    passed: datetime | None = None
    paused: bool = False
    working: WorkingDays | None = None
    window: Window | None = None
    offset: timedelta = timedelta()

    def days_after(self, day: date) -> Iterator[date]:
        """The days of the rule after ``day`` that are kept, without excluded ones. An hourly series has none.

        Of several that are kept on one working day the last stands for all.
        """
        if self.working is None:
            yield from self._days_of_rule(day)
            return
        kept = (each for each in self._days_of_rule(day) if self.working.kept_on(each) is not None)
        for _, days in groupby(kept, self.working.kept_on):
            *_, last = days
            yield last

    def _days_of_rule(self, day: date) -> Iterator[date]:
        day = max(day, self.start - _DAY)
        while True:
            day += _DAY
            fits = (
                self.kind is Kind.DAILY
                or (self.kind is Kind.WEEKLY and (day - self.start).days % 7 == 0)
                or (self.kind is Kind.YEARLY and (day.month, day.day) == (self.start.month, self.start.day))
            )
            if fits and day not in self.excluded:
                yield day

    def instant(self, day: date) -> datetime:
        """The series on a day. In a gap the offset before it counts, of an overlap the first time."""
        kept = None if self.working is None else self.working.kept_on(day)
        return datetime.combine(kept or day, self.at, ZoneInfo(self.zone)).astimezone(UTC) + self.offset

    def coming(self, now: datetime) -> tuple[date | None, datetime | None]:
        """What comes next: its day (None of an hourly series) and its instant (None where the series has ended)."""
        if self.kind is Kind.HOURLY:
            found = next(self._hours(now), None)
            return None, found
        for day in self.days_after(self.last or self._day(now) - _EARLIER):
            if self.instant(day) > now:
                return day, self._before_end(self.instant(day))
        raise AssertionError("a rule without end has ended")

    def run(self, since: datetime, until: datetime) -> None:
        """Let time pass. Due occurrences go to ``expected``."""
        for instant in [each for each in self.moved if each <= until]:
            self.moved.remove(instant)
            self.expected.append(instant)
        if self.paused:
            return
        if self.kind is Kind.HOURLY:
            for instant in self._hours(max(since, self.passed or since)):
                if instant > until:
                    break
                self.expected.append(instant)
                self.passed = instant
            return
        for day in self.days_after(self.last or self._day(since) - _EARLIER):
            instant = self.instant(day)
            if instant > until:
                break
            if instant > since and self._before_end(instant):
                self.expected.append(instant)
                self.last = day

    def received(self, targets: list[datetime]) -> list[datetime]:
        """Return for the instants at which events came those at which they were to come, as far as they are right.

        Without a window they are the same. With one an event may have waited, for as long as it took to be fired inside
        the window: each stands for the earliest that is expected and not taken yet. One outside stays as it is.
        """
        if self.window is None:
            return targets
        left, found = sorted(self.expected), []
        for target in sorted(targets):
            if left and self.window.is_open(target) and self.window.opening(left[0]) <= target:
                found.append(left.pop(0))
            else:
                found.append(target)
        return found

    def change(self, now: datetime, *, zone: str | None = None, at: time | None = None) -> None:
        """Another zone or time of day. The day that comes next stays what comes next, late where that has passed."""
        day, _ = (None, None) if self.paused else self.coming(now)
        self.zone, self.at = zone or self.zone, at or self.at
        if day is None:
            return
        following, _ = self.coming(now)
        if self.instant(day) <= now and not (following is not None and following < day):
            self._late(day, now)

    def _late(self, day: date, now: datetime) -> None:
        """A coming occurrence has passed by a change: it is delivered late, and what comes right behind it as well."""
        for each in self.days_after(day - _DAY):
            if self.instant(each) > now:
                return
            if self._before_end(self.instant(each)):
                self.expected.append(self.instant(each))
            self.last = each

    def skip(self, now: datetime) -> None:
        """The next one is cancelled, or is given a time of its own."""
        day, instant = self.coming(now)
        self.last, self.passed = day or self.last, instant

    def move(self, now: datetime, to: datetime) -> None:
        """The next one comes at another time; the series continues as it was."""
        self.skip(now)
        self.moved.append(to)

    def _before_end(self, instant: datetime) -> datetime | None:
        return instant if self.ends is None or instant <= self.ends else None

    def _day(self, now: datetime) -> date:
        return now.astimezone(ZoneInfo(self.zone)).date()

    def _hours(self, after: datetime) -> Iterator[datetime]:
        """Each time that clocks show the minute; an hour that comes twice counts once."""
        zone = ZoneInfo(self.zone)
        after = max(
            after, self.passed or after, datetime.combine(self.start, time.min, zone).astimezone(UTC) - _QUARTER
        )
        # The offsets of all zones today are multiples of a quarter of an hour.
        instant = after.replace(minute=self.at.minute % 15, second=0, microsecond=0)
        while self.ends is None or instant <= self.ends:
            there = instant.astimezone(zone)
            if instant > after and there.minute == self.at.minute and there.fold == 0:
                yield instant
            instant += _QUARTER
