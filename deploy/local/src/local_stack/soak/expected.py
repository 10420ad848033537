"""Which instants a series is to be delivered at: computed from what was asked alone, by no code of the services.

Series keep their local time in the user's zone. Whatever changes a series, changes it at an instant at which all that
was due has been delivered; so what is left to compute is what comes after that instant.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, reset_tzpath

# The rules of the tzdata package, whatever the machine has: the services go by them too.
reset_tzpath(to=())
_DAY = timedelta(days=1)
_QUARTER = timedelta(minutes=15)


class Kind(StrEnum):
    HOURLY = "HOURLY"
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    YEARLY = "YEARLY"


@dataclass
class Series:
    """A series as it was asked for. ``start`` is its first day, and of a weekly one its weekday.

    ``expected`` are the instants at which it is to be delivered, filled as time goes on. ``last`` is the day that has
    passed: fired, cancelled, or given a time of its own; of an hourly one ``passed`` is the instant.
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

    def days_after(self, day: date) -> Iterator[date]:
        """The days of the rule after ``day``, without excluded ones. An hourly series has none."""
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
        return datetime.combine(day, self.at, ZoneInfo(self.zone)).astimezone(UTC)

    def coming(self, now: datetime) -> tuple[date | None, datetime | None]:
        """What comes next: its day (None of an hourly series) and its instant (None where the series has ended)."""
        if self.kind is Kind.HOURLY:
            found = next(self._hours(now), None)
            return None, found
        for day in self.days_after(self.last or self._day(now) - 2 * _DAY):
            if self.instant(day) > now:
                return day, self._before_end(self.instant(day))
        raise AssertionError("a rule without end has ended")

    def run(self, since: datetime, until: datetime) -> None:
        """Let time pass. What comes due goes to ``expected``."""
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
        for day in self.days_after(self.last or self._day(since) - 2 * _DAY):
            instant = self.instant(day)
            if instant > until:
                break
            if instant > since and self._before_end(instant):
                self.expected.append(instant)
                self.last = day

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
        """What was to come has passed by a change: it is delivered late, and what comes right behind it as well."""
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
        """The next one comes at another time; the series goes on as it was."""
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
