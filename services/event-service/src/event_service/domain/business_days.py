"""Business days: what falls on a weekend or a public holiday is kept on another day, or left out."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from event_service.domain.calendars import Calendar

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
    """The working days of a calendar, and what happens to a day that is none.

    A stored one may name a calendar that this release of ``holidays`` does not have (ADR 32): only what a request names
    is checked.
    """

    country: str
    subdivision: str | None = None
    adjust: Adjust = Adjust.NEXT

    @property
    def calendar(self) -> Calendar:
        """Whose working days they are."""
        return Calendar(self.country, self.subdivision)

    def is_working(self, day: date) -> bool:
        """Whether ``day`` is neither of the weekend nor a public holiday there."""
        return self.calendar.is_working(day)

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
