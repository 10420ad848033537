"""Calendars of working days: of the ``holidays`` package, or as last known where a release of it drops one.

Which days are closed is data of that package, as the rules of zones are of ``tzdata``: pinned, the same in every image,
and compared when it changes (``application.calendar_changes``).
"""

import hashlib
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

import holidays
from holidays import version

from event_service.domain.errors import InvalidRuleError

RELEASE: str = version.__version__
"""The release of the data, like ``0.85``."""

FIRST_DAY, LAST_DAY = date(2020, 1, 1), date(2060, 12, 31)
"""The days of which two releases are compared, and which are kept: the same for all, whenever they are."""

SATURDAY = 5


class Calendar(NamedTuple):
    """The working days of a country (ISO 3166-1), or of a part of it (ISO 3166-2, as ``holidays`` names it)."""

    country: str
    subdivision: str | None = None

    @property
    def name(self) -> str:
        """The calendar in reports, like ``DE`` or ``DE-BY``."""
        return self.country if self.subdivision is None else f"{self.country}-{self.subdivision}"

    @property
    def is_supported(self) -> bool:
        """Whether this release of ``holidays`` has it."""
        parts = countries().get(self.country)
        return parts is not None and (self.subdivision is None or self.subdivision in parts)

    @property
    def is_known(self) -> bool:
        """Whether there is data of it: of this release, or kept of an earlier one."""
        return self.is_supported or self in _kept

    def check(self) -> None:
        """Refuse a calendar that this release does not have, even where its last known days are used.

        Raises:
            InvalidRuleError: There is no data of that country, or of that part of it.
        """
        parts = countries().get(self.country)
        if parts is None:
            raise InvalidRuleError(
                f"{self.country!r} is not a country that holidays {RELEASE} knows: two letters, like DE",
                "businessDays.country",
            )
        if not self.is_supported:
            known = f"one of {', '.join(parts)}" if parts else "it has no parts"
            raise InvalidRuleError(
                f"{self.subdivision!r} is not a part of {self.country} that holidays {RELEASE} knows: {known}",
                "businessDays.subdivision",
            )

    def is_working(self, day: date) -> bool:
        """Whether ``day`` is neither of the weekend nor a public holiday there.

        A calendar of which nothing is known is closed on Saturdays and Sundays.
        """
        if self.is_supported:
            return bool(_kept_years(self.country, self.subdivision).is_working_day(day))
        kept = _kept.get(self)
        return day.weekday() < SATURDAY if kept is None else kept.is_working(day)

    def days(self) -> "Days":
        """Return its days from 2020 to 2060 in this release, which has it. That takes a moment."""
        # One of its own: this may be done in a thread, beside an event loop that asks the other.
        days = _calendar(self.country, self.subdivision)
        number = (LAST_DAY - FIRST_DAY).days + 1
        bits = "".join("01"[not days.is_working_day(FIRST_DAY + timedelta(days=each))] for each in range(number))
        padded = bits + "0" * (-number % 8)
        return Days(int(padded, 2).to_bytes(len(padded) // 8, "big"))


class Days:
    """The days of a calendar from 2020 to 2060: a bit for each, the first the highest, set where it is closed."""

    def __init__(self, closed: bytes) -> None:
        self.closed = closed
        # Before and after, only the weekend is known.
        self._weekend = {
            weekday
            for weekday in range(7)
            if all(self._is_closed(day) for day in _last_year() if day.weekday() == weekday)
        }

    def is_working(self, day: date) -> bool:
        """Whether ``day`` is no closed day; outside of these years, whether it is not of the weekend."""
        if FIRST_DAY <= day <= LAST_DAY:
            return not self._is_closed(day)
        return day.weekday() not in self._weekend

    def _is_closed(self, day: date) -> bool:
        byte, bit = divmod((day - FIRST_DAY).days, 8)
        return bool(self.closed[byte] >> (7 - bit) & 1)

    def fingerprint(self) -> str:
        """Return a digest of the closed days: the same for two releases where those are."""
        every = (FIRST_DAY + timedelta(days=each) for each in range((LAST_DAY - FIRST_DAY).days + 1))
        closed = ",".join(day.isoformat() for day in every if self._is_closed(day))
        return hashlib.sha256(closed.encode()).hexdigest()


def _last_year() -> Iterator[date]:
    return (LAST_DAY - timedelta(days=each) for each in range(365))


_kept: dict[Calendar, Days] = {}
"""The last known days of calendars that this release of ``holidays`` does not have."""


def keep(calendar: Calendar, closed: bytes) -> None:
    """Go on with a calendar that this release does not have, by the days that an earlier one had for it."""
    _kept[calendar] = Days(closed)


@lru_cache(maxsize=1)
def countries() -> dict[str, tuple[str, ...]]:
    """Return the countries that there is data of, each with its parts."""
    return {name: tuple(parts) for name, parts in holidays.list_supported_countries(include_aliases=False).items()}


@lru_cache(maxsize=512)
def _kept_years(country: str, subdivision: str | None) -> holidays.HolidayBase:
    # Years are worked out when they are asked for, a millisecond each, and kept.
    return _calendar(country, subdivision)


def _calendar(country: str, subdivision: str | None) -> holidays.HolidayBase:
    return holidays.country_holidays(country, subdiv=subdivision)
