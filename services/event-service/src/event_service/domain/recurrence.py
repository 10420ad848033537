"""Rules that recur, and their occurrences."""

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from event_service.domain.local_time import GapPolicy, LeapDayPolicy, OverlapPolicy, anniversary_date, to_instant

LONGEST_PAUSE_YEARS = 10
"""Between two leap days are at most eight years (1896 to 1904); a skipped gap may cost one more occurrence."""


@dataclass(frozen=True, slots=True)
class Policies:
    """What to do with times and dates that a zone or a year does not have, or has twice."""

    gap: GapPolicy = GapPolicy.SHIFT_FORWARD
    overlap: OverlapPolicy = OverlapPolicy.FIRST
    leap_day: LeapDayPolicy = LeapDayPolicy.BACKWARD


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time of a rule. ``key`` identifies it within its schedule wherever it moves: the local year."""

    key: str
    instant: datetime


@dataclass(frozen=True, slots=True)
class Yearly:
    """Once in each local year, on a month and day, at a wall time in a zone."""

    month: int
    day: int
    local_time: time
    zone: ZoneInfo
    policies: Policies = Policies()

    def occurrence(self, key: str) -> Occurrence | None:
        """That of the local year ``key``; None where the policies leave it out."""
        kept_on = anniversary_date(self.month, self.day, int(key), self.policies.leap_day)
        if kept_on is None:
            return None
        wall = datetime.combine(kept_on, self.local_time)
        instant = to_instant(wall, self.zone, gap=self.policies.gap, overlap=self.policies.overlap)
        return None if instant is None else Occurrence(key, instant)

    def first_from(self, earliest: datetime, *, after: str | None = None) -> Occurrence | None:
        """The first at or after ``earliest``, in a year later than that of the occurrence ``after``."""
        year = earliest.astimezone(self.zone).year - 1  # a shifted or late one may belong to the year before
        if after is not None:
            year = max(year, int(after) + 1)
        for candidate in range(year, year + LONGEST_PAUSE_YEARS):
            found = self.occurrence(str(candidate))
            if found is not None and found.instant >= earliest:
                return found
        return None
