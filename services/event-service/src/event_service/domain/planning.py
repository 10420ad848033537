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
    fires at once, and never twice, whichever way the user crosses the date line.
    """
    following = rule.first_from(now, after=last)
    moved = rule.occurrence(moving.occurrence) if moving is not None else None
    if moved is None or moved.instant + grace <= now:
        return following
    # A move to the west may open an earlier occurrence: this year's moment, passed in the old zone, is yet to come.
    return moved if following is None or moved.instant <= following.instant else following
