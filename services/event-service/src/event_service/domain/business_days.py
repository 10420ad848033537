"""Business days: what falls on a weekend or a public holiday is kept on another day, or left out.

Which days those are is data of the ``holidays`` package, as the rules of zones are of ``tzdata``: pinned, the same in
every image, and compared when it changes (``application.calendar_changes``).
"""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache

import holidays
from holidays import version

from event_service.domain.errors import InvalidRuleError

RELEASE: str = version.__version__
"""The release of the data, like ``0.85``."""

COMPARED = date(2020, 1, 1), date(2060, 12, 31)
"""The days on which two releases are compared: the same for all, whenever they are."""

FARTHEST_DAYS = 31
"""No country is closed for longer: a search for a working day ends there."""


class Adjust(StrEnum):
    """What happens to a day that is not a working day."""

    NEXT = "next"
    """It is kept on the next working day."""
    PREVIOUS = "previous"
    """It is kept on the working day before."""
    SKIP = "skip"
    """It is left out."""


@dataclass(frozen=True, slots=True)
class BusinessDays:
    """The working days of a country (ISO 3166-1), or of a part of it (ISO 3166-2, as ``holidays`` names it).

    Raises:
        InvalidRuleError: There is no data of that country, or of that part of it.
    """

    country: str
    subdivision: str | None = None
    adjust: Adjust = Adjust.NEXT

    def __post_init__(self) -> None:
        parts = countries().get(self.country)
        if parts is None:
            raise InvalidRuleError(
                f"{self.country!r} is not a country that holidays {RELEASE} knows: two letters, like DE",
                "businessDays.country",
            )
        if self.subdivision is not None and self.subdivision not in parts:
            known = f"one of {', '.join(parts)}" if parts else "it has no parts"
            raise InvalidRuleError(
                f"{self.subdivision!r} is not a part of {self.country} that holidays {RELEASE} knows: {known}",
                "businessDays.subdivision",
            )

    def is_working(self, day: date) -> bool:
        """Whether ``day`` is neither of the weekend nor a public holiday there."""
        return bool(_calendar(self.country, self.subdivision).is_working_day(day))

    def adjusted(self, day: date) -> date | None:
        """Return the day on which ``day`` is kept; None where it is left out."""
        if self.is_working(day):
            return day
        if self.adjust is Adjust.SKIP:
            return None
        step = timedelta(days=1 if self.adjust is Adjust.NEXT else -1)
        for number in range(1, FARTHEST_DAYS + 1):
            if self.is_working(other := day + number * step):
                return other
        return None

    def fingerprint(self, first: date = COMPARED[0], last: date = COMPARED[1]) -> str:
        """Return a digest of the days from ``first`` to ``last`` that are no working days."""
        days = (first + timedelta(days=number) for number in range((last - first).days + 1))
        closed = ",".join(day.isoformat() for day in days if not self.is_working(day))
        return hashlib.sha256(closed.encode()).hexdigest()


def name_of(country: str, subdivision: str | None) -> str:
    """Return the name of a calendar in reports, like ``DE`` or ``DE-BY``."""
    return country if subdivision is None else f"{country}-{subdivision}"


@lru_cache(maxsize=1)
def countries() -> dict[str, tuple[str, ...]]:
    """Return the countries that there is data of, each with its parts."""
    return {name: tuple(parts) for name, parts in holidays.list_supported_countries(include_aliases=False).items()}


@lru_cache(maxsize=512)
def _calendar(country: str, subdivision: str | None) -> holidays.HolidayBase:
    # Years are worked out when they are asked for, a millisecond each, and kept.
    return holidays.country_holidays(country, subdiv=subdivision)
