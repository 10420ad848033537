"""Charts of the page *Business*."""

from collections.abc import Sequence

from analytics_service.console.charts.looks import Options, measured_line, over_time, stacked_bars
from analytics_service.console.formats import word
from analytics_service.console.views.business import TYPES, Day
from contracts.vocabulary import EventType

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
