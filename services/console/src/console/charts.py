"""Options of charts, from what services answered: pure functions.

Colours are tokens of the style sheet, which the browser resolves: a theme changes at once.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from console import formats
from console.formats import word
from console.views.business import TYPES, Day
from console.views.capacity import Capacity
from contracts.http.analytics import CountSeries
from contracts.http.events import Forecast
from contracts.vocabulary import EventType, Priority

Options = dict[str, Any]

PRIORITY_COLOURS: Mapping[Priority, str] = MappingProxyType(
    {
        Priority.CRITICAL: "var(--critical)",
        Priority.HIGH: "var(--high)",
        Priority.NORMAL: "var(--normal)",
        Priority.LOW: "var(--low)",
    }
)
INK, SOFT, LINE, SURFACE, BAD = "var(--ink)", "var(--ink-soft)", "var(--line)", "var(--raised)", "var(--bad)"
# The style sheet's, spelt out: text is measured on a canvas, which knows neither "inherit" nor tokens.
_FAMILY = 'Inter, ui-sans-serif, system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif'
_FONT = {"color": SOFT, "fontFamily": _FAMILY, "fontSize": 12}


def over_time(labels: Sequence[str], series: Sequence[Options], *, unit: str, label_every: int) -> Options:
    """Options of a chart with time along the bottom. ``unit`` is of its numbers; the interval of the labels that are
    shown."""
    return {
        "animation": False,
        "aria": {"enabled": False},  # a table says it better
        "grid": {"left": 8, "right": 12, "top": 54, "bottom": 4, "containLabel": True},
        "legend": {
            "top": 0,
            "right": 0,
            "itemWidth": 12,
            "itemHeight": 8,
            "itemGap": 16,
            "inactiveColor": LINE,
            "textStyle": _FONT,
        },
        "tooltip": {
            "trigger": "axis",
            "axisPointer": {"type": "shadow", "shadowStyle": {"color": "var(--veil)"}},
            "backgroundColor": SURFACE,
            "borderColor": LINE,
            "textStyle": {**_FONT, "color": INK},
        },
        "xAxis": {
            "type": "category",
            "data": list(labels),
            "axisTick": {"show": False},
            "axisLine": {"lineStyle": {"color": LINE}},
            "axisLabel": {**_FONT, "interval": max(0, label_every - 1), "hideOverlap": True, "alignMinLabel": "left"},
        },
        "yAxis": {
            "type": "value",
            "name": unit,
            "nameTextStyle": {**_FONT, "align": "left"},
            "nameGap": 14,
            "minInterval": 1,
            "splitNumber": 4,
            "axisLabel": _FONT,
            "splitLine": {"lineStyle": {"color": LINE}},
        },
        "series": list(series),
    }


def stacked_bars(name: str, colour: str, values: Sequence[float]) -> Options:
    """One layer of stacked bars."""
    return {
        "type": "bar",
        "name": name,
        "stack": "all",
        "data": list(values),
        "itemStyle": {"color": colour},
        "emphasis": {"disabled": True},
        "barCategoryGap": "18%",
    }


def measured_line(name: str, colour: str, values: Sequence[float | None]) -> Options:
    """Points joined by a line; None leaves a gap."""
    return {
        "type": "line",
        "name": name,
        "data": list(values),
        "symbolSize": 5,
        "itemStyle": {"color": colour},
        "lineStyle": {"color": colour, "width": 2},
        "emphasis": {"disabled": True},
    }


def limit_line(name: str, colour: str, value: float, spans: int, *, dashed: bool = False) -> Options:
    """A line at one height."""
    return {
        "type": "line",
        "name": name,
        "data": [value] * spans,
        "symbol": "none",
        "itemStyle": {"color": colour},
        "lineStyle": {"color": colour, "width": 1.5, "type": "dashed" if dashed else "solid"},
        "emphasis": {"disabled": True},
    }


# -- *Now*: what was delivered lately, minute by minute ----------------------------------------------------------------

_MINUTE = timedelta(minutes=1)


def minutes_of(series: CountSeries) -> list[datetime]:
    """The minutes of the series, whether something happened in them or not."""
    first = series.since.astimezone(UTC).replace(second=0, microsecond=0)
    return [first + number * _MINUTE for number in range(max(0, round((series.until - first) / _MINUTE)))]


def by_minute(series: CountSeries, outcome: str) -> dict[Priority, list[int]]:
    """Counts of ``outcome`` for each minute, by priority."""
    counts: defaultdict[tuple[Priority, datetime], int] = defaultdict(int)
    for point in series.points:
        if point.outcome == outcome and point.priority is not None:
            counts[point.priority, point.start.astimezone(UTC)] += point.count
    minutes = minutes_of(series)
    return {priority: [counts[priority, minute] for minute in minutes] for priority in Priority}


def activity(series: CountSeries) -> Options:
    """Completed events by priority on top of each other, and failed ones of all."""
    completed, failed = by_minute(series, "completed"), by_minute(series, "failed")
    layers = [
        stacked_bars(formats.word(priority.name), PRIORITY_COLOURS[priority], completed[priority])
        for priority in Priority
    ]
    layers.append(stacked_bars("Failed", BAD, _sums(list(failed.values()))))
    return over_time(
        [f"{minute:%H:%M}" for minute in minutes_of(series)], layers, unit="events a minute", label_every=10
    )


def activity_rows(series: CountSeries) -> list[list[str]]:
    """The same as a table's rows: the newest minute first, quiet ones left out."""
    completed, failed = by_minute(series, "completed"), by_minute(series, "failed")
    rows = []
    for index, minute in reversed(list(enumerate(minutes_of(series)))):
        counts = [completed[priority][index] for priority in Priority]
        lost = sum(failed[priority][index] for priority in Priority)
        if any(counts) or lost:
            rows.append([f"{minute:%H:%M}", *(formats.count(each) for each in (*counts, lost))])
    return rows


def _sums(lists: Sequence[Sequence[int]]) -> list[int]:
    return [sum(each) for each in zip(*lists, strict=True)]


# -- *Ahead*: the week to come, hour by hour ---------------------------------------------------------------------------

SHOWN_ABOVE = 20.0
"""A capacity of this multiple of the busiest hour is printed and not drawn: the bars would be lines."""


def hours_of(forecast: Forecast) -> list[datetime]:
    """The hours of the forecast, whether something is due in them or not."""
    first = forecast.since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hour = timedelta(hours=1)
    return [first + number * hour for number in range(max(0, round((forecast.until - first) / hour)))]


def week_ahead(forecast: Forecast, capacity: Capacity | None) -> Options:
    """Events due by priority on top of each other, with what the fleet can do as lines where that is not far above."""
    counts = {each.hour.astimezone(UTC): each.counts for each in forecast.hours}
    hours = hours_of(forecast)
    series = [
        stacked_bars(
            formats.word(priority.name),
            PRIORITY_COLOURS[priority],
            [counts.get(hour, {}).get(priority, 0) for hour in hours],
        )
        for priority in Priority
    ]
    busiest = max((each.total for each in forecast.hours), default=0)
    series.extend(_lines(capacity, busiest, len(hours)))
    return over_time([f"{hour:%a %H:%M}" for hour in hours], series, unit="events an hour", label_every=12)


def _lines(capacity: Capacity | None, busiest: int, spans: int) -> Sequence[Options]:
    if capacity is None:
        return ()
    drawn = busiest * SHOWN_ABOVE
    lines = []
    if capacity.ceiling_per_hour <= drawn:
        lines.append(limit_line("Fleet's ceiling", INK, round(capacity.ceiling_per_hour), spans))
    if capacity.fastest_per_hour and capacity.fastest_per_hour <= drawn:
        lines.append(limit_line("Fastest minute, kept up", SOFT, round(capacity.fastest_per_hour), spans, dashed=True))
    return lines


# -- *Business*: what was delivered, day by day ------------------------------------------------------------------------

_COLOURS = {
    EventType.BIRTHDAY: "var(--critical)",
    EventType.ANNIVERSARY: "var(--high)",
    EventType.REMINDER: "var(--normal)",
    EventType.NOTIFICATION: "var(--low)",
}
_SHORTEST_SECONDS = 0.001
_LABELS = 10


def delivered(days: Sequence[Day]) -> Options:
    """Events by type, one on the other."""
    layers = [stacked_bars(word(each), _COLOURS[each], [day.delivered.get(each, 0) for day in days]) for each in TYPES]
    return _by_day(days, layers, "events a day")


def success(days: Sequence[Day]) -> Options:
    """In percent of what ended; a gap where nothing did."""
    rates = [None if day.success_rate is None else round(day.success_rate * 100, 2) for day in days]
    drawn = _by_day(days, [measured_line("Success rate", "var(--good)", rates)], "%")
    drawn["yAxis"]["max"] = 100
    return drawn


def latency(days: Sequence[Day]) -> Options:
    """Seconds from the target to the end of the last delivery, on a scale that shows milliseconds and hours."""
    measured = (
        ("p50", "var(--good)", [day.p50 for day in days]),
        ("p95", "var(--watch)", [day.p95 for day in days]),
        ("p99", "var(--bad)", [day.p99 for day in days]),
    )
    drawn = _by_day(days, [measured_line(name, colour, _drawable(values)) for name, colour, values in measured], "s")
    # Such a scale has no minimal interval.
    del drawn["yAxis"]["minInterval"]
    drawn["yAxis"]["type"] = "log"
    return drawn


def _drawable(values: Sequence[float | None]) -> Sequence[float | None]:
    return [None if value is None else max(round(value, 3), _SHORTEST_SECONDS) for value in values]


def _by_day(days: Sequence[Day], series: Sequence[Options], unit: str) -> Options:
    names = [f"{day.day:%d %b}" for day in days]
    return over_time(names, series, unit=unit, label_every=max(1, len(days) // _LABELS))
