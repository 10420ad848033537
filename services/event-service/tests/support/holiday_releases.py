"""Other releases of the holidays package than the one that is installed."""

from datetime import date

import holidays
import pytest

from event_service.adapters import calendar_rules
from event_service.domain import calendars

COUNTRIES = {name: tuple(holidays.list_supported_countries()[name]) for name in ("US", "DE")}


class HolidayReleases:
    """What this process has of the holidays package: the installed one, until ``install`` says otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def install(self, release: str, *more: date, without: str | None = None) -> None:
        """Have a release of the United States and Germany.

        The former have the holidays ``more`` than they do. ``without`` names a country or a part of one (``DE-BY``)
        that the release does not have. Nothing is kept from a release before: this is another process.
        """
        gone, _, part = (without or "").partition("-")
        has = {name: tuple(each for each in parts if (name, each) != (gone, part)) for name, parts in COUNTRIES.items()}
        if gone and not part:
            del has[gone]

        def calendar(country: str, subdivision: str | None) -> holidays.HolidayBase:
            if country not in has or (subdivision is not None and subdivision not in has[country]):
                raise NotImplementedError(f"{country} {subdivision}")
            found = holidays.country_holidays(country, subdiv=subdivision)
            for day in more if country == "US" else ():
                found[day] = "New"
            return found

        self._monkeypatch.setattr(calendars, "_calendar", calendar)
        self._monkeypatch.setattr(calendars, "countries", lambda: has)
        self._monkeypatch.setattr(calendars, "RELEASE", release)
        self._forget()

    def restore(self) -> None:
        """Have the installed release again."""
        self._monkeypatch.undo()
        self._forget()

    @staticmethod
    def _forget() -> None:
        calendars._kept_years.cache_clear()
        calendars._kept.clear()
        calendar_rules._without_days.clear()
