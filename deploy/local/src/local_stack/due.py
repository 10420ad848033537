"""Which users are due something on a local date, and when: computed from the CSV alone, by nothing of the services.

The default policies: 29 February is kept on 28 February in common years; a wall time in a gap moves forward
by the gap (RFC 5545: the offset before it); of an overlap the first instant counts.
"""

from calendar import isleap
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, reset_tzpath

# The rules of the tzdata package, whatever the machine has: the services go by them too.
reset_tzpath(to=())
_DEFAULT_DELIVERY_TIME = "09:00"


def due_instant(user: Mapping[str, str], day: date) -> datetime | None:
    """The instant (UTC) at which the user is to be greeted on local date `day`; None if the birthday is not then.

    `user` has the fields of the CSV; they are valid, for the user API accepted them.
    """
    born = date.fromisoformat(user["dateOfBirth"])
    at = time.fromisoformat(user.get("deliveryTime") or _DEFAULT_DELIVERY_TIME)
    zone = ZoneInfo(user["timezone"])
    # A zone that skips a wall time, or a whole day, moves the greeting on, possibly into `day` from the day before.
    for wall_date in (day - timedelta(days=1), day):
        if _birthday(born, wall_date.year) == wall_date and wall_date >= born:
            instant = datetime.combine(wall_date, at, zone).astimezone(UTC)
            if instant.astimezone(zone).date() == day:
                return instant
    return None


def broadcast_instant(user: Mapping[str, str], day: date, at: time) -> datetime:
    """The instant (UTC) of a local time on local date `day` where the user lives."""
    return datetime.combine(day, at, ZoneInfo(user["timezone"])).astimezone(UTC)


def _birthday(born: date, year: int) -> date:
    if (born.month, born.day) == (2, 29) and not isleap(year):
        return date(year, 2, 28)
    return born.replace(year=year)
