"""The dates under which the suite must pass, as shifts of today's clock."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

# So long before a moment the run starts, so that its first tests see the clock pass it.
_LEAD = timedelta(seconds=30)


def shift(name: str, now: datetime) -> timedelta:
    """Return how far the clock must be shifted to start at a date.

    ``name`` is one of `NAMED`, or ``+N`` days. Raises ValueError that names the choices.
    """
    if name in NAMED:
        return NAMED[name](now) - now
    if name.startswith("+") and name.endswith("d") and name[1:-1].isdecimal():
        return timedelta(days=int(name[1:-1]))
    raise ValueError(f"date {name!r} must be +<days>d or one of {', '.join(NAMED)}")


def _next(month: int, day: int, hour: int = 12) -> Callable[[datetime], datetime]:
    """The next time that a calendar day at an hour of UTC begins; 29 February only where there is one."""

    def find(now: datetime) -> datetime:
        for year in range(now.year, now.year + 9):  # at most eight years lie between two leap days
            try:
                found = datetime(year, month, day, hour, tzinfo=UTC)
            except ValueError:
                continue
            if found > now:
                return found
        raise AssertionError("unreachable: a leap day comes every eight years")

    return find


def _new_year(now: datetime) -> datetime:
    eve = datetime(now.year + 1, 1, 1, tzinfo=UTC) - _LEAD
    return eve if eve > now else datetime(now.year + 2, 1, 1, tzinfo=UTC) - _LEAD


def _clock_change(zone_name: str, *, forward: bool) -> Callable[[datetime], datetime]:
    """Shortly before the next hour of UTC at which a zone's clocks go forward or back."""
    zone = ZoneInfo(zone_name)

    def offset(instant: datetime) -> timedelta:
        return instant.astimezone(zone).utcoffset() or timedelta()

    def find(now: datetime) -> datetime:
        hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        for _ in range(366 * 24):
            gain = offset(hour) - offset(hour - timedelta(hours=1))
            if gain and (gain > timedelta()) is forward and hour - _LEAD > now:
                return hour - _LEAD
            hour += timedelta(hours=1)
        raise ValueError(f"{zone_name} does not change its clocks within a year")

    return find


NAMED: Mapping[str, Callable[[datetime], datetime]] = {
    "28-february": _next(2, 28),
    "29-february": _next(2, 29),
    "new-year": _new_year,
    "europe-forward": _clock_change("Europe/Berlin", forward=True),
    "europe-back": _clock_change("Europe/Berlin", forward=False),
    "america-forward": _clock_change("America/New_York", forward=True),
    "america-back": _clock_change("America/New_York", forward=False),
}
EVERY = ("+30d", "+400d", *NAMED)
