"""The figures of the page *Ahead*."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from console import formats
from console.markup import Content
from console.views.capacity import Capacity
from contracts.http.events import Forecast, HourForecast
from contracts.vocabulary import Priority

BUSIEST = 8
COMFORTABLE = 2.0
"""The multiple of the busiest hour that counts as enough capacity."""
AMPLE = 100.0
"""The multiple from which the exact number is not shown."""


@dataclass(frozen=True)
class Outlook:
    """The week in a few figures: each a value, a note and a tone."""

    day: tuple[str, str, str]
    week: tuple[str, str, str]
    peak: tuple[str, str, str]
    ceiling: tuple[str, str, str]
    fastest: tuple[str, str, str]


def outlook(forecast: Forecast, able: Capacity) -> Outlook:
    """The tiles at the top."""
    end = forecast.since + timedelta(hours=24)
    day = sum(each.total for each in forecast.hours if each.hour < end)
    overdue = sum(forecast.overdue.values())
    peak = busiest_hours(forecast, 1)
    peak_tile = ("0", "nothing is due", "plain")
    if peak:
        peak_tile = (formats.count(peak[0].total), f"an hour, {formats.day_and_hour(peak[0].hour)}", "plain")
    return Outlook(
        day=(
            formats.count(day),
            f"and {formats.count(overdue)} overdue" if overdue else "none overdue",
            "watch" if overdue else "plain",
        ),
        week=(formats.count(forecast.total), "events are due", "plain"),
        peak=peak_tile,
        ceiling=_ceiling(able, peak[0].total if peak else 0),
        fastest=(
            formats.count(able.fastest_per_hour),
            "an hour, in the busiest minute of a day" if able.fastest_per_hour else "nothing was delivered in a day",
            "plain",
        ),
    )


def _ceiling(able: Capacity, peak: int) -> tuple[str, str, str]:
    if not able.ceiling_per_hour:
        return "0", "a role has no process", "bad"
    if peak == 0:
        return formats.count(able.ceiling_per_hour), "events an hour", "plain"
    times = able.ceiling_per_hour / peak
    if times < 1:
        return formats.count(able.ceiling_per_hour), f"an hour: {1 / times:.1f} times too little for the peak", "bad"
    return (
        formats.count(able.ceiling_per_hour),
        f"an hour, {_times(times)} the peak",
        "good" if times > COMFORTABLE else "watch",
    )


def _times(times: float) -> str:
    return f"over {AMPLE:.0f} times" if times > AMPLE else f"{times:,.1f} times"


def busiest_hours(forecast: Forecast, many: int = BUSIEST) -> Sequence[HourForecast]:
    """The hours in which most is due, the busiest first."""
    return sorted(forecast.hours, key=lambda each: (-each.total, each.hour))[:many]


def busiest_rows(forecast: Forecast, able: Capacity) -> Sequence[Sequence[Content]]:
    """A row for each: hour, total, each priority, and how long the fleet needs for it at its ceiling."""
    return [
        [
            formats.day_and_hour(each.hour),
            formats.count(each.total),
            *(formats.count(each.counts.get(priority, 0)) for priority in Priority),
            _takes(each.total, able),
        ]
        for each in busiest_hours(forecast)
    ]


def day_rows(forecast: Forecast) -> Sequence[Sequence[Content]]:
    """A row for each day of UTC: total and each priority."""
    days: dict[datetime, dict[Priority, int]] = {}
    for each in forecast.hours:
        day = each.hour.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        counts = days.setdefault(day, dict.fromkeys(Priority, 0))
        for priority, count in each.counts.items():
            counts[priority] += count
    return [
        [f"{day:%a %d %b}", formats.count(sum(counts.values())), *(formats.count(counts[each]) for each in Priority)]
        for day, counts in days.items()
    ]


def _takes(total: int, able: Capacity) -> str:
    if not able.ceiling_per_hour:
        return formats.NONE
    seconds = total / able.ceiling_per_hour * 3_600
    return "< 1 s" if seconds < 1 else formats.duration(seconds)
