"""The naive wall times of a recurrence rule (RFC 5545), from any point on, with bounded work.

dateutil finds the days of one year that fit a rule. It cannot stop: asked for a date that no year has, it searches to
the year 9999. So years, intervals, positions and counts are walked here, from any point on; a search that finds nothing
takes at most 20 ms.
"""

from bisect import bisect_left
from calendar import isleap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR, date, datetime, time, timedelta
from functools import lru_cache
from itertools import takewhile
from math import gcd
from typing import TypeVar

from dateutil import rrule as dateutil

FIRST_YEAR = 1900
LAST_YEAR = 2199
"""A rule starts within these years, and no search goes beyond them."""

END = datetime.combine(date(LAST_YEAR, 12, 31), time(23, 59, 59))

CHEAPER = 8
"""To look at a day that fits costs an eighth of what it takes to compute one in phase and to look it up."""

T = TypeVar("T")
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class DayFilter:
    """Which days of a year fit; empty means any. A weekday is (0 to 6 from Monday, its number in month or year, or 0).

    Where ``months`` are given, weekdays are counted in each of them.
    """

    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    week_numbers: tuple[int, ...] = ()
    weekdays: tuple[tuple[int, int], ...] = ()
    week_start: int = 0

    @property
    def any_day(self) -> bool:
        """Whether it leaves out no day."""
        return not (self.months or self.chooses_days)

    @property
    def chooses_days(self) -> bool:
        """Whether a part other than months limits the days."""
        return bool(self.month_days or self.year_days or self.week_numbers or self.weekdays)


Shape = tuple[int, bool, bool]
"""All that the days of a year depend on: the weekday of 1 January, and whether this year and the one before are leap
years, since the first days of January may be in the last week of the year before."""


def _shape(year: int) -> Shape:
    return date(year, 1, 1).weekday(), isleap(year), isleap(year - 1)


EXAMPLES: Mapping[Shape, int] = {_shape(year): year for year in range(FIRST_YEAR, LAST_YEAR + 1)}
"""A year of each shape: a search of three centuries asks dateutil only once for each."""


@lru_cache(maxsize=4096)
def _days_in_shape(shape: Shape, fitting: DayFilter) -> tuple[int, ...]:
    """The days that fit in each year of this shape, counted from 1 January as 0."""
    first = date(EXAMPLES[shape], 1, 1)
    found = dateutil.rrule(
        dateutil.YEARLY,
        dtstart=datetime.combine(first, time.min),
        interval=MAXYEAR,  # this year alone
        wkst=fitting.week_start,
        bymonth=fitting.months or None,
        bymonthday=fitting.month_days or None,
        byyearday=fitting.year_days or None,
        byweekno=fitting.week_numbers or None,
        byweekday=[dateutil.weekday(day, number or None) for day, number in fitting.weekdays]
        or (None if fitting.chooses_days else range(7)),
    )
    return tuple(day.toordinal() - first.toordinal() for day in found)


@lru_cache(maxsize=1024)
def days_of(year: int, fitting: DayFilter) -> Sequence[int]:
    """The ordinals of the days of ``year`` that fit, in order."""
    first = date(year, 1, 1).toordinal()
    if fitting.any_day:
        return range(first, first + 365 + isleap(year))
    shape = _shape(year)
    return [first + day for day in _days_in_shape(shape, fitting)]


@dataclass(frozen=True, slots=True)
class WallSeries:
    """What an RRULE and its DTSTART say: wall times in order, of which ``start`` is the first."""

    start: datetime
    frequency: str
    interval: int
    days: DayFilter
    hours: tuple[int, ...]
    minute: int
    second: int
    positions: tuple[int, ...]
    until: datetime | None
    """Inclusive; in UTC where it is aware, else a wall time."""
    last: datetime = END
    """No wall time is later."""
    once_a_day: bool = False
    """No day has two of them."""
    step: int = field(init=False, repr=False, compare=False)
    phases: Mapping[int, Sequence[int]] = field(init=False, repr=False, compare=False)
    """Of DAILY and HOURLY: the hours of a day by its ordinal modulo ``step``; no hours on others."""

    def __post_init__(self) -> None:
        step, phases = self._phases()
        object.__setattr__(self, "step", step)
        object.__setattr__(self, "phases", phases)

    def fitting_from(self, since: datetime) -> Iterator[datetime]:
        """Those at or after ``since`` that fit the rule's parts: without regard to ``start``, in order."""
        walls = self._by_day(since) if self.frequency in ("DAILY", "HOURLY") else self._by_period(since)
        return (wall for wall in walls if wall >= since)

    def walls_from(self, since: datetime) -> Iterator[datetime]:
        """The wall times at or after ``since``, in order."""
        if since <= self.start <= self.last:
            yield self.start
        for wall in self.fitting_from(max(since, self.start + _SECOND)):
            if wall > self.last:
                return
            yield wall

    def reaches(self, instant: datetime) -> bool:
        """Whether an occurrence at ``instant`` is not after an UNTIL in UTC."""
        return self.until is None or self.until.tzinfo is None or instant <= self.until

    def most_on_a_day(self) -> int:
        """How many times a day can have at most; the start's day may have one that does not fit the rule's parts."""
        phases = [len(hours) for hours in self.phases.values()]
        most = max(phases, default=0) if self.frequency in ("DAILY", "HOURLY") else len(self.hours)
        first = self.start.date()
        day = takewhile(lambda wall: wall.date() == first, self.fitting_from(datetime.combine(first, time.min)))
        return max(most, len({self.start, *day}))

    def most_in_period(self) -> int:
        """How many times one year, month, week, day or hour of the rule can have at most, before BYSETPOS."""
        match self.frequency:
            case "YEARLY":
                return max(len(_days_in_shape(shape, self.days)) for shape in EXAMPLES) * len(self.hours)
            case "MONTHLY":
                months = (date.fromordinal(day) for year in EXAMPLES.values() for day in days_of(year, self.days))
                return max(Counter((day.year, day.month) for day in months).values(), default=0) * len(self.hours)
            case "WEEKLY":
                return len(self.days.weekdays) * len(self.hours)
            case "DAILY":
                return len(self.hours)
            case _:
                return 1

    def _phases(self) -> tuple[int, Mapping[int, Sequence[int]]]:
        first_day = self.start.toordinal()
        if self.frequency == "DAILY":
            return self.interval, {first_day % self.interval: self._positioned(self.hours)}
        if self.frequency != "HOURLY":
            return 1, {}
        # An hour h of day d is one of the rule's where 24 d + h is the start plus a multiple of the interval.
        first, common = first_day * 24 + self.start.hour, gcd(24, self.interval)
        step = self.interval // common
        phases: dict[int, list[int]] = {}
        for hour in self.hours or range(24):
            if (first - hour) % common == 0:
                day = (first - hour) // common * pow(24 // common, -1, step) % step
                phases.setdefault(day, []).append(hour)
        return step, phases

    def _by_day(self, since: datetime) -> Iterator[datetime]:
        for day in self._days_in_phase(since.toordinal()):
            midnight = datetime.fromordinal(day)
            for hour in self.phases[day % self.step]:
                yield midnight.replace(hour=hour, minute=self.minute, second=self.second)

    def _days_in_phase(self, first: int) -> Iterator[int]:
        """Walks the rarer of the two: the days that fit, or those in phase. So the search to the end is bounded."""
        phases, step = self.phases, self.step
        end = self.last.toordinal() + 1
        fitting = 366 if self.days.any_day else len(_days_in_shape(_shape(self.start.year), self.days))
        if len(phases) / step * CHEAPER < fitting / 366:
            ordered = sorted(phases)
            for beginning in range(first - first % step, end, step):
                for phase in ordered:
                    if first <= (day := beginning + phase) < end and self._fits(day):
                        yield day
        elif phases:
            for year in range(date.fromordinal(first).year, self.last.year + 1):
                days = days_of(year, self.days)
                yield from (
                    (day for day in days if day >= first and day % step in phases)
                    if step > 1
                    else (days[bisect_left(days, first) :])
                )

    def _fits(self, day: int) -> bool:
        if self.days.any_day:
            return True
        days = days_of(date.fromordinal(day).year, self.days)
        index = bisect_left(days, day)
        return index < len(days) and days[index] == day

    def _by_period(self, since: datetime) -> Iterator[datetime]:
        period = self._period_of(since.toordinal())
        period += (self._period_of(self.start.toordinal()) - period) % self.interval
        end = self._period_of(self.last.toordinal())
        times = [time(hour, self.minute, self.second) for hour in self.hours]
        for each in range(period, end + 1, self.interval):
            days = self._days_between(self._begin(each), self._begin(each + 1))
            walls = [datetime.combine(date.fromordinal(day), at) for day in days for at in times]
            yield from self._positioned(walls)

    @property
    def _in_week_years(self) -> bool:
        return self.frequency == "YEARLY" and bool(self.days.week_numbers)

    def _period_of(self, day: int) -> int:
        """The number of the year, month or week of a day."""
        there = date.fromordinal(day)
        if self.frequency == "WEEKLY":
            return (day - 1 - self.days.week_start) // 7  # the ordinal 1 is a Monday
        if self.frequency == "MONTHLY":
            return there.year * 12 + there.month - 1
        if self._in_week_years:
            return there.year + (day >= self._begin(there.year + 1)) - (day < self._begin(there.year))
        return there.year

    def _begin(self, period: int) -> int:
        """The first day of a period. Weeks are whole: week 1 is the first with four days in its year (RFC 5545)."""
        if self.frequency == "WEEKLY":
            return period * 7 + 1 + self.days.week_start
        if self.frequency == "MONTHLY":
            return date(period // 12, period % 12 + 1, 1).toordinal()
        if not self._in_week_years:
            return date(period, 1, 1).toordinal()
        fourth = date(period, 1, 4)
        return fourth.toordinal() - (fourth.weekday() - self.days.week_start) % 7

    def _days_between(self, begin: int, end: int) -> Iterator[int]:
        for year in range(date.fromordinal(begin).year, date.fromordinal(end - 1).year + 1):
            days = days_of(year, self.days)
            yield from days[bisect_left(days, begin) : bisect_left(days, end)]

    def _positioned(self, among: Sequence[T]) -> Sequence[T]:
        if not self.positions:
            return among
        size = len(among)
        chosen = {position - 1 if position > 0 else size + position for position in self.positions}
        return [among[index] for index in sorted(chosen) if 0 <= index < size]
