"""Sample users: forty zones, plenty of birthdays on one day, the same every time."""

from datetime import date, datetime, timedelta
from itertools import cycle, islice
from zoneinfo import ZoneInfo

# From one date line to the other, with half and quarter hours, both hemispheres' summer times and an old name.
ZONES = (
    "Pacific/Kiritimati", "Pacific/Tongatapu", "Pacific/Apia", "Pacific/Chatham", "Pacific/Auckland",
    "Pacific/Norfolk", "Australia/Lord_Howe", "Australia/Sydney", "Australia/Adelaide", "Asia/Tokyo",
    "Asia/Pyongyang", "Asia/Shanghai", "Australia/Eucla", "Asia/Bangkok", "Asia/Yangon",
    "Asia/Dhaka", "Asia/Kathmandu", "Asia/Calcutta", "Asia/Karachi", "Asia/Kabul",
    "Asia/Dubai", "Asia/Tehran", "Europe/Istanbul", "Africa/Cairo", "Europe/Berlin",
    "Africa/Casablanca", "Europe/London", "Atlantic/Reykjavik", "Atlantic/Azores", "America/Sao_Paulo",
    "America/St_Johns", "America/Asuncion", "America/New_York", "America/Mexico_City", "America/Denver",
    "US/Pacific", "America/Anchorage", "Pacific/Marquesas", "Pacific/Honolulu", "Pacific/Pago_Pago",
)  # fmt: skip
_FIRST = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Frances", "Kurt", "Emmy", "Srinivasa", "Zoë")
_LAST = (
    "Lovelace",
    "Hopper",
    "Turing",
    "Dijkstra",
    "Liskov",
    "Knuth",
    "Allen",
    "Gödel",
    "Noether",
    "Ramanujan",
    "O’Hara",
)
_TIMES = (None, "00:00", "07:30", None, "12:15", "18:45", "23:59")
# Three of five on the day itself; the others beside it, where a mistake with zones would show, and far away.
_SHIFTS = (0, 0, -1, 0, 1, 0, 0, 180, 0, -90)
_LEAP_YEARS = (1960, 1972, 1984, 1996, 2008)


def sample_users(day: date, count: int = 200) -> list[dict[str, str]]:
    """`count` users with the fields of the CSV, most with their birthday on `day`, every zone in turn."""
    users = []
    shifts = cycle(_SHIFTS)
    for number, zone in enumerate(islice(cycle(ZONES), count)):
        birthday = day + timedelta(days=next(shifts))
        user = {
            "firstName": _FIRST[number % len(_FIRST)],
            "lastName": _LAST[number // len(_FIRST) % len(_LAST)],
            "dateOfBirth": birthday.replace(year=_LEAP_YEARS[number % len(_LEAP_YEARS)]).isoformat(),
            "timezone": zone,
        }
        delivery_time = _TIMES[number // len(ZONES) % len(_TIMES)]
        users.append(user | ({"deliveryTime": delivery_time} if delivery_time else {}))
    return users


def users_due_soon(now: datetime, count: int) -> list[dict[str, str]]:
    """Users who are to be greeted from 5 s after `now` (timezone-aware), one every 3 s, each in another zone."""
    users = []
    for number in range(count):
        zone = ZONES[(number * 7) % len(ZONES)]
        local = (now + timedelta(seconds=5 + 3 * number)).astimezone(ZoneInfo(zone))
        users.append(
            {
                "firstName": _FIRST[(number + now.minute) % len(_FIRST)],
                "lastName": _LAST[(number + now.hour) % len(_LAST)],
                "dateOfBirth": local.date().replace(year=_LEAP_YEARS[number % len(_LEAP_YEARS)]).isoformat(),
                "timezone": zone,
                "deliveryTime": local.strftime("%H:%M:%S"),
            }
        )
    return users
