"""RRULEs as text (RFC 5545 §3.3.10): read, and refused where they cannot be kept."""

import re
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from itertools import islice

from event_service.domain.errors import InvalidRuleError
from event_service.domain.wall_series import FIRST_YEAR, LAST_YEAR, DayFilter, WallSeries

LONGEST_RULE = 500
"""Characters of an RRULE."""

LONGEST_INTERVAL = 1_000_000

MOST_OCCURRENCES = 10_000
"""Of COUNT: hourly for a year, daily for 27. More is as good as endless, and would have to be counted."""

LARGEST_OFFSET = timedelta(days=1)
"""No zone is further from UTC."""

FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAYS_IN = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_LISTS = {
    "BYMONTH": (1, 12, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
    "BYSECOND": (0, 59, False),
    "BYSETPOS": (1, 366, True),
}
"""The parts that are lists of numbers: from, to, and whether they may count from the end."""

_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST", *_LISTS}

_WITHOUT = {
    "BYMONTHDAY": {"WEEKLY"},
    "BYYEARDAY": {"DAILY", "WEEKLY", "MONTHLY"},
    "BYWEEKNO": {"HOURLY", "DAILY", "WEEKLY", "MONTHLY"},
}
"""Which part makes no sense with which frequencies, as the RFC has it."""

_DAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")
_UNTIL = re.compile(r"[0-9]{8}(T[0-9]{6}Z?)?")


def require_whole_second(wall: datetime, field: str) -> None:
    """Raises InvalidRuleError where ``wall`` is not a naive time to the second, in a year that rules know."""
    if wall.tzinfo is not None:
        raise InvalidRuleError(f"{wall.isoformat()} is not a local time: it has an offset", field)
    if wall.microsecond:
        raise InvalidRuleError(f"{wall.isoformat()} has fractions of a second", field)
    if not FIRST_YEAR <= wall.year <= LAST_YEAR:
        raise InvalidRuleError(f"{wall.isoformat()} is not between the years {FIRST_YEAR} and {LAST_YEAR}", field)


def wall_series(start: datetime, text: str) -> WallSeries:
    """The wall times of the RRULE ``text`` from ``start`` on. Refusals are cached too: a search for nothing is long.

    Raises:
        InvalidRuleError: It is not understood, not supported, comes more than once an hour, or never.
    """
    read = _read(start, text)
    if isinstance(read, WallSeries):
        return read
    raise InvalidRuleError(*read)


@lru_cache(maxsize=4096)
def _read(start: datetime, text: str) -> WallSeries | tuple[str, str]:
    """The series, or the detail and the field of the refusal."""
    try:
        return _series(start, text)
    except InvalidRuleError as error:
        return str(error), error.field


def _series(start: datetime, text: str) -> WallSeries:
    require_whole_second(start, "start")
    parts = _parts_of(text)
    frequency = _frequency(parts)
    numbers = {name: _list_of(name, parts[name]) for name in _LISTS if name in parts}
    week_start = _week_start(parts)
    weekdays = _weekdays(parts, frequency)
    _refuse_combinations(parts, frequency)
    series = WallSeries(
        start=start,
        frequency=frequency,
        interval=_size_of("INTERVAL", parts, LONGEST_INTERVAL) or 1,
        days=_with_defaults(
            DayFilter(
                months=numbers.get("BYMONTH", ()),
                month_days=numbers.get("BYMONTHDAY", ()),
                year_days=numbers.get("BYYEARDAY", ()),
                week_numbers=numbers.get("BYWEEKNO", ()),
                weekdays=weekdays,
                week_start=week_start,
            ),
            frequency,
            start,
        ),
        hours=numbers.get("BYHOUR", () if frequency == "HOURLY" else (start.hour,)),
        minute=_only("BYMINUTE", numbers.get("BYMINUTE", (start.minute,))),
        second=_only("BYSECOND", numbers.get("BYSECOND", (start.second,))),
        positions=numbers.get("BYSETPOS", ()),
        until=_until(parts, start),
    )
    _refuse_positions(series)
    if next(series.fitting_from(start), None) is None:
        raise InvalidRuleError(f"{text}: no date fits all its parts up to the year {LAST_YEAR}", "rrule")
    return replace(series, last=_last(series, parts), once_a_day=series.most_on_a_day() <= 1)


def _parts_of(text: str) -> dict[str, str]:
    if len(text) > LONGEST_RULE:
        raise InvalidRuleError(f"an RRULE has at most {LONGEST_RULE} characters, not {len(text)}", "rrule")
    parts: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise InvalidRuleError(f"{part!r} is not a part like FREQ=WEEKLY", "rrule")
        if name not in _PARTS:
            raise InvalidRuleError(f"{name} is not supported: an RRULE is made of {', '.join(sorted(_PARTS))}", "rrule")
        if name in parts:
            raise InvalidRuleError(f"{name} is given twice", "rrule")
        parts[name] = value
    return parts


def _frequency(parts: dict[str, str]) -> str:
    frequency = parts.get("FREQ")
    if frequency is None:
        raise InvalidRuleError("FREQ is missing", "rrule")
    if frequency in ("MINUTELY", "SECONDLY"):
        raise InvalidRuleError(f"FREQ={frequency}: a rule comes at most once an hour", "rrule")
    if frequency not in FREQUENCIES:
        raise InvalidRuleError(f"FREQ={frequency}: one of {', '.join(FREQUENCIES)}", "rrule")
    return frequency


def _list_of(name: str, text: str) -> tuple[int, ...]:
    low, high, from_end = _LISTS[name]
    values = set()
    for item in text.split(","):
        if not _NUMBER.fullmatch(item):
            raise InvalidRuleError(f"{name}={text}: {item!r} is not a number", "rrule")
        value = int(item)
        if not (low <= value <= high or (from_end and low <= -value <= high)):
            allowed = f"{low} to {high}" + (f" or -{high} to -{low}" if from_end else "")
            raise InvalidRuleError(f"{name}={text}: {value} is not {allowed}", "rrule")
        values.add(value)
    return tuple(sorted(values))


def _size_of(name: str, parts: dict[str, str], most: int) -> int | None:
    text = parts.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= most:
        raise InvalidRuleError(f"{name}={text}: a number from 1 to {most}", "rrule")
    return int(text)


def _only(name: str, values: tuple[int, ...]) -> int:
    if len(values) > 1:
        listed = ",".join(map(str, values))
        raise InvalidRuleError(f"{name}={listed}: a rule comes at most once an hour, so give one", "rrule")
    return values[0]


def _week_start(parts: dict[str, str]) -> int:
    day = parts.get("WKST", "MO")
    if day not in WEEKDAYS:
        raise InvalidRuleError(f"WKST={day}: one of {', '.join(WEEKDAYS)}", "rrule")
    return WEEKDAYS.index(day)


def _weekdays(parts: dict[str, str], frequency: str) -> tuple[tuple[int, int], ...]:
    text = parts.get("BYDAY")
    if text is None:
        return ()
    of_month = frequency == "MONTHLY" or "BYMONTH" in parts
    most = 5 if of_month else 53
    days = set()
    for item in text.split(","):
        if not (found := _DAY.fullmatch(item)):
            raise InvalidRuleError(f"BYDAY={text}: {item!r} is not a weekday like MO or -1FR", "rrule")
        number = int(found[1] or 0)
        if found[1] and not 1 <= abs(number) <= most:
            raise InvalidRuleError(f"BYDAY={text}: {item} counts from 1 to {most}, or from the end", "rrule")
        if number and (frequency not in ("YEARLY", "MONTHLY") or "BYWEEKNO" in parts):
            raise InvalidRuleError(f"BYDAY={text}: {item} is counted in a month or a year only", "rrule")
        days.add((WEEKDAYS.index(found[2]), number))
    counted = {day for day in days if day[1]}
    if counted and len(counted) < len(days):
        # dateutil takes both kinds together as a condition, the RFC as a choice: every Monday is the first, second, …
        plain = {(day, number) for day, _ in days - counted for number in range(1, most + 1)}
        days = counted | plain
    return tuple(sorted(days))


def _refuse_combinations(parts: dict[str, str], frequency: str) -> None:
    for name, frequencies in _WITHOUT.items():
        if name in parts and frequency in frequencies:
            raise InvalidRuleError(f"{name} does not go with FREQ={frequency}", "rrule")
    if "COUNT" in parts and "UNTIL" in parts:
        raise InvalidRuleError("COUNT and UNTIL exclude each other", "rrule")
    if "BYSETPOS" in parts and not any(name.startswith("BY") for name in parts if name != "BYSETPOS"):
        raise InvalidRuleError("BYSETPOS chooses among what another BY part allows: there is none", "rrule")


def _refuse_positions(series: WallSeries) -> None:
    if series.positions and min(map(abs, series.positions)) > (most := series.most_in_period()):
        listed = ",".join(map(str, series.positions))
        raise InvalidRuleError(f"BYSETPOS={listed}: there are at most {most} to choose among", "rrule")


def _with_defaults(days: DayFilter, frequency: str, start: datetime) -> DayFilter:
    """What the rule leaves open is as it is on the day of ``start``."""
    if days.month_days or days.year_days or days.weekdays:
        chosen = days
    elif days.week_numbers or frequency == "WEEKLY":
        chosen = replace(days, weekdays=((start.weekday(), 0),))
    elif frequency == "YEARLY":
        chosen = replace(days, months=days.months or (start.month,), month_days=(start.day,))
    elif frequency == "MONTHLY":
        chosen = replace(days, month_days=(start.day,))
    else:
        chosen = days
    if frequency == "MONTHLY" and not chosen.months:
        chosen = replace(chosen, months=tuple(range(1, 13)))  # so that weekdays are counted in their month
    if chosen.months and chosen.month_days and not _has_month_day(chosen):
        listed = ",".join(map(str, chosen.month_days))
        raise InvalidRuleError(f"BYMONTHDAY={listed}: no month of the rule has such a day", "rrule")
    return chosen


def _has_month_day(days: DayFilter) -> bool:
    return any(abs(day) <= _DAYS_IN[month - 1] for month in days.months for day in days.month_days)


def _until(parts: dict[str, str], start: datetime) -> datetime | None:
    text = parts.get("UNTIL")
    if text is None:
        return None
    until = _moment(text) if _UNTIL.fullmatch(text) else None
    if until is None:
        raise InvalidRuleError(
            f"UNTIL={text}: a local time like 20261231T090000, an instant like 20261231T090000Z, or a date", "rrule"
        )
    if until.year > LAST_YEAR:
        return None
    if "T" not in text:
        until = datetime.combine(until, time(23, 59, 59))
    if _latest_wall(until) < start:
        raise InvalidRuleError(f"UNTIL={text} is before the rule's start", "rrule")
    return until


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _last(series: WallSeries, parts: dict[str, str]) -> datetime:
    if series.until is not None:
        return min(series.last, _latest_wall(series.until))
    if (count := _size_of("COUNT", parts, MOST_OCCURRENCES)) is None:
        return series.last
    return next(islice(series.walls_from(series.start), count - 1, None), series.last)


def _latest_wall(until: datetime) -> datetime:
    return until if until.tzinfo is None else until.astimezone(UTC).replace(tzinfo=None) + LARGEST_OFFSET
