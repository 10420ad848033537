"""From a wall time in a zone to an instant, and what to do where a day has no such time, or two (design §4)."""

from datetime import UTC, date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo


class GapPolicy(StrEnum):
    """A wall time that a clock change leaves out."""

    SHIFT_FORWARD = "shift_forward"
    """By the length of the gap: the offset before it is used (RFC 5545 §3.3.5)."""
    SKIP = "skip"


class OverlapPolicy(StrEnum):
    """A wall time that a clock change brings twice."""

    FIRST = "first"
    SECOND = "second"


class LeapDayPolicy(StrEnum):
    """29 February in a common year, by the names of RFC 7529."""

    BACKWARD = "BACKWARD"
    FORWARD = "FORWARD"
    OMIT = "OMIT"


def to_instant(
    wall: datetime,
    zone: ZoneInfo,
    *,
    gap: GapPolicy = GapPolicy.SHIFT_FORWARD,
    overlap: OverlapPolicy = OverlapPolicy.FIRST,
) -> datetime | None:
    """The instant, in UTC, at which clocks in ``zone`` show the naive ``wall``; None where it is skipped in a gap."""
    # PEP 495: in a gap fold=0 takes the offset before the transition, in an overlap the earlier instant.
    instant = wall.replace(tzinfo=zone, fold=int(overlap is OverlapPolicy.SECOND)).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return instant
    if gap is GapPolicy.SKIP:
        return None
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def anniversary_date(month: int, day: int, year: int, policy: LeapDayPolicy) -> date | None:
    """The date on which (month, day) is kept in ``year``; None where 29 February is omitted."""
    try:
        return date(year, month, day)
    except ValueError:
        if (month, day) != (2, 29):
            raise
    match policy:
        case LeapDayPolicy.BACKWARD:
            return date(year, 2, 28)
        case LeapDayPolicy.FORWARD:
            return date(year, 3, 1)
        case LeapDayPolicy.OMIT:
            return None
