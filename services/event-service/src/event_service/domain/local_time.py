"""Resolves a wall time in a zone to an instant, across gaps and overlaps (docs/architecture.md#local-time)."""

from collections.abc import Iterable
from dataclasses import dataclass
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


class Applied(StrEnum):
    """What a policy did to an occurrence."""

    GAP_SHIFTED = "GAP_SHIFTED"
    OVERLAP_FIRST = "OVERLAP_FIRST"
    OVERLAP_SECOND = "OVERLAP_SECOND"
    LEAP_DAY_BACKWARD = "LEAP_DAY_BACKWARD"
    LEAP_DAY_FORWARD = "LEAP_DAY_FORWARD"
    NEXT_BUSINESS_DAY = "NEXT_BUSINESS_DAY"
    PREVIOUS_BUSINESS_DAY = "PREVIOUS_BUSINESS_DAY"
    SEND_WINDOW = "SEND_WINDOW"
    """It waits for the next opening of its send window."""
    SEND_WINDOW_MISSED = "SEND_WINDOW_MISSED"
    """Its send window does not open inside its grace: it will be MISSED."""
    SPREAD = "SPREAD"


@dataclass(frozen=True, slots=True)
class Resolved:
    """The instant, in UTC, of a wall time. ``applied`` is None where the zone has that time exactly once."""

    instant: datetime
    applied: Applied | None = None


def resolve(
    wall: datetime,
    zone: ZoneInfo,
    *,
    gap: GapPolicy = GapPolicy.SHIFT_FORWARD,
    overlap: OverlapPolicy = OverlapPolicy.FIRST,
) -> Resolved | None:
    """When clocks in ``zone`` show the naive ``wall``; None where that is skipped in a gap."""
    # PEP 495: the two folds of a time differ in a gap, where fold=0 takes the offset before the transition, and in an
    # overlap, where it is the earlier instant.
    before = wall.replace(tzinfo=zone, fold=0)
    after = before.replace(fold=1)
    offset, other = before.utcoffset(), after.utcoffset()
    if offset == other:
        return Resolved(before.astimezone(UTC))
    if offset < other:  # type: ignore[operator]  # a ZoneInfo has an offset for every date
        return None if gap is GapPolicy.SKIP else Resolved(before.astimezone(UTC), Applied.GAP_SHIFTED)
    if overlap is OverlapPolicy.FIRST:
        return Resolved(before.astimezone(UTC), Applied.OVERLAP_FIRST)
    return Resolved(after.astimezone(UTC), Applied.OVERLAP_SECOND)


def to_instant(
    wall: datetime,
    zone: ZoneInfo,
    *,
    gap: GapPolicy = GapPolicy.SHIFT_FORWARD,
    overlap: OverlapPolicy = OverlapPolicy.FIRST,
) -> datetime | None:
    """The instant, in UTC, at which clocks in ``zone`` show the naive ``wall``; None where it is skipped in a gap."""
    resolved = resolve(wall, zone, gap=gap, overlap=overlap)
    return None if resolved is None else resolved.instant


def instants_by_zone(
    wall: datetime,
    zones: Iterable[ZoneInfo],
    *,
    gap: GapPolicy = GapPolicy.SHIFT_FORWARD,
    overlap: OverlapPolicy = OverlapPolicy.FIRST,
) -> dict[str, datetime]:
    """The instant of one wall time in each of ``zones``, by the zone's name; without those that skip it in a gap."""
    found = {zone.key: to_instant(wall, zone, gap=gap, overlap=overlap) for zone in zones}
    return {name: instant for name, instant in found.items() if instant is not None}


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
