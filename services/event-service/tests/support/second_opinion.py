"""What an independent library makes of wall times and zones, on the same release of the IANA database."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

import whenever

from chassis.core.zones import is_zone
from event_service.domain.local_time import Applied, GapPolicy, OverlapPolicy, Resolved

whenever.reset_tzpath(())

ZONES = tuple(sorted(filter(is_zone, available_timezones())))
"""Every name of the tzdata package, deprecated ones too."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Transition:
    """Clocks go from ``before`` to ``after``, which are wall times of the same instant."""

    zone: str
    before: datetime
    after: datetime

    @property
    def edges(self) -> tuple[datetime, datetime]:
        """The first wall time that is missing or comes twice, and the first that again does not."""
        return min(self.before, self.after), max(self.before, self.after)


def transitions(zone: str, first_year: int, last_year: int) -> Iterator[Transition]:
    """All in those years, whatever they change: offset, name or what counts as summer time."""
    there = whenever.Instant.from_utc(first_year, 1, 1).to_tz(zone)
    while (following := there.next_transition()) is not None and following.year <= last_year:
        there = following
        after = there.to_plain().to_stdlib()
        offset = there.subtract(seconds=1).offset.total("seconds")
        yield Transition(zone, after + timedelta(seconds=offset - there.offset.total("seconds")), after)


def second_opinion(wall: datetime, zone: str) -> dict[tuple[GapPolicy, OverlapPolicy], Resolved | None]:
    """What :func:`event_service.domain.local_time.resolve` should find under each pair of policies."""
    plain = whenever.PlainDateTime(wall.year, wall.month, wall.day, wall.hour, wall.minute, wall.second)
    earlier = plain.assume_tz(zone, disambiguation="earlier")
    later = plain.assume_tz(zone, disambiguation="later")
    first, second = _instant(earlier), _instant(later)
    if first == second:
        once = Resolved(first)
        return dict.fromkeys(_POLICIES, once)
    if later.to_plain() == plain:
        twice = {
            OverlapPolicy.FIRST: Resolved(first, Applied.OVERLAP_FIRST),
            OverlapPolicy.SECOND: Resolved(second, Applied.OVERLAP_SECOND),
        }
        return {(gap, overlap): twice[overlap] for gap, overlap in _POLICIES}
    shifted = Resolved(second, Applied.GAP_SHIFTED)
    return {(gap, overlap): None if gap is GapPolicy.SKIP else shifted for gap, overlap in _POLICIES}


_POLICIES = tuple((gap, overlap) for gap in GapPolicy for overlap in OverlapPolicy)


def _instant(there: whenever.ZonedDateTime) -> datetime:
    return EPOCH + timedelta(seconds=there.timestamp())
