"""Numbers and times as an operator reads them."""

from datetime import UTC, datetime, timedelta

NONE = "–"
"""Where there is nothing to show."""

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def count(value: float | None) -> str:
    """``12,345``; with a unit from ten million on: ``12.3 M``."""
    if value is None:
        return NONE
    if abs(value) >= 10_000_000:
        return f"{value / 1_000_000:,.1f} M"
    return f"{value:,.0f}"


def rate(value: float | None) -> str:
    """Something per second: more digits the slower it is."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 or value == 0 else f"{value:.2f}"


def share(value: float | None) -> str:
    """A part of 1 as percent: ``99.95 %``; a share just below 100% is never shown as 100%."""
    if value is None:
        return NONE
    if value in (0, 1):
        return f"{value:.0%}".replace("%", " %")
    shown = min(max(value * 100, 0.01), 99.99)
    return f"{shown:.2f} %"


def duration(seconds: float | None) -> str:
    """``85 ms``, ``4.2 s``, ``3 min 20 s``, ``5 h 10 min``, ``3 d 4 h``."""
    if seconds is None:
        return NONE
    sign, size = ("−" if seconds < 0 else ""), abs(seconds)
    if size < 0.9995:
        return f"{sign}{size * 1000:.0f} ms"
    if size < 9.95:
        return f"{sign}{size:.1f} s".replace(".0 ", " ")
    whole = round(size)
    if whole < _MINUTE:
        return f"{sign}{whole} s"
    if whole < _HOUR:
        return sign + _two(whole, _MINUTE, "min", 1, "s")
    if whole < _DAY:
        return sign + _two(whole, _HOUR, "h", _MINUTE, "min")
    return sign + _two(whole, _DAY, "d", _HOUR, "h")


def _two(whole: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    first, rest = divmod(whole, large)
    second = rest // small
    return f"{first} {large_unit} {second} {small_unit}" if second else f"{first} {large_unit}"


def moment(at: datetime | None, now: datetime | None = None) -> str:
    """In UTC: ``14:03:22``, and with its day where that is not today."""
    if at is None:
        return NONE
    at = at.astimezone(UTC)
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    return f"{at:%H:%M:%S}" if at.date() == today else f"{at:%Y-%m-%d %H:%M:%S}"


def local_moment(at: datetime | None) -> str:
    """By its own clock: ``2026-11-23 09:00 −05:00``."""
    if at is None:
        return NONE
    offset = at.utcoffset() or timedelta()
    minutes = round(offset.total_seconds() / 60)
    sign = "−" if minutes < 0 else "+"
    return f"{at:%Y-%m-%d %H:%M} {sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def offset(at: datetime) -> str:
    """From UTC, of a time with a zone: ``UTC−5``, ``UTC+5:45``."""
    minutes = round((at.utcoffset() or timedelta()).total_seconds() / 60)
    sign = "−" if minutes < 0 else "+"
    return f"UTC{sign}{abs(minutes) // 60}" + (f":{abs(minutes) % 60:02d}" if minutes % 60 else "")


def day_and_hour(at: datetime) -> str:
    """``Mon 23 Nov 14:00``, in UTC."""
    return f"{at.astimezone(UTC):%a %d %b %H:%M}"


def of_many(number: int, noun: str) -> str:
    """``1 endpoint``, ``2 endpoints``."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def word(name: str) -> str:
    """A name of the contracts as a word: ``no_endpoint`` → ``No endpoint``."""
    return name.replace("_", " ").replace("-", " ").capitalize()
