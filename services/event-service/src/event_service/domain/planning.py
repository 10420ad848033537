"""Which occurrence of a schedule is next."""

from datetime import datetime, timedelta

from event_service.domain.recurrence import Occurrence, Rule
from event_service.domain.schedules import LiveEvent


def next_occurrence(
    rule: Rule, *, now: datetime, grace: timedelta, last: str | None, moving: LiveEvent | None = None
) -> Occurrence | None:
    """The occurrence to schedule now, or None where the rule has none left.

    A new schedule begins at its first instant from now on. Where only the zone or the time of a waiting event changed
    (``moving``), that same occurrence moves, and one whose new time has just passed is kept while inside its grace: it
    fires at once, and never twice, whichever way the user crosses the date line. Later ones that came due while nothing
    ran are made up for as well.
    """
    following = rule.first_from(now, after=last)
    if moving is None:
        return following
    kept = rule.occurrence(moving.occurrence)
    if kept is None or kept.instant + grace <= now:
        # It is left out now, or too late: the schedule goes on, as if that one had ended.
        kept = rule.first_from(now - grace, after=moving.occurrence)
    # A move to the west may open an earlier occurrence: this year's moment, passed in the old zone, is yet to come.
    return min((each for each in (kept, following) if each is not None), key=_instant, default=None)


def _instant(occurrence: Occurrence) -> datetime:
    return occurrence.instant
