"""Spans of time that are counted: minutes, hours and days of UTC, and how a range is put together from them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Grain(StrEnum):
    """How long a span is."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        return _LENGTHS[self]

    def floor(self, at: datetime) -> datetime:
        """The beginning, in UTC, of the span that ``at`` is in."""
        at = at.astimezone(UTC)
        match self:
            case Grain.MINUTE:
                return at.replace(second=0, microsecond=0)
            case Grain.HOUR:
                return at.replace(minute=0, second=0, microsecond=0)
            case Grain.DAY:
                return at.replace(hour=0, minute=0, second=0, microsecond=0)

    def ceil(self, at: datetime) -> datetime:
        """The first beginning of a span at or after ``at``."""
        floor = self.floor(at)
        return floor if floor == at else floor + self.length


_LENGTHS = {Grain.MINUTE: timedelta(minutes=1), Grain.HOUR: timedelta(hours=1), Grain.DAY: timedelta(days=1)}
_FINER = {Grain.DAY: Grain.HOUR, Grain.HOUR: Grain.MINUTE}


@dataclass(frozen=True, slots=True)
class Segment:
    """The spans of one grain that begin in [start, end)."""

    grain: Grain
    start: datetime
    end: datetime


def cover(start: datetime, end: datetime, coarsest: Grain = Grain.DAY) -> list[Segment]:
    """The range in segments that follow one another, as coarse as they can be: a week is six days and two edges.

    Both ends are rounded outwards to whole minutes.
    """
    start, end = Grain.MINUTE.floor(start), Grain.MINUTE.ceil(end)
    return _cover(start, end, coarsest)


def _cover(start: datetime, end: datetime, grain: Grain) -> list[Segment]:
    if start >= end:
        return []
    if grain is Grain.MINUTE:
        return [Segment(grain, start, end)]
    finer, inner_start, inner_end = _FINER[grain], grain.ceil(start), grain.floor(end)
    if inner_start >= inner_end:
        return _cover(start, end, finer)
    middle = Segment(grain, inner_start, inner_end)
    return [*_cover(start, inner_start, finer), middle, *_cover(inner_end, end, finer)]
