"""The week to come, hour by hour."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from analytics_service.console import formats
from analytics_service.console.charts.looks import (
    INK,
    PRIORITY_COLOURS,
    SOFT,
    Options,
    limit_line,
    over_time,
    stacked_bars,
)
from analytics_service.console.views.capacity import Capacity
from contracts.http.events import Forecast
from contracts.vocabulary import Priority

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
