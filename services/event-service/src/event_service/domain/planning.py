"""Which occurrence of a schedule is next."""

from datetime import datetime, timedelta

from event_service.domain.recurrence import Occurrence, Rule
from event_service.domain.schedules import LiveEvent


def next_occurrence(
    rule: Rule,
    *,
    now: datetime,
    grace: timedelta,
    last: str | None,
    moving: LiveEvent | None = None,
    floor: datetime | None = None,
) -> Occurrence | None:
    """The occurrence to schedule now, or None where the rule has none left.

    A new schedule begins at its first instant from now on. Where only the zone or the time of a waiting event changed
    (``moving``), that same occurrence moves, and one whose new time has just passed is kept while inside its grace: it
    fires at once, and never twice, whichever way the user crosses the date line. One that is past its grace moves too:
    it is MISSED, with a record. Where the policies leave it out, the next one takes its place, also a late one, but
    none before ``floor``.
    """
    following = rule.first_from(now, after=last)
    if moving is None:
        return following
    kept = rule.occurrence(moving.occurrence)
    if kept is None:
        kept = rule.first_from(now - grace if floor is None else max(now - grace, floor), after=moving.occurrence)
    # A move to the west may open an earlier occurrence: this year's moment, passed in the old zone, is yet to come.
    return min((each for each in (kept, following) if each is not None), key=_instant, default=None)


def _instant(occurrence: Occurrence) -> datetime:
    return occurrence.instant
