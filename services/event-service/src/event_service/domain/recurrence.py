"""Rules that recur, or come once, and their occurrences (docs/architecture.md#scheduling)."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from heapq import merge
from itertools import groupby
from typing import Protocol
from zoneinfo import ZoneInfo

from event_service.domain.errors import InvalidRuleError
from event_service.domain.local_time import (
    Applied,
    GapPolicy,
    LeapDayPolicy,
    OverlapPolicy,
    Resolved,
    anniversary_date,
    resolve,
)
from event_service.domain.record import record
from event_service.domain.rrule import require_whole_second, wall_series
from event_service.domain.wall_series import WallSeries

LONGEST_PAUSE_YEARS = 10
"""Between two leap days are at most eight years (1896 to 1904); a skipped gap may cost one more occurrence."""

LONGEST_SHIFT = timedelta(days=1, seconds=1)
"""From a wall time to that which clocks show instead: Samoa and Kiribati left out a whole day."""

LEAP_YEAR = 2000

_YEAR = re.compile("[0-9]{4}")

MOST_EXDATES = 1000
MOST_RDATES = 1000


@dataclass(frozen=True, slots=True)
class Policies:
    """What to do with times and dates that a zone or a year does not have, or has twice."""

    gap: GapPolicy = GapPolicy.SHIFT_FORWARD
    overlap: OverlapPolicy = OverlapPolicy.FIRST
    leap_day: LeapDayPolicy = LeapDayPolicy.BACKWARD


@record
class Occurrence:
    """One time of a rule. ``key`` identifies it within its schedule wherever it moves.

    ``wall`` is the naive local time that the rule asks for, and ``policy`` names the policy that changed it to find
    ``instant``: empty where the year has that day, and the zone that time exactly once.

    ``planned`` is when it would be without its send window, None where that is the same. It stands for ``coalesced``
    others, which come to the same instant (:mod:`event_service.domain.adjusted`).
    """

    key: str
    instant: datetime
    wall: datetime
    policy: tuple[Applied, ...] = ()
    planned: datetime | None = None
    coalesced: int = 0


class Rule(Protocol):
    """Times of one schedule. Its keys sort, as text, in the order of its occurrences; instants never run backwards."""

    @property
    def zone(self) -> ZoneInfo: ...

    def occurrence(self, key: str) -> Occurrence | None:
        """That of the key; None where the policies leave it out, or the rule has no such occurrence."""

    def first_from(self, earliest: datetime, *, after: str | None = None) -> Occurrence | None:
        """The first at or after ``earliest`` that is later than the one keyed ``after``; None where the rule has ended.

        The work is bounded, however sparse the rule and however long ago it began.
        """


def upcoming(rule: Rule, earliest: datetime, *, after: str | None = None) -> Iterator[Occurrence]:
    """The occurrences from ``earliest`` on, in order; endless where the rule is."""
    found = rule.first_from(earliest, after=after)
    while found is not None:
        yield found
        found = rule.first_from(earliest, after=found.key)


@record
class Yearly:
    """Once in each local year, on a month and day, at a wall time in a zone. The key is the local year.

    Raises:
        InvalidRuleError: No year has that day.
    """

    month: int
    day: int
    local_time: time
    zone: ZoneInfo
    policies: Policies = Policies()

    def __post_init__(self) -> None:
        try:
            date(LEAP_YEAR, self.month, self.day)
        except ValueError as error:
            raise InvalidRuleError(f"no year has a day {self.day} in month {self.month}", "day") from error

    def occurrence(self, key: str) -> Occurrence | None:
        return self._in_year(int(key)) if _YEAR.fullmatch(key) else None

    def _in_year(self, year: int) -> Occurrence | None:
        kept_on = anniversary_date(self.month, self.day, year, self.policies.leap_day)
        if kept_on is None:
            return None
        wall = datetime.combine(kept_on, self.local_time)
        resolved = resolve(wall, self.zone, gap=self.policies.gap, overlap=self.policies.overlap)
        if resolved is None:
            return None
        if kept_on.day == self.day:
            return _occurrence(str(year), wall, resolved)
        backward = self.policies.leap_day is LeapDayPolicy.BACKWARD
        moved = Applied.LEAP_DAY_BACKWARD if backward else Applied.LEAP_DAY_FORWARD
        return _occurrence(str(year), wall, resolved, moved)

    def first_from(self, earliest: datetime, *, after: str | None = None) -> Occurrence | None:
        # A gap may shift the last days of the year before into this one.
        year = (earliest.astimezone(self.zone) - LONGEST_SHIFT).year
        if after is not None:
            year = max(year, int(after) + 1)
        for candidate in range(year, min(year + LONGEST_PAUSE_YEARS, MAXYEAR)):
            found = self._in_year(candidate)
            if found is not None and found.instant >= earliest:
                return found
        return None


@dataclass(frozen=True, slots=True)
class Once:
    """At one wall time in a zone. The key is that wall time.

    Raises:
        InvalidRuleError: The time has fractions of a second.
    """

    wall: datetime
    zone: ZoneInfo
    policies: Policies = Policies()

    def __post_init__(self) -> None:
        require_whole_second(self.wall, "wall")

    def occurrence(self, key: str) -> Occurrence | None:
        if key != self.wall.isoformat():
            return None
        resolved = resolve(self.wall, self.zone, gap=self.policies.gap, overlap=self.policies.overlap)
        return None if resolved is None else _occurrence(key, self.wall, resolved)

    def first_from(self, earliest: datetime, *, after: str | None = None) -> Occurrence | None:
        found = self.occurrence(self.wall.isoformat())
        if found is None or found.instant < earliest or (after is not None and found.key <= after):
            return None
        return found


@dataclass(frozen=True, slots=True)
class Recurring:
    """By an RRULE (RFC 5545) over local wall times, from ``start`` (DTSTART) on, and at ``rdates``.

    The key is the occurrence's wall time, with its offset where ``offset_keys``: a rule that comes more than once a day
    meets the same wall time again when its user moves to the west. ``start`` is always the first occurrence of the
    RRULE. A time that a gap shifts onto the rule's next one, or beyond it, is left out: at one instant a rule fires
    once. COUNT counts wall times of the RRULE, whatever the zone does with them.

    Raises:
        InvalidRuleError: The rule is not understood, not supported, too dense, or never fires.
    """

    start: datetime
    rrule: str
    exdates: frozenset[datetime]
    zone: ZoneInfo
    policies: Policies = Policies()
    rdates: tuple[datetime, ...] = ()
    offset_keys: bool = False
    series: WallSeries = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "series", wall_series(self.start, self.rrule))
        if len(self.rdates) > MOST_RDATES:
            raise InvalidRuleError(f"at most {MOST_RDATES} additional times, not {len(self.rdates)}", "rdates")
        for each in self.rdates:
            require_whole_second(each, "rdates")
        if len(self.exdates) > MOST_EXDATES:
            raise InvalidRuleError(f"at most {MOST_EXDATES} exceptions, not {len(self.exdates)}", "exdates")
        if self.exdates and next(self._walls_from(self.start), None) is None:
            raise InvalidRuleError("the exceptions leave nothing of the rule", "exdates")

    def occurrence(self, key: str) -> Occurrence | None:
        try:
            wall = datetime.fromisoformat(key)
        except ValueError:
            return None
        naive = wall.replace(tzinfo=None)
        if next(self._walls_from(naive), None) != naive:
            return None
        found = self._resolved(naive)
        if found is None or wall.tzinfo is None:
            return found
        # The same wall time with another offset is another occurrence.
        aware = _occurrence_with_offset(found)
        return aware if aware.key == key else None

    def first_from(self, earliest: datetime, *, after: str | None = None) -> Occurrence | None:
        # A shifted one shows a wall time later than its own, one of an overlap perhaps an earlier one than now's.
        since = earliest.astimezone(self.zone).replace(tzinfo=None) - LONGEST_SHIFT
        if after is not None:
            since = max(since, datetime.fromisoformat(after) + timedelta(seconds=1))
        for wall in self._walls_from(since):
            found = self._resolved(wall)
            if found is None:
                continue
            if found.instant >= earliest:
                return _occurrence_with_offset(found) if self.offset_keys else found
        return None

    def between(self, first: datetime, until: datetime) -> Iterator[Occurrence]:
        """The occurrences from the local time ``first`` on that are not after the instant ``until``."""
        for wall in self._walls_from(first):
            found = self._resolved(wall)
            if found is None:
                continue
            if found.instant > until:
                return
            yield _occurrence_with_offset(found) if self.offset_keys else found

    def matches(self, exdate: datetime) -> bool:
        """Whether an exception leaves out anything of the rule, all other exceptions aside."""
        return next(_all_walls(self.series, self.rdates, exdate), None) == exdate

    def _walls_from(self, since: datetime) -> Iterator[datetime]:
        walls = _all_walls(self.series, self.rdates, since)
        return walls if not self.exdates else (wall for wall in walls if wall not in self.exdates)

    def _resolved(self, wall: datetime) -> Occurrence | None:
        resolved = resolve(wall, self.zone, gap=self.policies.gap, overlap=self.policies.overlap)
        if resolved is None or not (self.series.reaches(resolved.instant) or wall in self.rdates):
            return None
        if resolved.applied is Applied.GAP_SHIFTED:
            shown = resolved.instant.astimezone(self.zone).replace(tzinfo=None)
            following = next(self._walls_from(wall + timedelta(seconds=1)), None)
            if following is not None and following <= shown:
                return None
        return _occurrence(wall.isoformat(), wall, resolved)


def _all_walls(series: WallSeries, rdates: tuple[datetime, ...], since: datetime) -> Iterator[datetime]:
    walls = series.walls_from(since)
    if not rdates:
        return walls
    added = rdates[bisect_left(rdates, since) :]
    return (wall for wall, _ in groupby(merge(walls, added)))


@lru_cache(maxsize=4096)
def once_a_day(start: datetime, rrule: str, rdates: tuple[datetime, ...] = ()) -> bool:
    """Whether no day has two times of the rule, exceptions aside: then a day identifies an occurrence.

    Raises InvalidRuleError.
    """
    series = wall_series(start, rrule)
    if not series.once_a_day or len({each.date() for each in rdates}) < len(rdates):
        return False
    for each in rdates:
        midnight = datetime.combine(each.date(), time.min)
        there = next(series.walls_from(midnight), None)
        if there is not None and there.date() == each.date() and there != each:
            return False
    return True


def instant_of(key: str) -> datetime | None:
    """The instant, in UTC, of a key with an offset; None of any other."""
    if "T" not in key:
        return None
    moment = datetime.fromisoformat(key)
    return None if moment.tzinfo is None else moment.astimezone(UTC)


def with_offset(key: str, zone: ZoneInfo, policies: Policies) -> str:
    """The key of a local time as one with the offset that ``zone`` has then; another stays as it is."""
    if "T" not in key or instant_of(key) is not None:
        return key
    wall = datetime.fromisoformat(key)
    resolved = resolve(wall, zone, overlap=policies.overlap)
    return key if resolved is None else _with_offset(wall, resolved.instant)


def _with_offset(wall: datetime, instant: datetime) -> str:
    # Of a time in a gap too, the offset is the one before it: wall time and offset are the instant.
    return wall.replace(tzinfo=timezone(wall - instant.replace(tzinfo=None))).isoformat()


def _occurrence_with_offset(found: Occurrence) -> Occurrence:
    return Occurrence(_with_offset(found.wall, found.instant), found.instant, found.wall, found.policy)


def _occurrence(key: str, wall: datetime, resolved: Resolved, *leap_day: Applied) -> Occurrence:
    applied = () if resolved.applied is None else (resolved.applied,)
    return Occurrence(key, resolved.instant, wall, (*leap_day, *applied))
