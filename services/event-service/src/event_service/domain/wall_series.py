"""The naive wall times of a recurrence rule (RFC 5545), from any point on, with bounded work.

The days of one year that fit a rule are dateutil's to find. What it cannot do is stop: asked for a date that no year
has, it searches to the year 9999. So years, intervals, positions and counts are walked here, from any point on.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby

from dateutil import rrule as dateutil

FIRST_YEAR = 1900
LAST_YEAR = 2199
"""A rule starts within these years, and no search goes beyond them."""

END = datetime.combine(date(LAST_YEAR, 12, 31), time(23, 59, 59))


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


@lru_cache(maxsize=1024)
def days_of(year: int, fitting: DayFilter) -> Sequence[int]:
    """The ordinals of the days of ``year`` that fit, in order."""
    first = date(year, 1, 1)
    chosen = fitting.month_days or fitting.year_days or fitting.week_numbers or fitting.weekdays
    if not chosen and not fitting.months:
        return range(first.toordinal(), date(year, 12, 31).toordinal() + 1)
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
        or (None if chosen else range(7)),
    )
    return tuple(day.toordinal() for day in found)


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

    def fitting_from(self, since: datetime) -> Iterator[datetime]:
        """Those at or after ``since`` that fit the rule's parts: without regard to ``start`` and ``last``, in order."""
        walls = self._hourly_from(since) if self.frequency == "HOURLY" else self._periods_from(since)
        return (wall for wall in walls if wall >= since)

    def walls_from(self, since: datetime) -> Iterator[datetime]:
        """The wall times at or after ``since``, in order."""
        if since <= self.start <= self.last:
            yield self.start
        for wall in self.fitting_from(max(since, self.start)):
            if wall > self.last:
                return
            if wall > self.start:
                yield wall

    def reaches(self, instant: datetime) -> bool:
        """Whether an occurrence at ``instant`` is not after an UNTIL in UTC."""
        return self.until is None or self.until.tzinfo is None or instant <= self.until

    def _periods_from(self, since: datetime) -> Iterator[datetime]:
        period_of = self._period()
        first = period_of(self.start.toordinal())
        times = [time(hour, self.minute, self.second) for hour in self.hours]
        for period, days in groupby(self._days_from(self._period_start(since.date())), key=period_of):
            if (period - first) % self.interval == 0:
                walls = (datetime.combine(date.fromordinal(day), at) for day in days for at in times)
                yield from self._positioned(list(walls)) if self.positions else walls

    def _hourly_from(self, since: datetime) -> Iterator[datetime]:
        first = self.start.toordinal() * 24 + self.start.hour
        for day in self._days_from(since.date()):
            for hour in range((first - day * 24) % self.interval, 24, self.interval):
                if not self.hours or hour in self.hours:
                    yield datetime.combine(date.fromordinal(day), time(hour, self.minute, self.second))

    def _days_from(self, first: date) -> Iterator[int]:
        for year in range(first.year, LAST_YEAR + 1):
            if self.frequency == "YEARLY" and (year - self.start.year) % self.interval:
                continue
            days = days_of(year, self.days)
            if self.frequency == "DAILY" and self.interval > 1:
                days = [day for day in days if (day - self.start.toordinal()) % self.interval == 0]
            yield from days[bisect_left(days, first.toordinal()) :] if year == first.year else days

    def _period(self) -> Callable[[int], int]:
        """What numbers the periods of the frequency, by the ordinal of a day."""
        match self.frequency:
            case "YEARLY":
                return lambda day: date.fromordinal(day).year
            case "MONTHLY":
                return lambda day: date.fromordinal(day).year * 12 + date.fromordinal(day).month
            case "WEEKLY":
                return lambda day: (day - 1 - self.days.week_start) // 7  # the ordinal 1 is a Monday
            case _:
                return lambda day: day

    def _period_start(self, day: date) -> date:
        match self.frequency:
            case "YEARLY":
                return day.replace(month=1, day=1)
            case "MONTHLY":
                return day.replace(day=1)
            case "WEEKLY":
                return day - timedelta(days=(day.weekday() - self.days.week_start) % 7)
            case _:
                return day

    def _positioned(self, walls: list[datetime]) -> list[datetime]:
        size = len(walls)
        chosen = {position - 1 if position > 0 else size + position for position in self.positions}
        return [walls[index] for index in sorted(chosen) if 0 <= index < size]
