"""What was delivered lately, minute by minute."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from analytics_service.console import formats
from analytics_service.console.charts.looks import BAD, PRIORITY_COLOURS, Options, over_time, stacked_bars
from contracts.http.analytics import CountSeries
from contracts.vocabulary import Priority

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
